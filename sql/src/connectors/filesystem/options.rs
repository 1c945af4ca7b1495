//! The options of a table of files. A table may be read and written, so all of them are read for both.

use std::path::PathBuf;

use headwater_connectors::MalformedRecords;
use headwater_core::access;
use regex::Regex;

use super::layout::Layout;
use crate::{
    connectors::{TableDescriptor, malformed::malformed_records, options::OptionReader},
    error::SqlError,
    formats::Format,
};

const DEFAULT_PARTITION: &str = "__DEFAULT_PARTITION__";

/// Options of Flink's connector that are refused by name, with what to do instead.
const UNSUPPORTED: [(&str, &str); 11] = [
    ("sink.partition-commit.policy.class", "expected the policy `success-file`"),
    ("sink.partition-commit.policy.class.parameters", "expected the policy `success-file`"),
    ("sink.partition-commit.watermark-time-zone", "expected the trigger `process-time`, which needs none"),
    ("partition.time-extractor.kind", "expected the trigger `process-time`, which needs none"),
    ("partition.time-extractor.class", "expected the trigger `process-time`, which needs none"),
    ("partition.time-extractor.timestamp-pattern", "expected the trigger `process-time`, which needs none"),
    ("partition.time-extractor.timestamp-formatter", "expected the trigger `process-time`, which needs none"),
    ("compaction.file-size", "files are not compacted"),
    ("compaction.parallelism", "files are not compacted"),
    ("streaming-source.enable", "set `source.monitor-interval` to read what comes"),
    ("streaming-source.monitor-interval", "set `source.monitor-interval` to read what comes"),
];

/// A table of files.
#[derive(Debug)]
pub(super) struct FileTable {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) format: Format,
    pub(super) layout: Layout,
    pub(super) default_partition: String,
    /// Set: the folder is watched, and the table never ends.
    pub(super) monitor_interval_ms: Option<u64>,
    /// What the path of a file must match as a whole.
    pub(super) pattern: Option<Regex>,
    /// The job's if not set.
    pub(super) on_malformed: Option<MalformedRecords>,
    pub(super) rolling: Rolling,
    pub(super) success_file: Option<String>,
    pub(super) sink_parallelism: Option<u32>,
}

/// When a sink begins a new file, also between checkpoints.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rolling {
    pub(super) file_bytes: u64,
    pub(super) rollover_ms: u64,
    pub(super) inactivity_ms: u64,
    pub(super) check_ms: u64,
}

impl FileTable {
    /// Reads the options of a table.
    pub(super) fn read(table: &TableDescriptor) -> Result<Self, SqlError> {
        let mut options = OptionReader::new(table);
        for (key, instead) in UNSUPPORTED {
            if options.optional(key).is_some() {
                return Err(options.error(key, format!("not supported: {instead}")));
            }
        }
        for (key, instead) in [
            ("auto-compaction", "files are not compacted"),
            ("sink.shuffle-by-partition.enable", "rows are written where they are"),
        ] {
            if options.flag(key)? == Some(true) {
                return Err(options.error(key, format!("`true` is not supported: {instead}")));
            }
        }
        // What a planner might do with statistics; ours asks for none.
        options.choice("source.report-statistics", &[("all", ()), ("none", ())])?;
        let path = local_path(&mut options)?;
        let format = Format::read(&mut options)?;
        let pattern = options.parsed("source.path.regex-pattern", "a regular expression", |text| {
            Regex::new(&format!("^(?:{text})$")).ok()
        })?;
        let minutes = |options: &mut OptionReader<'_>, key: &str, default: u64| {
            Ok::<_, SqlError>(options.duration_ms(key)?.unwrap_or(default * 60_000))
        };
        let read = Self {
            name: table.name.clone(),
            path,
            layout: Layout::new(table)?,
            default_partition: options
                .optional("partition.default-name")
                .unwrap_or(DEFAULT_PARTITION)
                .to_owned(),
            monitor_interval_ms: options
                .duration_ms("source.monitor-interval")?
                .map(|interval| match interval {
                    0 => Err(options.invalid("source.monitor-interval", "a duration above 0")),
                    _ => Ok(interval),
                })
                .transpose()?,
            pattern,
            on_malformed: malformed_records(&mut options, &format)?,
            rolling: Rolling {
                file_bytes: options.memory_bytes("sink.rolling-policy.file-size")?.unwrap_or(128 << 20),
                rollover_ms: minutes(&mut options, "sink.rolling-policy.rollover-interval", 30)?,
                inactivity_ms: minutes(&mut options, "sink.rolling-policy.inactivity-interval", 30)?,
                check_ms: minutes(&mut options, "sink.rolling-policy.check-interval", 1)?,
            },
            success_file: success_file(&mut options, table)?,
            sink_parallelism: options.integer("sink.parallelism", 1..)?,
            format,
        };
        options.finish()?;
        Ok(read)
    }

    /// An error about this table.
    pub(super) fn error(&self, error: SqlError) -> SqlError {
        let message = format!("table `{}`: {}", self.name, error.message);
        SqlError { message, ..error }
    }
}

/// The path, without `file://` before it.
fn local_path(options: &mut OptionReader<'_>) -> Result<PathBuf, SqlError> {
    let path = options.required("path")?;
    let local = path.strip_prefix("file://").or_else(|| path.strip_prefix("file:")).unwrap_or(path);
    if let Some((scheme, _)) = local.split_once("://") {
        return Err(options.error(
            "path",
            format!("expected a file or folder of this machine, found `{path}`: `{scheme}` is not supported"),
        ));
    }
    if local.is_empty() {
        return Err(options.invalid("path", "a file or folder"));
    }
    // Asked again when it is used; here for an error at once.
    access::check_path(local).map_err(|error| options.refused("path", &error))?;
    Ok(PathBuf::from(local))
}

/// The name of the file that says that a partition was committed, if there is to be one.
fn success_file(options: &mut OptionReader<'_>, table: &TableDescriptor) -> Result<Option<String>, SqlError> {
    const KIND: &str = "sink.partition-commit.policy.kind";
    const NAME: &str = "sink.partition-commit.success-file.name";
    const TRIGGER: &str = "sink.partition-commit.trigger";
    const DELAY: &str = "sink.partition-commit.delay";
    let kind = options.optional(KIND);
    let name = options.optional(NAME).unwrap_or("_SUCCESS");
    let is_hidden = name.starts_with(['.', '_']) && !name.contains('/');
    if !is_hidden {
        return Err(
            options.invalid(NAME, "a name that begins with `_` or `.`, so that it is not read as data")
        );
    }
    let triggers = [("process-time", true), ("partition-time", false)];
    if options.choice(TRIGGER, &triggers)? == Some(false) {
        return Err(options.error(TRIGGER, "`partition-time` is not supported: expected `process-time`"));
    }
    if options.duration_ms(DELAY)?.is_some_and(|delay| delay > 0) {
        return Err(options
            .error(DELAY, "not supported: a partition is committed with the checkpoint, without a delay"));
    }
    match kind {
        None => Ok(None),
        Some("success-file") if table.partition_keys.is_empty() => {
            Err(options.error(KIND, "expected a table with PARTITIONED BY, found one without"))
        }
        Some("success-file") => Ok(Some(name.to_owned())),
        Some(_) => Err(options.invalid(KIND, "`success-file`, others are not supported")),
    }
}
