//! Supervision of the control plane's own actors.
//!
//! actix's `Supervisor` neither notices a panic nor builds a new actor. This one owns a factory and a
//! [`DeathWatch`] per child: panic, error and kill are one path, and what comes back is a new actor with a new
//! address. Restart intensity is bounded by OTP's rule: more than so many deaths within so much time escalate.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::prelude::*;
use headwater_core::{
    execution::FailureKind,
    supervision::{DeathWatch, Exit, ExitRecorder, panic_message},
};
use tokio::{sync::oneshot, time::Instant};

const KILLED: &str = "killed on purpose";

/// OTP's rule: at most `max` restarts within `within`.
#[derive(Debug, Clone)]
pub(crate) struct RestartIntensity {
    max: usize,
    within: Duration,
    recent: VecDeque<Instant>,
}

impl Default for RestartIntensity {
    fn default() -> Self {
        Self::new(10, Duration::from_secs(10))
    }
}

impl RestartIntensity {
    pub(crate) fn new(max: usize, within: Duration) -> Self {
        Self { max, within, recent: VecDeque::new() }
    }

    /// Takes note of a death; whether one more restart is within the limit.
    pub(crate) fn allows_restart(&mut self, now: Instant) -> bool {
        self.recent.retain(|at| now.duration_since(*at) < self.within);
        self.recent.push_back(now);
        self.recent.len() <= self.max
    }
}

/// How a supervised actor died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
}

impl From<Exit> for Death {
    fn from(exit: Exit) -> Self {
        let (kind, message) = match exit {
            Exit::Failed(message) => (FailureKind::Error, message),
            Exit::DamagedCheckpoint(message) => (FailureKind::DamagedCheckpoint, message),
            Exit::DataLoss(message) => (FailureKind::DataLoss, message),
            Exit::Panicked(Some(message)) => (FailureKind::Panic, message),
            Exit::Panicked(None) => (FailureKind::Panic, "a panic whose message is not known".to_owned()),
            Exit::Killed => (FailureKind::Kill, KILLED.to_owned()),
            // Whoever wants a child to end drops its handle.
            Exit::Normal => (FailureKind::Error, "ended unexpectedly".to_owned()),
        };
        Self { kind, message }
    }
}

/// What a supervisor tells of its child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The child died; a new one is being built.
    Died(Death),
    /// The child died once too often; there will be no other.
    GaveUp(Death),
}

/// Lets a supervised actor die as a fault would.
pub(crate) struct Poison;

impl Message for Poison {
    type Result = ();
}

/// Ends a supervised actor for good.
pub(crate) struct Stop;

impl Message for Stop {
    type Result = ();
}

/// Implements what a supervisor asks of an actor, whose death watch is its field `watch`.
macro_rules! supervised {
    ($actor:ty) => {
        impl actix::Handler<$crate::supervisor::Poison> for $actor {
            type Result = ();

            fn handle(&mut self, _: $crate::supervisor::Poison, _: &mut Self::Context) {
                $crate::supervisor::die_of_poison(&self.watch.recorder());
            }
        }

        impl actix::Handler<$crate::supervisor::Stop> for $actor {
            type Result = ();

            fn handle(&mut self, _: $crate::supervisor::Stop, ctx: &mut Self::Context) {
                actix::ActorContext::stop(ctx);
            }
        }
    };
}
pub(crate) use supervised;

pub(crate) fn die_of_poison(recorder: &ExitRecorder) -> ! {
    recorder.record(Exit::Killed);
    // As a panic does, but without a message from the panic hook: nothing is wrong with the code.
    resume_unwind(Box::new(KILLED))
}

/// An actor that a supervisor can own.
pub(crate) trait Supervisable:
    Actor<Context = Context<Self>> + Handler<Poison> + Handler<Stop>
{
}

impl<A: Actor<Context = Context<A>> + Handler<Poison> + Handler<Stop>> Supervisable for A {}

/// A supervised actor, over all its lives. Dropping this stops it.
pub(crate) struct Child<A: Supervisable> {
    link: Arc<Link<A>>,
}

struct Link<A: Actor> {
    addr: Mutex<Addr<A>>,
    stopped: AtomicBool,
}

impl<A: Actor> Link<A> {
    fn addr(&self) -> Addr<A> {
        lock(&self.addr).clone()
    }
}

impl<A: Supervisable> Child<A> {
    /// The address of the actor's current life.
    pub(crate) fn addr(&self) -> Addr<A> {
        self.link.addr()
    }

    /// Lets the actor die; its supervisor brings it back.
    pub(crate) fn kill(&self) {
        self.addr().do_send(Poison);
    }
}

impl<A: Supervisable> Drop for Child<A> {
    fn drop(&mut self) {
        self.link.stopped.store(true, Ordering::SeqCst);
        self.addr().do_send(Stop);
    }
}

