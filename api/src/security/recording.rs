//! What the audit log will have of a request, whatever becomes of it.

use actix_web::{
    dev::ServiceRequest,
    http::{Method, StatusCode},
    web,
};
use headwater_core::time::{Clock, SystemClock};

use super::{Gate, Identity, gate::peer_of, roles};
use crate::dto::AuditEntry;

const ACTION_CHARS_MAX: usize = 300;

/// An entry that is written when the request has been answered, or as soon as nobody waits for its answer any more.
pub(super) struct Recording {
    gate: web::Data<Gate>,
    entry: Option<AuditEntry>,
}

impl Recording {
    /// Of requests that change something or show what is in records, and of those that are denied.
    pub(super) fn begin(gate: &web::Data<Gate>, request: &ServiceRequest, is_denied: bool) -> Option<Self> {
        gate.audit.as_ref()?;
        // As routes match it: a path may be written in several ways.
        let (method, path) = (request.method(), request.match_info().as_str());
        let is_asked_only = *method == Method::POST && path.starts_with("/api/v1/sql/validate");
        let changes = !method.is_safe() && !is_asked_only;
        if !(is_denied || changes || roles::is_sensitive(method, path)) {
            return None;
        }
        let mode = request.query_string().split('&').find(|part| part.starts_with("mode="));
        let query = mode.map_or_else(String::new, |mode| format!("?{mode}"));
        let entry = AuditEntry {
            seq: 0,
            at_ms: SystemClock.now_ms(),
            who: None,
            peer: peer_of(request.request()).map_or_else(String::new, |peer| peer.to_string()),
            // A path that someone made up may be long.
            action: format!("{method} {path}{query}").chars().take(ACTION_CHARS_MAX).collect(),
            status: 0,
            outcome: "unanswered".to_owned(),
            made: None,
            left_out: None,
        };
        Some(Self { gate: gate.clone(), entry: Some(entry) })
    }

    /// Whose request it is.
    pub(super) fn by(&mut self, identity: &Identity) {
        if let Some(entry) = &mut self.entry {
            entry.who = Some(identity.name.as_deref().unwrap_or("anyone").to_owned());
        }
    }

    /// Writes down what came of it.
    pub(super) fn end(mut self, status: StatusCode, made: Option<String>) {
        let Some(entry) = &mut self.entry else { return };
        entry.status = status.as_u16();
        entry.outcome = match status {
            _ if matches!(entry.status, 401 | 403 | 421 | 429) => "denied",
            status if status.is_success() => "done",
            status if status.is_client_error() => "refused",
            _ => "failed",
        }
        .to_owned();
        entry.made = made;
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let (Some(audit), Some(entry)) = (&self.gate.audit, self.entry.take()) {
            audit.record(entry);
        }
    }
}
