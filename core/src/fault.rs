//! Fault points: named places at which tests let things go wrong.
//!
//! A fault point is compiled in with the feature `fault-points` only, which no build for users has. There it asks an
//! [`Injector`], that of the thread (a simulation's) or that of the process, what is to happen; an injector that wants the
//! process to die or the thread to hang does that itself. Without the feature it is nothing.
//!
//! A new point is a line in the table below; the table is also the list that tests and documentation are made from.

use std::fmt;

/// How far a checkpoint has come. Recovery goes back to the checkpoint before until this one is [durable](Phase::P5), and to
/// this one from then on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// None is under way.
    P0,
    /// Some barriers are out.
    P1,
    /// Some acknowledgements are in.
    P2,
    /// All acknowledgements are in.
    P3,
    /// The manifest is written but not yet durable.
    P4,
    /// Durable, and nobody was told.
    P5,
    /// Some sinks were told.
    P6,
    /// Committed; older checkpoints are not pruned.
    P7,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 8] =
        [Self::P0, Self::P1, Self::P2, Self::P3, Self::P4, Self::P5, Self::P6, Self::P7];

    /// What it is, for people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::P0 => "idle",
            Self::P1 => "some barriers out",
            Self::P2 => "some acknowledgements in",
            Self::P3 => "all acknowledgements in",
            Self::P4 => "manifest written, not yet durable",
            Self::P5 => "durable",
            Self::P6 => "some sinks told",
            Self::P7 => "committed, older ones not pruned",
        }
    }
}

