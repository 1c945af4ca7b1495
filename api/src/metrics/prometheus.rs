//! The text that a scrape reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, OnceLock},
};

use headwater_core::job::JobStatus;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::{
    JobSnapshot, ProcessUsage, Snapshot, Window,
    exposed::{self, Metric},
};
use crate::server::BuildInfo;

/// Subtasks that are shown. A job with more than all of these would make scrapes large and slow; its own metrics are
/// shown in any case.
const SUBTASKS_MAX: usize = 4_096;
/// The one worker.
const TASK_MANAGER: &str = "headwater";

/// Label names and values; the library escapes what must be.
type Labels = Arc<Vec<(&'static str, String)>>;

/// A metric with its values.
#[derive(Debug)]
struct Family {
    help: String,
    kind: MetricType,
    values: Vec<(Labels, f64)>,
}

/// All families, by their full names.
#[derive(Debug, Default)]
pub(super) struct Exposition(BTreeMap<String, Family>);

/// What a scrape is made of.
pub(super) struct Scrape<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) window: &'a Window,
    pub(super) usage: Option<ProcessUsage>,
    /// In use.
    pub(super) cores: Option<f64>,
    pub(super) build: &'a BuildInfo,
}

impl Exposition {
    pub(super) fn of(scrape: &Scrape<'_>) -> Self {
        let mut exposition = Self::default();
        exposition.add_cluster(scrape);
        exposition.add_process(scrape);
        let mut room = SUBTASKS_MAX;
        let mut left_out = 0;
        for job in &scrape.snapshot.jobs {
            exposition.add_job(scrape, job);
            let subtasks: usize = job.details.vertices.iter().map(Vec::len).sum();
            if subtasks <= room {
                room -= subtasks;
                exposition.add_tasks(scrape, job);
            } else {
                left_out += subtasks;
            }
        }
        let help = format!("subtasks that are not shown, since there are more than {SUBTASKS_MAX}");
        exposition.add("headwater_metrics_subtasks_left_out", &help, &Labels::default(), left_out as f64);
        exposition
    }

