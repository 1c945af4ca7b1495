//! What was seen of a job over the lives of its processes, and what must never be seen.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use serde_json::Value;

/// Everything that was seen of one job.
#[derive(Debug, Default)]
pub struct History {
    /// How many processes there were.
    lives: u32,
    /// When each checkpoint was triggered, in whatever process.
    triggered_at_ms: BTreeMap<u64, i64>,
    completed: BTreeSet<u64>,
    /// The server lists the newest checkpoints only: how an older one ended may have gone unseen.
    oldest_listed: u64,
    last_completed: u64,
    attempts: BTreeMap<String, u64>,
    exceptions: Vec<Value>,
    /// Something was damaged, so that the job may go back behind what was completed.
    may_fall_back: bool,
}

impl History {
    /// A new process begins; its attempts are counted anew.
    pub fn begin_life(&mut self) {
        self.lives += 1;
        self.attempts.clear();
        self.exceptions.clear();
    }

    /// From now on the job may go back to an older checkpoint than the last.
    pub fn expect_fall_back(&mut self) {
        self.may_fall_back = true;
    }

    /// Takes in what the server says now. An error names what can't be true.
    pub fn observe(&mut self, job: &Value, checkpoints: &Value, exceptions: &Value) -> anyhow::Result<()> {
        for checkpoint in items(checkpoints, "checkpoints") {
            self.observe_checkpoint(checkpoint)?;
        }
        let listed =
            items(checkpoints, "checkpoints").iter().filter_map(|checkpoint| checkpoint["id"].as_u64());
        self.oldest_listed = listed.min().unwrap_or(self.oldest_listed);
        if let Some(last) = job["last_completed_checkpoint"].as_u64() {
            ensure!(
                last >= self.last_completed || self.may_fall_back,
                "the last completed checkpoint went back from {} to {last}",
                self.last_completed
            );
            self.last_completed = last;
            self.completed.insert(last);
        }
        for subtask in items(job, "vertices").iter().flat_map(|vertex| items(vertex, "subtasks")) {
            let (id, attempt) = (text(subtask, "id"), subtask["attempt"].as_u64().unwrap_or(0));
            let known = self.attempts.entry(id.to_owned()).or_default();
            ensure!(attempt >= *known, "{id} went back from attempt {known} to {attempt}");
            *known = attempt;
        }
        self.exceptions = items(exceptions, "exceptions").to_vec();
        self.exceptions.reverse();
        self.check_restores()
    }

    fn observe_checkpoint(&mut self, checkpoint: &Value) -> anyhow::Result<()> {
        let id = checkpoint["id"].as_u64().unwrap_or(0);
        let triggered_at_ms = checkpoint["triggered_at_ms"].as_i64().unwrap_or(0);
        let known = *self.triggered_at_ms.entry(id).or_insert(triggered_at_ms);
        ensure!(known == triggered_at_ms, "checkpoint id {id} was used twice");
        // An earlier process may have triggered it unseen, but then before those with greater ids.
        let later = self.triggered_at_ms.range(id + 1..).next();
        let earlier = self.triggered_at_ms.range(..id).next_back();
        ensure!(
            later.is_none_or(|(_, at_ms)| triggered_at_ms <= *at_ms)
                && earlier.is_none_or(|(_, at_ms)| *at_ms <= triggered_at_ms),
            "checkpoint id {id} is used again: it was triggered between {earlier:?} and {later:?} at {triggered_at_ms}"
        );
        if text(checkpoint, "status") == "COMPLETED" {
            self.completed.insert(id);
        }
        Ok(())
    }

    /// Recoveries go back to checkpoints that were completed, and never behind an earlier recovery.
    fn check_restores(&self) -> anyhow::Result<()> {
        let recoveries = self.exceptions.iter().map(|exception| &exception["recovery"]);
        // A control actor that is rebuilt without touching the tasks goes back to no checkpoint.
        let of_tasks = recoveries.filter(|recovery| recovery["tasks_restarted"].as_u64() > Some(0));
        let mut latest = 0;
        for id in of_tasks.map(|recovery| recovery["restored_checkpoint"].as_u64().unwrap_or(0)) {
            ensure!(
                id >= latest || self.may_fall_back,
                "a recovery went back to checkpoint {id}, an earlier one to {latest}"
            );
            latest = id;
            // A process that was killed may have completed one more than was seen.
            let may_be_unseen =
                id == 0 || self.lives > 1 || id > self.last_completed || id < self.oldest_listed;
            ensure!(
                may_be_unseen || self.completed.contains(&id),
                "checkpoint {id} was restored, but it was never completed"
            );
        }
        Ok(())
    }

    /// The newest completed checkpoint that was seen; 0 if none was.
    pub fn last_completed(&self) -> u64 {
        self.last_completed
    }

    /// The failures in this process, oldest first.
    pub fn exceptions(&self) -> &[Value] {
        &self.exceptions
    }
}

/// The list in a field, empty if there is none.
pub fn items<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// The text in a field, empty if there is none.
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(ids: &[u64], last: u64) -> (Value, Value) {
        let checkpoints: Vec<Value> = ids
            .iter()
            .map(|id| json!({"id": id, "status": "COMPLETED", "triggered_at_ms": id * 10}))
            .collect();
        (json!({"last_completed_checkpoint": last}), json!({"checkpoints": checkpoints}))
    }

    #[test]
    fn a_reused_id_and_a_lost_checkpoint_are_noticed_over_a_restart() {
        let mut history = History::default();
        history.begin_life();
        let (job, checkpoints) = seen(&[1, 2, 3], 3);
        history.observe(&job, &checkpoints, &json!({})).unwrap();
        history.begin_life();
        assert!(
            history.observe(&job, &checkpoints, &json!({})).is_ok(),
            "a process tells of those before it"
        );
        let reused = json!({"checkpoints": [{"id": 3, "status": "COMPLETED", "triggered_at_ms": 99}]});
        assert!(history.observe(&job, &reused, &json!({})).is_err());
        let (lost, later) = seen(&[4], 2);
        assert!(history.observe(&lost, &later, &json!({})).is_err());
    }

    #[test]
    fn a_restore_of_what_was_never_completed_is_noticed() {
        let mut history = History::default();
        history.begin_life();
        let (job, checkpoints) = seen(&[1, 3], 3);
        let restored =
            |id| json!({"exceptions": [{"recovery": {"restored_checkpoint": id, "tasks_restarted": 4}}]});
        assert!(history.observe(&job, &checkpoints, &restored(3)).is_ok());
        assert!(history.observe(&job, &checkpoints, &restored(2)).is_err());
        let (job, newest_only) = seen(&[103], 103);
        assert!(history.observe(&job, &newest_only, &restored(3)).is_ok());
        assert!(history.observe(&job, &newest_only, &restored(2)).is_ok(), "its end may have gone unseen");
    }
}
