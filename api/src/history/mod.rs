//! What was measured during the last day, kept in the data folder.
//!
//! A source, which is a job or the server as a whole, has a folder. Time is cut into chunks of 15 minutes. Samples, one a
//! second, go into a *fine* file, a checksummed frame each ([`file`]); nothing is held back, so a killed process loses none.
//! Once a chunk is over its samples are folded to one per 10 seconds, in one compressed *coarse* file that lasts a day
//! ([`recorder`]). Readers ([`query`]) look at the files alone. What a damaged file held is lost, and nothing else.

mod file;
mod query;
mod recorder;
mod series;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use headwater_core::{fs::FileSystem, ids::JobId, time::TimestampMs};
pub(crate) use query::{Answer, Query};
use recorder::Recorder;
pub(crate) use series::{Fold, Sample, Unit};

/// Whose history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Source {
    /// The server's.
    Cluster,
    /// A job's.
    Job(JobId),
}

const CLUSTER: &str = "cluster";

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str(CLUSTER),
            Self::Job(job) => job.fmt(f),
        }
    }
}

impl Source {
    fn parse(name: &str) -> Option<Self> {
        if name == CLUSTER { Some(Self::Cluster) } else { name.parse().ok().map(Self::Job) }
    }
}

/// How long a chunk is. Fine files are kept for one more after theirs has ended.
pub(crate) const CHUNK_MS: TimestampMs = 15 * 60 * 1_000;
/// How far history goes back.
pub(crate) const KEPT_MS: TimestampMs = 24 * 60 * 60 * 1_000;
/// The time that a row of a coarse file stands for.
const COARSE_MS: TimestampMs = 10_000;
/// Samples that wait for the disk; further ones become a gap.
const WAITING_MAX: usize = 60;

/// Where the history is kept.
#[derive(Clone, Debug)]
pub struct HistoryConfig {
    /// A folder of its own; made if it is missing.
    pub folder: PathBuf,
    /// The file system that it is on.
    pub fs: Arc<dyn FileSystem>,
    /// Beyond so many bytes the oldest go.
    pub bytes_max: u64,
}

impl HistoryConfig {
    /// In a data folder, of the usual size.
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join("metrics"),
            fs: Arc::new(headwater_core::fs::LocalFileSystem),
            bytes_max: 256 << 20,
        }
    }
}

/// A history. It is written by a thread of its own: a disk that hangs holds up nobody else.
pub(crate) struct History {
    config: HistoryConfig,
    samples: SyncSender<Sample>,
}

impl History {
    /// Goes on with what is in the folder.
    pub(crate) fn open(config: HistoryConfig) -> io::Result<Self> {
        config.fs.create_folder(&config.folder)?;
        let (samples, waiting) = sync_channel(WAITING_MAX);
        let mut recorder = Recorder::new(config.clone());
        thread::Builder::new().name("metric-history".to_owned()).spawn(move || {
            for sample in waiting {
                recorder.record(&sample);
            }
        })?;
        Ok(Self { config, samples })
    }

    /// Takes a sample, without waiting for it to be written.
    pub(crate) fn record(&self, sample: Sample) {
        match self.samples.try_send(sample) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::debug!("the disk is too slow for the metric history: a sample was left out")
            }
            Err(TrySendError::Disconnected(_)) => tracing::debug!("the metric history is no longer written"),
        }
    }

    /// Reads files: not for a thread that must not wait.
    pub(crate) fn query(&self, source: Source, query: &Query) -> io::Result<Answer> {
        query::answer(&self.config, source, query)
    }
}

fn chunk_of(at_ms: TimestampMs) -> TimestampMs {
    at_ms - at_ms.rem_euclid(CHUNK_MS)
}