macro_rules! fault_points {
    ($($variant:ident $name:literal $phase:expr, $what:literal;)*) => {
        /// A named place at which a fault can be injected.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum FaultPoint {
            $(#[doc = $what] $variant,)*
        }

        impl FaultPoint {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, as tests and their users write it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The phase of a checkpoint that reaching it belongs to, if it belongs to one.
            pub fn phase(self) -> Option<Phase> {
                match self { $(Self::$variant => $phase,)* }
            }

            /// Where it is, for people.
            pub fn describe(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

fault_points! {
    JobSubmitStored "job.submit.stored" None, "A job was stored, and nobody was told.";
    JobCancelStored "job.cancel.stored" None, "That a job is to be cancelled was stored, and no task was told.";
    JobEndStored "job.end.stored" None, "A job's end was stored, and nothing is cleaned up yet.";
    JobDeployBefore "job.deploy.before" None, "The tasks' restore point is known, and they are about to be deployed.";
    JobStorePut "job_store.put" None, "The job store is about to write.";
    TaskOpen "task.open" None, "A task is about to open its code and to restore its state.";
    TaskOpened "task.opened" None, "A task is restored and has committed again what was prepared.";
    TaskTimer "task.timer" None, "A task's processing-time timer has fired.";
    SourceRead "source.read" None, "A source has read a batch, and no barrier has passed since.";
    CheckpointIdPersisted "checkpoint.id.persisted" Some(Phase::P0), "A checkpoint's id is durable, and nobody knows of the checkpoint.";
    CheckpointTriggered "checkpoint.triggered" Some(Phase::P1), "The sources were told to emit a barrier.";
    TaskSnapshot "task.snapshot" Some(Phase::P1), "A task has all its barriers and is about to take its snapshot.";
    SinkPrepare "sink.prepare" Some(Phase::P1), "A sink is about to prepare.";
    SinkPrepared "sink.prepared" Some(Phase::P1), "A sink has made what it wrote durable but invisible.";
    TaskBarrier "task.barrier" Some(Phase::P1), "A task has sent its barriers on.";
    SnapshotWrite "snapshot.write" Some(Phase::P1), "The asynchronous part of a snapshot begins.";
    SnapshotWritten "snapshot.written" Some(Phase::P2), "The asynchronous part of a snapshot is durable and not acknowledged.";
    CheckpointAck "checkpoint.ack" Some(Phase::P2), "An acknowledgement is in, and others are missing.";
    CheckpointAcknowledged "checkpoint.acknowledged" Some(Phase::P3), "All acknowledgements are in.";
    ManifestWritten "checkpoint.manifest.written" Some(Phase::P4), "The manifest is in a temporary file, not synced.";
    ManifestBeforeRename "checkpoint.manifest.before_rename" Some(Phase::P4), "The manifest is synced in a temporary file.";
    ManifestRenamed "checkpoint.manifest.renamed" Some(Phase::P4), "The manifest has its name, and its folder is not synced.";
    CheckpointDurable "checkpoint.durable" Some(Phase::P5), "The manifest is durable, and nobody was told.";
    CheckpointCompleted "checkpoint.completed" Some(Phase::P5), "The coordinator knows that the checkpoint is durable and is about to tell the tasks.";
    SinkCommit "sink.commit" Some(Phase::P6), "A sink is about to commit.";
    SinkCommitPart "sink.commit.part" Some(Phase::P6), "A sink has made one of its files visible.";
    SinkCommitted "sink.committed" Some(Phase::P6), "A sink has committed.";
    CheckpointPrune "checkpoint.prune" Some(Phase::P7), "An older checkpoint is about to be removed.";
    CheckpointPruned "checkpoint.prune.manifest" Some(Phase::P7), "An older checkpoint's manifest is removed, its files are not.";
    JournalAppend "journal.append" None, "A journal has written records and not yet synced them.";
    JournalAppended "journal.appended" None, "A journal's records are durable, and nobody has seen them.";
    JournalRelease "journal.release" None, "A journal is about to remove a segment that checkpoints cover.";
    StorageCreate "storage.create" None, "A file or folder is about to be created.";
    StorageWrite "storage.write" None, "A file is about to be written to.";
    StorageSync "storage.sync" None, "A file is about to be synced.";
    StorageSyncFolder "storage.sync_folder" None, "A folder is about to be synced.";
    StorageRename "storage.rename" None, "A file is about to be renamed.";
    StorageRemove "storage.remove" None, "A file or folder is about to be removed.";
    StorageRead "storage.read" None, "A file is about to be read.";
}

impl fmt::Display for FaultPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happens at a fault point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The operation fails; where none can fail, a panic.
    Error(String),
    /// The thread panics.
    Panic(String),
}

/// Decides what happens.
pub trait Injector: Send + Sync {
    /// A point was reached; `None` lets it pass.
    fn reached(&self, point: FaultPoint) -> Option<Fault>;
}

/// A place where nothing can fail but by dying.
///
/// # Panics
/// If the injector says so.
#[inline]
pub fn reach(point: FaultPoint) {
    match try_reach(point) {
        // A second panic would end the process.
        Err(error) if !std::thread::panicking() => panic!("{error}"),
        _ => {}
    }
}

/// A place where an operation can fail.
///
/// # Errors
/// If the injector says so.
///
/// # Panics
/// If the injector says so.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub fn try_reach(_: FaultPoint) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "fault-points")]
pub use injection::{ThreadInjector, install_for_process, install_for_thread, try_reach};

#[cfg(feature = "fault-points")]
mod injection {
    use std::{
        cell::RefCell,
        io,
        sync::{Arc, OnceLock},
    };

    use super::{Fault, FaultPoint, Injector};

    static OF_PROCESS: OnceLock<Arc<dyn Injector>> = OnceLock::new();

    thread_local! {
        static OF_THREAD: RefCell<Option<Arc<dyn Injector>>> = const { RefCell::new(None) };
    }

    /// Installs the injector of the whole process.
    ///
    /// # Panics
    /// If there is one already.
    pub fn install_for_process(injector: Arc<dyn Injector>) {
        let installed = OF_PROCESS.set(injector);
        assert!(installed.is_ok(), "a process has one injector");
    }

    /// Installs an injector for this thread alone, for as long as the guard lives.
    pub fn install_for_thread(injector: Arc<dyn Injector>) -> ThreadInjector {
        OF_THREAD.set(Some(injector));
        ThreadInjector(())
    }

    /// Takes the thread's injector away when it is dropped.
    #[must_use]
    pub struct ThreadInjector(());

    impl Drop for ThreadInjector {
        fn drop(&mut self) {
            OF_THREAD.set(None);
        }
    }

    /// A place where an operation can fail.
    ///
    /// # Errors
    /// If the injector says so.
    ///
    /// # Panics
    /// If the injector says so.
    pub fn try_reach(point: FaultPoint) -> io::Result<()> {
        let of_thread = OF_THREAD.try_with(|injector| injector.borrow().clone()).ok().flatten();
        let fault = match of_thread {
            Some(injector) => injector.reached(point),
            None => OF_PROCESS.get().and_then(|injector| injector.reached(point)),
        };
        match fault {
            None => Ok(()),
            Some(Fault::Panic(reason)) if !std::thread::panicking() => {
                panic!("{reason} (injected at {point})")
            }
            // In a destructor while another panic unwinds, a panic would end the process.
            Some(Fault::Error(reason) | Fault::Panic(reason)) => {
                Err(io::Error::other(format!("{reason} (injected at {point})")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_phase_has_a_point() {
        let names: BTreeSet<&str> = FaultPoint::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), FaultPoint::ALL.len());
        for phase in Phase::ALL {
            assert!(FaultPoint::ALL.iter().any(|point| point.phase() == Some(phase)), "{phase:?}");
        }
    }
}