    /// In OpenMetrics' text format.
    pub(super) fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut written = String::new();
        text::encode(&mut written, &registry).expect("a string takes all that is written to it");
        written
    }

    fn add(&mut self, name: impl Into<String>, help: &str, labels: &Labels, value: f64) {
        self.add_as(MetricType::Gauge, name, help, labels, value);
    }

    fn add_as(&mut self, kind: MetricType, name: impl Into<String>, help: &str, labels: &Labels, value: f64) {
        let new = || Family { help: help.to_owned(), kind, values: Vec::new() };
        self.0.entry(name.into()).or_insert_with(new).values.push((labels.clone(), value));
    }

    fn add_all<R>(&mut self, prefix: &str, metrics: &[Metric<R>], read: &R, labels: &Labels) {
        for metric in metrics {
            if let Some(value) = (metric.value)(read) {
                self.add(format!("{prefix}{}", metric.name), metric.help, labels, value);
            }
        }
    }

    fn add_cluster(&mut self, scrape: &Scrape<'_>) {
        let overview = &scrape.snapshot.overview;
        let host = labels([("host", host())]);
        let running = overview.jobs.iter().filter(|job| job.status == JobStatus::Running).count();
        let free = overview.slots_total.saturating_sub(overview.slots_used);
        for (name, help, value) in [
            ("numRunningJobs", "jobs that are running", running),
            ("numRegisteredTaskManagers", "workers: the one in this process", 1),
            ("taskSlotsTotal", "slots", overview.slots_total),
            ("taskSlotsAvailable", "slots in which no task is", free),
        ] {
            self.add(format!("flink_jobmanager_{name}"), help, &host, value as f64);
        }
        for state in JobStatus::ALL {
            let jobs = overview.jobs.iter().filter(|job| job.status == state).count();
            let of_state = labels([("state", state.as_str().to_owned())]);
            self.add(
                "headwater_jobs",
                "jobs in this state, of those that are remembered",
                &of_state,
                jobs as f64,
            );
        }
        let unreadable = overview.unreadable_jobs.len() as f64;
        self.add(
            "headwater_unreadable_jobs",
            "stored jobs that cannot be read",
            &Labels::default(),
            unreadable,
        );
        self.add(
            "headwater_tasks_running",
            "tasks that are running",
            &Labels::default(),
            overview.tasks_running as f64,
        );
        let build = labels([
            ("version", scrape.build.version.clone()),
            ("commit", scrape.build.commit.clone().unwrap_or_default()),
        ]);
        self.add("headwater_build_info", "1; the labels say what this program is", &build, 1.0);
    }

    fn add_process(&mut self, scrape: &Scrape<'_>) {
        let none = Labels::default();
        let started_s = scrape.snapshot.overview.started_at_ms as f64 / 1e3;
        let help = "when the process began to serve, in seconds since 1970";
        self.add("process_start_time_seconds", help, &none, started_s);
        let Some(usage) = scrape.usage else { return };
        let help = "processor time of the process, in seconds";
        self.add_as(MetricType::Counter, "process_cpu_seconds", help, &none, usage.cpu_seconds);
        self.add(
            "process_resident_memory_bytes",
            "resident memory of the process",
            &none,
            usage.resident_bytes as f64,
        );
        self.add(
            "process_open_fds",
            "open files of the process, sockets included",
            &none,
            usage.open_files as f64,
        );
        self.add("process_threads", "threads of the process", &none, usage.threads as f64);
        let machine = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        // Control plane and worker are one process, so that both have its numbers.
        for (scope, labels) in [
            ("jobmanager", labels([("host", host())])),
            ("taskmanager", labels([("host", host()), ("tm_id", TASK_MANAGER.to_owned())])),
        ] {
            let status = format!("flink_{scope}_Status_JVM");
            let help = "share of the machine's cores that the process uses";
            if let Some(cores) = scrape.cores {
                self.add(format!("{status}_CPU_Load"), help, &labels, cores / machine);
            }
            let help = "processor time of the process, in nanoseconds";
            self.add(format!("{status}_CPU_Time"), help, &labels, usage.cpu_seconds * 1e9);
            self.add(
                format!("{status}_Threads_Count"),
                "threads of the process",
                &labels,
                usage.threads as f64,
            );
            let help = "resident memory of the process: there is no heap of a virtual machine";
            self.add(format!("{status}_Memory_Heap_Used"), help, &labels, usage.resident_bytes as f64);
        }
    }

    fn add_job(&mut self, scrape: &Scrape<'_>, job: &JobSnapshot) {
        let summary = &job.details.summary;
        let counts = scrape.window.checkpoints(summary.id);
        let read = exposed::Job { job, counts, now_ms: scrape.snapshot.at_ms };
        let labels = labels([
            ("host", host()),
            ("job_id", summary.id.to_string()),
            ("job_name", summary.name.clone()),
        ]);
        self.add_all("flink_jobmanager_job_", &exposed::job(), &read, &labels);
        self.add_all("headwater_job_", &exposed::own_job(), &read, &labels);
        for state in JobStatus::ALL.iter().filter(|state| !state.is_terminal()) {
            let name = format!("flink_jobmanager_job_{}State", state.as_str().to_lowercase());
            let is_it = f64::from(u8::from(*state == summary.status));
            self.add(name, "1 if the job is in this state, else 0", &labels, is_it);
        }
    }

    fn add_tasks(&mut self, scrape: &Scrape<'_>, job: &JobSnapshot) {
        let (of_task, of_operator, of_own) = (exposed::task(), exposed::operator(), exposed::own_task());
        let summary = &job.details.summary;
        for (vertex, subtasks) in job.vertices() {
            for view in subtasks {
                let rates = scrape.window.mean_rates(summary.id, view);
                let read = exposed::Task { vertex, view, rates, now_ms: scrape.snapshot.at_ms };
                let task = vec![
                    ("host", host()),
                    ("tm_id", TASK_MANAGER.to_owned()),
                    ("job_id", summary.id.to_string()),
                    ("job_name", summary.name.clone()),
                    ("task_id", vertex.id.to_string()),
                    ("task_name", vertex.name.clone()),
                    ("task_attempt_num", view.attempt.to_string()),
                    ("subtask_index", view.subtask.index.to_string()),
                ];
                let names = [("operator_id", vertex.uid.clone()), ("operator_name", vertex.name.clone())];
                let operator = labels(task.iter().cloned().chain(names));
                let task = labels(task);
                self.add_all("flink_taskmanager_job_task_", &of_task, &read, &task);
                self.add_all("flink_taskmanager_job_task_operator_", &of_operator, &read, &operator);
                self.add_all("headwater_task_", &of_own, &read, &task);
            }
        }
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, family) in &self.0 {
            let mut metric = encoder.encode_descriptor(name, &family.help, None, family.kind)?;
            for (labels, value) in &family.values {
                let sample = metric.encode_family(labels.as_ref())?;
                match family.kind {
                    MetricType::Counter => ConstCounter::new(*value).encode(sample)?,
                    _ => ConstGauge::new(*value).encode(sample)?,
                }
            }
        }
        Ok(())
    }
}

fn labels(labels: impl IntoIterator<Item = (&'static str, String)>) -> Labels {
    Arc::new(labels.into_iter().collect())
}

/// The machine's name, as Flink labels what comes from it.
fn host() -> String {
    static HOST: OnceLock<String> = OnceLock::new();
    let read = || {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
        name.map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
    };
    HOST.get_or_init(read).clone()
}

/// Prometheus' own text format, from OpenMetrics'. What is said of a counter is said there of its sample, whose name has a
/// suffix; OpenMetrics' last line is a comment.
pub(super) fn in_own_format(open_metrics: &str) -> String {
    let counter = |line: &'_ str| Some(line.strip_prefix("# TYPE ")?.strip_suffix(" counter")?.to_owned());
    let counters: BTreeSet<String> = open_metrics.lines().filter_map(counter).collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
            ["#", what @ ("HELP" | "TYPE"), name, rest] if counters.contains(name) => {
                text.push_str(&format!("# {what} {name}_total {rest}"));
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_own_format_a_counter_is_described_by_the_name_of_its_sample() {
        let open = "# HELP cpu seconds of cpu\n# TYPE cpu counter\ncpu_total{} 2.0\n# HELP fds cpu\n# TYPE fds gauge\nfds{} 7\n# EOF\n";
        let own = "# HELP cpu_total seconds of cpu\n# TYPE cpu_total counter\ncpu_total{} 2.0\n# HELP fds cpu\n# TYPE fds gauge\nfds{} 7\n# EOF\n";
        assert_eq!(in_own_format(open), own);
    }
}
