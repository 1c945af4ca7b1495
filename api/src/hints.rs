//! What to do about each kind of problem, where nothing better is known of the case.

use crate::problem::ProblemKind;

impl ProblemKind {
    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::UnknownJob => "GET /api/v1/jobs lists the jobs",
            Self::UnknownActor => "GET /api/v1/jobs/{id} lists a job's actors",
            Self::ActorNotRunning => "wait until it runs again, then try once more",
            Self::UnknownPath => "GET /api/v1/openapi.json describes what there is",
            Self::UnknownProgram => "GET /api/v1/programs lists the programs",
            Self::BadArgument => "GET /api/v1/programs says what each program takes",
            Self::InvalidProgram => "change the program or its arguments, then submit it again",
            Self::BadOption => "docs/OPERATIONS.md lists the options and their values",
            Self::MalformedJson => "look at the place that the detail names",
            Self::InvalidRequest => "GET /api/v1/openapi.json describes what is expected",
            Self::MethodNotAllowed => "the header `Allow` says what the path takes",
            Self::BodyTooLarge => "send less at once",
            Self::UnsupportedMediaType => "send JSON, with the header `Content-Type: application/json`",
            Self::NotCancellable => "nothing is left to do: the job has ended",
            Self::NotRestartable => "wait for the job's end, then restart it",
            Self::NotEnded => "cancel the job, and delete it when it has ended",
            Self::NotRunning => "wait until the job is RUNNING, then try again",
            Self::UnknownVertex => "GET /api/v1/jobs/{id}/plan lists a job's vertices",
            Self::UnknownSubtask => "a vertex has subtasks from 0 up to its parallelism, without that",
            Self::UnknownCheckpoint => "GET /api/v1/jobs/{id}/checkpoints lists the newest ones",
            Self::JobGone => "it ran, and ended: use a new key to run it again",
            Self::IdempotencyKeyReused => {
                "use a new key for each submission, and the same only to send it again"
            }
            Self::NotReady => "wait, and ask again",
            Self::HostNotAllowed => "use localhost, or the address that the server listens on",
            Self::CrossOrigin => "send the request from the server's own page, or without a browser",
            Self::ChaosDisabled => "start a server for tests with --chaos",
            Self::TooManyStreams => "close a stream, then try again",
            Self::DispatcherTimeout => "try again; if it stays so, look at the server's log",
            Self::StoreFailed => "look at the disk of the data folder: is it full, or damaged?",
            Self::HistoryFailed => "look at the disk of the data folder: is it full, or damaged?",
            Self::UnknownState => "GET /api/v1/jobs/{id}/state lists what each vertex keeps",
            Self::DamagedCheckpoint => "look at an older checkpoint, and at the disk",
            Self::StateUnreadable => "look at another checkpoint; the server's log says more",
            Self::TooManyReaders => "wait until others have read, then try again",
            Self::JobHasEnded => "nothing passes in a job that has ended; its state may still be there",
            Self::InvalidSql => "POST /api/v1/sql/validate says what is wrong, and where",
            Self::LoginRequired => "on the command line use `--token` or HEADWATER_TOKEN, on the page log in",
            Self::WrongToken => "`headwater token create NAME` on the server's machine makes a token",
            Self::NotPermitted => "use a token with the role `operate`",
            Self::TooManyLogins => "wait a minute",
            Self::SqlFailed => "the server's log says why",
        }
    }
}
