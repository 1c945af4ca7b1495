//! What must hold for every script: it is refused or planned, in time, and what was accepted once is accepted again.

use std::{
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex, Once, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use headwater_core::options::JobOptions;
use headwater_sql::{
    error::SqlError,
    local::CollectSink,
    parser::{Statement, StatementKind, parse_script},
    session::{Outcome, Session, compile_job, compile_query},
};

/// How long one script may take.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A script that repeats a statement thousands of times is slow, not stuck.
const STATEMENTS_MAX: usize = 60;

const THREAD: &str = "fuzz";

/// What is wrong with how a script was taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// With the message and the place.
    Panicked(String),
    /// Two ways to the same plan differ, or an error says nothing.
    Inconsistent(String),
    TookTooLong,
}

impl Failure {
    /// The same for two scripts that fail for one reason, most likely.
    pub fn cause(&self) -> String {
        match self {
            Self::Panicked(message) => message.rsplit(" at ").next().unwrap_or_default().to_owned(),
            Self::Inconsistent(message) => message.chars().take(30).collect(),
            Self::TookTooLong => "took too long".to_owned(),
        }
    }
}

/// How scripts were taken.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    pub planned: usize,
    pub refused: usize,
    /// What DataFusion calls internal errors, and how often they were there.
    pub internal: BTreeMap<String, usize>,
}

impl Taken {
    pub fn add(&mut self, other: Self) {
        self.planned += other.planned;
        self.refused += other.refused;
        other
            .internal
            .into_iter()
            .for_each(|(message, count)| *self.internal.entry(message).or_default() += count);
    }

    fn refuse(&mut self, error: &SqlError) -> Result<(), Failure> {
        self.refused += 1;
        if error.message.contains("cannot be planned: ") {
            let message: String = error.message.chars().take(160).collect();
            *self.internal.entry(message).or_default() += 1;
        }
        if error.message.trim().is_empty() || error.to_string().contains('\n') {
            return Err(Failure::Inconsistent(format!(
                "an error is one line that says something: {error:?}"
            )));
        }
        Ok(())
    }
}

/// Executes scripts in a thread of its own, one after the other.
pub struct Target {
    scripts: Sender<String>,
    verdicts: Receiver<Result<Taken, Failure>>,
}

/// What the last panic of the target's threads said.
static PANIC: Mutex<String> = Mutex::new(String::new());

impl Target {
    pub fn start() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let usual = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if thread::current().name() == Some(THREAD) {
                    let place = info.location().map_or_else(String::new, ToString::to_string);
                    let payload = info.payload();
                    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
                    let message =
                        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
                    *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = format!("{message} at {place}");
                } else {
                    usual(info);
                }
            }));
        });
        let (scripts, queue) = channel::<String>();
        let (sender, verdicts) = channel();
        // With a thread's usual stack, which is what the server has.
        let work = move || {
            for script in queue {
                let verdict =
                    panic::catch_unwind(AssertUnwindSafe(|| execute(&script))).unwrap_or_else(|_| {
                        Err(Failure::Panicked(PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone()))
                    });
                if sender.send(verdict).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name(THREAD.to_owned()).spawn(work).expect("a thread can be started");
        Self { scripts, verdicts }
    }

    /// Executes a script. What takes too long goes on in a thread that nobody waits for.
    pub fn judge(&mut self, script: &str) -> Result<Taken, Failure> {
        self.scripts.send(script.to_owned()).expect("the thread hears until this is dropped");
        self.verdicts.recv_timeout(DEADLINE).unwrap_or_else(|_| {
            *self = Self::start();
            Err(Failure::TookTooLong)
        })
    }
}

fn execute(script: &str) -> Result<Taken, Failure> {
    let mut taken = Taken::default();
    let mut session = Session::new(JobOptions { parallelism: 2, ..JobOptions::default() });
    match parse_script(script) {
        Ok(statements) => {
            statements
                .iter()
                .take(STATEMENTS_MAX)
                .try_for_each(|statement| execute_one(&mut session, statement, &mut taken))?;
        }
        Err(error) => {
            taken.refuse(&error)?;
            // What can be read of it is executed all the same.
            for part in script.split(';').take(STATEMENTS_MAX) {
                for statement in parse_script(part).iter().flatten() {
                    execute_one(&mut session, statement, &mut taken)?;
                }
            }
        }
    }
    Ok(taken)
}

fn execute_one(session: &mut Session, statement: &Statement, taken: &mut Taken) -> Result<(), Failure> {
    let options = JobOptions::default();
    let is_planned = matches!(
        statement.kind,
        StatementKind::Query(_) | StatementKind::Insert(_) | StatementKind::StatementSet(_)
    );
    let explained =
        is_planned.then(|| session.clone().execute_script(&format!("EXPLAIN {}", statement.text)));
    let again = |what: &str, result: Result<(), SqlError>| {
        result.map_err(|error| Failure::Inconsistent(format!("{what} is refused: {error}")))
    };
    match session.execute(statement) {
        Ok(outcome) => {
            taken.planned += 1;
            match outcome {
                Outcome::Job(job) => again("a stored job", compile_job(&job.script, &options).map(drop))?,
                Outcome::Query(query) => {
                    let (sink, _) = CollectSink::new(std::sync::Arc::new(Mutex::new(|_: &_| true)));
                    again("a stored query", compile_query(&query.script, &options, sink).map(drop))?;
                }
                _ => {}
            }
            explained.map_or(Ok(()), |explained| again("EXPLAIN of what is accepted", explained.map(drop)))
        }
        Err(error) => taken.refuse(&error),
    }
}