/// Starts an actor on the current Arbiter and keeps it alive: `factory` builds it, the first time and after each
/// death; `notify` hears of deaths before the next life begins.
pub(crate) fn supervise<A: Supervisable>(
    mut factory: impl FnMut(DeathWatch) -> A + 'static,
    mut notify: impl FnMut(Notice) + 'static,
) -> Child<A> {
    let (addr, mut death) = start(&mut factory);
    let link = Arc::new(Link { addr: Mutex::new(addr), stopped: AtomicBool::new(false) });
    let child = Child { link: Arc::clone(&link) };
    actix::spawn(async move {
        let mut intensity = RestartIntensity::default();
        loop {
            let exit = death.await.unwrap_or(Exit::Panicked(None));
            if link.stopped.load(Ordering::SeqCst) {
                return;
            }
            let died = Death::from(exit);
            if !intensity.allows_restart(Instant::now()) {
                notify(Notice::GaveUp(died));
                return;
            }
            notify(Notice::Died(died));
            let (addr, next_death) = start(&mut factory);
            *lock(&link.addr) = addr;
            death = next_death;
        }
    });
    child
}

fn start<A: Supervisable>(factory: &mut impl FnMut(DeathWatch) -> A) -> (Addr<A>, oneshot::Receiver<Exit>) {
    let (report, reported) = oneshot::channel();
    let watch = DeathWatch::new(move |exit| {
        // The supervisor itself is gone when its System is.
        let _ = report.send(exit);
    });
    (factory(watch).start(), reported)
}

/// Runs a handler's body so that the message of a panic in it is known to the supervisor.
pub(crate) fn guarded<T>(recorder: &ExitRecorder, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        recorder.record(Exit::Panicked(Some(panic_message(&*payload))));
        resume_unwind(payload)
    })
}

/// Locks what only short, panic-free sections hold: a poisoned lock still guards whole values.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    struct Fragile {
        watch: DeathWatch,
        life: u32,
    }

    impl Actor for Fragile {
        type Context = Context<Self>;
    }

    supervised!(Fragile);

    struct Life;

    impl Message for Life {
        type Result = u32;
    }

    impl Handler<Life> for Fragile {
        type Result = u32;

        fn handle(&mut self, _: Life, _: &mut Self::Context) -> u32 {
            self.life
        }
    }

    struct Break(Exit);

    impl Message for Break {
        type Result = ();
    }

    impl Handler<Break> for Fragile {
        type Result = ();

        fn handle(&mut self, Break(exit): Break, ctx: &mut Self::Context) {
            match exit {
                Exit::Panicked(message) => guarded(&self.watch.recorder(), || panic!("{message:?}")),
                exit => {
                    self.watch.recorder().record(exit);
                    ctx.stop();
                }
            }
        }
    }

    fn fragile() -> (Child<Fragile>, mpsc::UnboundedReceiver<Notice>) {
        let (tell, told) = mpsc::unbounded_channel();
        let mut lives = 0;
        let child = supervise(
            move |watch| {
                lives += 1;
                Fragile { watch, life: lives }
            },
            move |notice| tell.send(notice).unwrap(),
        );
        (child, told)
    }

    #[test]
    fn panic_error_and_kill_all_bring_a_new_actor() {
        System::new().block_on(async {
            let (child, mut told) = fragile();
            child.addr().do_send(Break(Exit::Panicked(Some("boom".into()))));
            let Some(Notice::Died(panic)) = told.recv().await else { panic!("expected a death") };
            assert_eq!(panic.kind, FailureKind::Panic);
            assert!(panic.message.contains("boom"), "{panic:?}");

            child.addr().do_send(Break(Exit::Failed("disk full".into())));
            let error = Death { kind: FailureKind::Error, message: "disk full".into() };
            assert_eq!(told.recv().await, Some(Notice::Died(error)));

            child.kill();
            let kill = Death { kind: FailureKind::Kill, message: KILLED.into() };
            assert_eq!(told.recv().await, Some(Notice::Died(kill)));
            assert_eq!(child.addr().send(Life).await, Ok(4));
        });
    }

    #[test]
    fn too_many_deaths_in_too_little_time_escalate() {
        System::new().block_on(async {
            let (child, mut told) = fragile();
            for _ in 0..10 {
                child.kill();
                assert!(matches!(told.recv().await, Some(Notice::Died(_))));
                assert!(child.addr().send(Life).await.is_ok());
            }
            child.kill();
            assert!(matches!(told.recv().await, Some(Notice::GaveUp(_))));
        });
    }

    #[test]
    fn dropping_the_child_ends_it_without_a_notice() {
        System::new().block_on(async {
            let (child, mut told) = fragile();
            let addr = child.addr();
            drop(child);
            assert_eq!(told.recv().await, None);
            assert!(addr.send(Life).await.is_err());
        });
    }
}
