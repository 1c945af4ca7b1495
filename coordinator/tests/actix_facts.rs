//! What actix does and does not do, as far as the control plane relies on it or works around it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use actix::prelude::*;

#[derive(Default)]
struct Probe {
    restarts: Arc<AtomicU32>,
    handled: Arc<AtomicU32>,
    _on_drop: Option<DropReport>,
}

impl Actor for Probe {
    type Context = Context<Self>;
}

impl Supervised for Probe {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.restarts.fetch_add(1, Ordering::SeqCst);
    }
}

struct DropReport(mpsc::Sender<bool>);

impl Drop for DropReport {
    fn drop(&mut self) {
        self.0.send(std::thread::panicking()).unwrap();
    }
}

enum Do {
    Nothing,
    Panic,
    Wait(Duration),
}

impl Message for Do {
    type Result = ();
}

impl Handler<Do> for Probe {
    type Result = ();

    fn handle(&mut self, what: Do, ctx: &mut Self::Context) {
        self.handled.fetch_add(1, Ordering::SeqCst);
        match what {
            Do::Nothing => {}
            Do::Panic => panic!("a panic that the test asked for"),
            Do::Wait(time) => ctx.wait(tokio::time::sleep(time).into_actor(self)),
        }
    }
}

fn run(body: impl Future<Output = ()>) {
    let paused_runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    System::with_tokio_rt(paused_runtime).block_on(body);
}

#[test]
fn actix_supervisor_does_not_restart_an_actor_that_panicked() {
    run(async {
        let restarts = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&restarts);
        let probe = Supervisor::start(move |_| Probe { restarts: seen, ..Probe::default() });
        assert!(probe.send(Do::Panic).await.is_err());
        assert_eq!(probe.send(Do::Nothing).await, Err(MailboxError::Closed));
        assert_eq!(restarts.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_panic_closes_one_mailbox_drops_its_actor_while_panicking_and_spares_its_neighbours() {
    run(async {
        let (report, reports) = mpsc::channel();
        let doomed = Probe { _on_drop: Some(DropReport(report)), ..Probe::default() }.start();
        let neighbour = Probe::default().start();
        doomed.do_send(Do::Panic);
        assert_eq!(doomed.send(Do::Nothing).await, Err(MailboxError::Closed));
        assert_eq!(reports.try_recv(), Ok(true), "drop ran, with thread::panicking() true");
        assert_eq!(neighbour.send(Do::Nothing).await, Ok(()));
        doomed.do_send(Do::Nothing);
    });
}

#[test]
fn wait_makes_an_actor_deaf_until_its_future_ends() {
    run(async {
        let probe = Probe::default().start();
        probe.send(Do::Wait(Duration::from_secs(60))).await.unwrap();
        let answered = Arc::new(AtomicBool::new(false));
        let answer = Arc::clone(&answered);
        let asked_at = tokio::time::Instant::now();
        actix::spawn(async move {
            probe.send(Do::Nothing).await.unwrap();
            answer.store(true, Ordering::SeqCst);
        })
        .await
        .unwrap();
        assert!(answered.load(Ordering::SeqCst));
        assert_eq!(asked_at.elapsed(), Duration::from_secs(60), "on the paused clock");
    });
}

#[test]
fn do_send_ignores_the_capacity_that_try_send_respects() {
    run(async {
        let handled = Arc::new(AtomicU32::new(0));
        let probe = Probe { handled: Arc::clone(&handled), ..Probe::default() }.start();
        for _ in 0..1_000 {
            probe.do_send(Do::Nothing);
        }
        // One too many is let in, and bars the sender's way.
        assert!(probe.try_send(Do::Nothing).is_ok());
        assert!(matches!(probe.try_send(Do::Nothing), Err(SendError::Full(_))));
        while handled.load(Ordering::SeqCst) < 1_001 {
            tokio::task::yield_now().await;
        }
    });
}
