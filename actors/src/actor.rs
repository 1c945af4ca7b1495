//! The actor around a task: starts it, hands control on to it, dies with it.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, OnceLock},
};

use actix::prelude::*;
use futures::{FutureExt, future::LocalBoxFuture};
use headwater_core::{
    execution::{ExecutionState, FailureKind},
    supervision::{DeathWatch, Exit, panic_message},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    context::TaskError,
    task::{TaskCommand, TaskEnd},
};

/// Makes the future that is the task's life: opens it and runs its loop.
pub type TaskBody = Box<
    dyn FnOnce(UnboundedReceiver<TaskCommand>) -> LocalBoxFuture<'static, Result<TaskEnd, TaskError>> + Send,
>;

/// How an attempt came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskExit {
    /// Of itself.
    Ended(TaskEnd),
    /// It died.
    Died(Exit),
}

impl TaskExit {
    /// The attempt's last state, and the cause if it is a failure.
    pub(crate) fn outcome(self) -> (ExecutionState, Option<(FailureKind, String)>) {
        let cause = match self {
            Self::Ended(TaskEnd::Finished) => return (ExecutionState::Finished, None),
            Self::Ended(TaskEnd::Canceled) => return (ExecutionState::Canceled, None),
            Self::Died(Exit::Killed) => (FailureKind::Kill, "killed on purpose".to_owned()),
            Self::Died(Exit::Failed(message)) => (FailureKind::Error, message),
            Self::Died(Exit::DamagedCheckpoint(message)) => (FailureKind::DamagedCheckpoint, message),
            Self::Died(Exit::DataLoss(message)) => (FailureKind::DataLoss, message),
            Self::Died(Exit::Panicked(message)) => {
                (FailureKind::Panic, message.unwrap_or_else(|| "a panic without a message".to_owned()))
            }
            Self::Died(Exit::Normal) => (FailureKind::Error, "the task ended without a result".to_owned()),
        };
        (ExecutionState::Failed, Some(cause))
    }
}

/// The shell.
pub struct TaskActor {
    body: Option<TaskBody>,
    commands: UnboundedSender<TaskCommand>,
    mail: Option<UnboundedReceiver<TaskCommand>>,
    end: Arc<OnceLock<TaskEnd>>,
    watch: DeathWatch,
}

impl TaskActor {
    /// An actor that runs `body` and calls `on_exit` once when it is gone, whatever ended it.
    pub fn new(body: TaskBody, on_exit: impl FnOnce(TaskExit) + Send + 'static) -> Self {
        let (commands, mail) = unbounded_channel();
        let end = Arc::new(OnceLock::new());
        let known_end = end.clone();
        let watch = DeathWatch::new(move |exit| {
            let ended = known_end.get().copied().filter(|_| exit == Exit::Normal);
            on_exit(match (ended, exit) {
                (Some(end), _) => TaskExit::Ended(end),
                (None, Exit::Normal) => TaskExit::Died(Exit::Failed("the task's thread is gone".to_owned())),
                (None, exit) => TaskExit::Died(exit),
            });
        });
        Self { body: Some(body), commands, mail: Some(mail), end, watch }
    }
}

impl Actor for TaskActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let (Some(body), Some(mail)) = (self.body.take(), self.mail.take()) else {
            return context.stop();
        };
        // The body is made inside of the caught part: a panic of a user's code while it is being set up counts, too.
        let life = AssertUnwindSafe(async move { body(mail).await }).catch_unwind();
        context.spawn(life.into_actor(self).map(|result, actor, context| {
            let recorder = actor.watch.recorder();
            match result {
                Ok(Ok(end)) => {
                    let _ = actor.end.set(end);
                }
                Ok(Err(error)) => recorder.record(error.exit()),
                Err(panic) => recorder.record(Exit::Panicked(Some(panic_message(&*panic)))),
            }
            context.stop();
        }));
    }
}

/// Control for the task.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Control(pub TaskCommand);

impl Handler<Control> for TaskActor {
    type Result = ();

    fn handle(&mut self, Control(command): Control, _: &mut Self::Context) {
        // A closed channel means that the task has just ended, which its watch reports.
        let _ = self.commands.send(command);
    }
}

/// A fault on purpose: the actor dies as by a panic in the middle of its work.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Kill;

impl Handler<Kill> for TaskActor {
    type Result = ();

    fn handle(&mut self, _: Kill, _: &mut Self::Context) {
        self.watch.recorder().record(Exit::Killed);
        resume_unwind(Box::new("killed on purpose"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn exit_of(body: TaskBody, then: impl FnOnce(Addr<TaskActor>)) -> TaskExit {
        System::new().block_on(async move {
            let (report, exits) = tokio::sync::oneshot::channel();
            let addr = TaskActor::new(body, move |exit| report.send(exit).unwrap()).start();
            then(addr);
            exits.await.unwrap()
        })
    }

    fn until_cancelled() -> TaskBody {
        Box::new(|mut mail| {
            Box::pin(async move {
                mail.recv().await;
                Ok(TaskEnd::Canceled)
            })
        })
    }

    #[test]
    fn every_way_to_die_is_told_once_with_its_cause() {
        let panics: TaskBody = Box::new(|_| Box::pin(async { panic!("boom") }));
        assert_eq!(exit_of(panics, |_| ()), TaskExit::Died(Exit::Panicked(Some("boom".into()))));

        let fails: TaskBody =
            Box::new(|_| Box::pin(async { Err(TaskError::Function("no such luck".into())) }));
        assert_eq!(exit_of(fails, |_| ()), TaskExit::Died(Exit::Failed("no such luck".into())));

        let killed = exit_of(until_cancelled(), |addr| addr.do_send(Kill));
        assert_eq!(killed, TaskExit::Died(Exit::Killed));

        let cancelled = exit_of(until_cancelled(), |addr| addr.do_send(Control(TaskCommand::Cancel)));
        assert_eq!(cancelled, TaskExit::Ended(TaskEnd::Canceled));
    }

    #[test]
    fn an_actor_whose_thread_goes_away_is_reported_as_dead() {
        let (report, exits) = mpsc::channel();
        System::new().block_on(async move {
            let arbiter = Arbiter::new();
            let actor = TaskActor::new(until_cancelled(), move |exit| report.send(exit).unwrap());
            TaskActor::start_in_arbiter(&arbiter.handle(), move |_| actor);
            arbiter.stop();
            arbiter.join().unwrap();
        });
        assert!(matches!(exits.recv(), Ok(TaskExit::Died(Exit::Failed(_)))));
    }
}
