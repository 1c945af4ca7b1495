//! Faults in a real server, at named points, by plan.
//!
//! A plan is `POINT=ACTION@WHEN`, several of them separated by `;`, e.g.
//! `checkpoint.manifest.before_rename=kill@2;storage.sync=error@5..8`. The server takes one from [`VARIABLE`].

use std::{
    collections::BTreeMap,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use headwater_core::{
    fault::{Fault, FaultPoint, Injector},
    options::nearest,
};
use rustix::process::{Signal, getpid, kill_process};

/// The variable that holds a server's plan.
pub const VARIABLE: &str = "HEADWATER_FAULTS";

/// How the lines on standard error begin that tell of faults.
pub const LOGGED: &str = "fault: ";

const REASON: &str = "a fault on purpose";

/// What to do at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// SIGKILL to the own process.
    Kill,
    Panic,
    /// The operation fails.
    Error,
    /// The thread never comes back.
    Hang,
    Sleep(Duration),
}

/// An action, and the times that the point is reached, counted from 1, at which it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    point: FaultPoint,
    action: Action,
    first: u64,
    last: u64,
}

/// What to do at which points.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan(Vec<Rule>);

impl FromStr for Plan {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let rules = text.split(';').map(str::trim).filter(|rule| !rule.is_empty());
        rules.map(|rule| parse_rule(rule).with_context(|| format!("the fault `{rule}`"))).collect()
    }
}

impl FromIterator<Rule> for Plan {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

fn parse_rule(text: &str) -> anyhow::Result<Rule> {
    let parts = text.split_once('=').and_then(|(point, rest)| Some((point, rest.split_once('@')?)));
    let Some((point, (action, when))) = parts else {
        bail!("expected POINT=ACTION@WHEN, as in `storage.sync=error@5..8`");
    };
    let (first, last) = parse_when(when)?;
    Ok(Rule { point: parse_point(point)?, action: parse_action(action)?, first, last })
}

fn parse_point(name: &str) -> anyhow::Result<FaultPoint> {
    if let Some(point) = FaultPoint::ALL.iter().find(|point| point.name() == name) {
        return Ok(*point);
    }
    let names: Vec<&str> = FaultPoint::ALL.iter().map(|point| point.name()).collect();
    match nearest(name, names.iter().copied()) {
        Some(known) => bail!("there is no point `{name}`: did you mean `{known}`?"),
        None => bail!("there is no point `{name}`: expected one of {}", names.join(", ")),
    }
}

fn parse_action(text: &str) -> anyhow::Result<Action> {
    Ok(match text.split_once(':') {
        None if text == "kill" => Action::Kill,
        None if text == "panic" => Action::Panic,
        None if text == "error" => Action::Error,
        None if text == "hang" => Action::Hang,
        Some(("sleep", ms)) => Action::Sleep(Duration::from_millis(parse_number(ms)?)),
        _ => bail!("expected `kill`, `panic`, `error`, `hang` or `sleep:MS`, found `{text}`"),
    })
}

/// `N`, `N..M` with M included, or `N..`.
fn parse_when(text: &str) -> anyhow::Result<(u64, u64)> {
    let (first, last) = match text.split_once("..") {
        None => (parse_number(text)?, parse_number(text)?),
        Some((first, "")) => (parse_number(first)?, u64::MAX),
        Some((first, last)) => (parse_number(first)?, parse_number(last)?),
    };
    if first == 0 || last < first {
        bail!("expected times counted from 1, as in `2`, `5..8` or `5..`, found `{text}`");
    }
    Ok((first, last))
}

fn parse_number(text: &str) -> anyhow::Result<u64> {
    text.parse().ok().with_context(|| format!("expected a whole number, found `{text}`"))
}

/// Carries a plan out, counting over the whole process, and tells standard error of each fault.
pub struct PlannedInjector {
    plan: Plan,
    reached: BTreeMap<FaultPoint, AtomicU64>,
}

impl PlannedInjector {
    /// An injector that has seen nothing yet.
    pub fn new(plan: Plan) -> Self {
        let reached = plan.0.iter().map(|rule| (rule.point, AtomicU64::new(0))).collect();
        Self { plan, reached }
    }

    /// What to do now that a point is reached, and how often it was.
    fn due(&self, point: FaultPoint) -> Option<(Action, u64)> {
        let nth = self.reached.get(&point)?.fetch_add(1, Ordering::Relaxed) + 1;
        let is_due = |rule: &&Rule| rule.point == point && (rule.first..=rule.last).contains(&nth);
        self.plan.0.iter().find(is_due).map(|rule| (rule.action, nth))
    }
}

impl Injector for PlannedInjector {
    fn reached(&self, point: FaultPoint) -> Option<Fault> {
        let (action, nth) = self.due(point)?;
        eprintln!("{LOGGED}{action:?} at {point}, reached {nth} times");
        match action {
            Action::Kill => {
                // A process may always signal itself, and this signal is not waited for.
                let _ = kill_process(getpid(), Signal::KILL);
                hang()
            }
            Action::Hang => hang(),
            Action::Sleep(duration) => {
                thread::sleep(duration);
                None
            }
            Action::Panic => Some(Fault::Panic(REASON.to_owned())),
            Action::Error => Some(Fault::Error(REASON.to_owned())),
        }
    }
}

fn hang() -> ! {
    loop {
        thread::park();
    }
}

/// All points, one a line, for people.
pub fn list_of_points() -> String {
    let line = |point: &FaultPoint| {
        let phase = point.phase().map_or_else(|| "-".to_owned(), |phase| format!("{phase:?}"));
        format!("{:<34} {phase:<3} {}\n", point.name(), point.describe())
    };
    FaultPoint::ALL.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(plan: &str) -> String {
        format!("{:#}", plan.parse::<Plan>().unwrap_err())
    }

    #[test]
    fn a_plan_says_what_happens_where_and_at_which_times() {
        let plan: Plan =
            "storage.sync=error@2..3; source.read=sleep:0@1; job.end.stored=panic@2..".parse().unwrap();
        let injector = PlannedInjector::new(plan);
        let due = |point| injector.due(point).map(|(action, _)| action);
        assert_eq!(due(FaultPoint::SourceRead), Some(Action::Sleep(Duration::ZERO)));
        assert_eq!(due(FaultPoint::SourceRead), None);
        let syncs = [(); 4].map(|()| due(FaultPoint::StorageSync));
        assert_eq!(syncs, [None, Some(Action::Error), Some(Action::Error), None]);
        let ends = [(); 4].map(|()| due(FaultPoint::JobEndStored).is_some());
        assert_eq!(ends, [false, true, true, true]);
        assert_eq!(due(FaultPoint::StorageWrite), None);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_was_expected() {
        assert!(error_of("storage.sink=kill@1").contains("did you mean `storage.sync`?"));
        assert!(error_of("volcano=kill@1").contains("expected one of job.submit.stored, "));
        assert!(error_of("storage.sync=explode@1").contains("found `explode`"));
        assert!(error_of("storage.sync=kill").contains("expected POINT=ACTION@WHEN"));
        for when in ["0", "5..4", "x", "..3"] {
            assert!(error_of(&format!("storage.sync=kill@{when}")).contains("expected"), "{when}");
        }
    }

    #[test]
    fn the_list_has_every_point_with_its_phase() {
        let list = list_of_points();
        assert_eq!(list.lines().count(), FaultPoint::ALL.len());
        assert!(list.contains("P5  The manifest is durable"));
    }
}
