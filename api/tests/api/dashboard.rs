//! The dashboard and the table of metrics name what there is.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use crate::{exposition::parse, http::TestServer};

/// Values that the stand-in's tasks need not have.
const OPTIONAL: [&str; 5] = [
    "flink_taskmanager_job_task_operator_pendingRecords",
    "flink_taskmanager_job_task_operator_pendingBytes",
    "headwater_task_state_bytes",
    "headwater_task_state_entries",
    "headwater_task_watermark_lag_ms",
];

fn docs(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Words that look like names of metrics.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| {
        let own = ["flink_jobmanager_", "flink_taskmanager_", "headwater_", "process_"];
        own.iter().any(|prefix| word.starts_with(prefix) && word.len() > prefix.len())
            // The beginnings of names, in prose.
            && !word.ends_with('_')
    };
    words.filter(is_metric).map(str::to_owned).collect()
}

/// The names that a scrape shows, some seconds after the start.
fn exposed() -> BTreeSet<String> {
    let server = TestServer::start(false);
    crate::metrics::wait_for("rates", || {
        server.fake.advance(1_000);
        let names: BTreeSet<String> =
            parse(&server.get("/metrics").body).into_iter().map(|sample| sample.name).collect();
        let has_rates = names.contains("flink_taskmanager_job_task_busyTimeMsPerSecond");
        (has_rates && names.contains("flink_jobmanager_Status_JVM_CPU_Load")).then_some(names)
    })
}

#[test]
fn the_documentation_lists_all_metrics_that_there_are() {
    let exposed = exposed();
    let documented = metrics_in(&docs("METRICS.md"));
    let missing: Vec<_> = exposed.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/METRICS.md: {missing:?}");
    let gone: Vec<_> =
        documented.difference(&exposed).filter(|name| !OPTIONAL.contains(&name.as_str())).collect();
    assert!(gone.is_empty(), "docs/METRICS.md names what there is not: {gone:?}");
}

#[test]
fn the_dashboard_asks_only_for_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(&docs("grafana/headwater.json")).unwrap();
    let mut asked = BTreeSet::new();
    let mut ids = BTreeSet::new();
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "panel {} is there twice", panel["id"]);
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let found = metrics_in(expression);
            assert!(!found.is_empty(), "{expression}");
            asked.extend(found);
        }
    }
    asked.extend(metrics_in(&dashboard["templating"].to_string()));
    asked.extend(metrics_in(&dashboard["annotations"].to_string()));
    assert!(asked.len() > 20, "{asked:?}");
    let exposed = exposed();
    let unknown: Vec<_> =
        asked.difference(&exposed).filter(|name| !OPTIONAL.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
