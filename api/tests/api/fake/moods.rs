//! What a control plane may be unwilling to do.

use super::Fake;

impl Fake {
    /// From now on nothing is answered in time.
    pub fn time_out(&self) {
        self.state().timing_out = true;
    }

    /// From now on jobs are cancelled, but that is never answered.
    pub fn hang(&self) {
        self.state().hanging = true;
    }

    /// Readiness, as it is asked for from outside.
    pub fn set_ready(&self, is_ready: bool) {
        self.state().is_ready = is_ready;
    }

    /// From now on deletions are under way for ever.
    pub fn delete_slowly(&self) {
        self.state().is_slow_to_delete = true;
    }
}
