//! Slots: the threads that tasks run on. Subtask i of every vertex runs in slot i mod S, so that a pipeline's hops stay on
//! one core where they can.

use std::{sync::mpsc, thread, time::Duration};

use actix::{Actor, Addr, Arbiter, Context};

/// How long a worker's end waits for its threads. A hung one may never end.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Where slots are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// So many slots, each with a thread of its own.
    Threads(usize),
    /// So many slots that all share the current thread, and so its clock: runs can be repeated.
    CurrentThread(usize),
}

impl Placement {
    /// The number of slots.
    pub fn slots(self) -> usize {
        match self {
            Self::Threads(slots) | Self::CurrentThread(slots) => slots,
        }
    }
}

/// A worker's slots.
pub struct Slots {
    placement: Placement,
    arbiters: Vec<Arbiter>,
}

impl Slots {
    /// Starts the threads, if any.
    pub fn new(placement: Placement) -> Self {
        let threads = match placement {
            Placement::Threads(slots) => slots,
            Placement::CurrentThread(_) => 0,
        };
        Self { placement, arbiters: (0..threads).map(|_| Arbiter::new()).collect() }
    }

    /// The slot of a subtask.
    pub fn slot_of(&self, subtask: u32) -> usize {
        subtask as usize % self.placement.slots()
    }

    /// Starts an actor in a slot.
    pub fn start<A>(&self, slot: usize, make: impl FnOnce(&mut Context<A>) -> A + Send + 'static) -> Addr<A>
    where
        A: Actor<Context = Context<A>>,
    {
        match self.arbiters.get(slot) {
            Some(arbiter) => A::start_in_arbiter(&arbiter.handle(), make),
            None => A::create(make),
        }
    }

    /// Gives a hung thread up for a new one. A thread cannot be killed: if it ever comes back, it finds itself fenced and
    /// ends.
    pub fn replace(&mut self, slot: usize) {
        if let Some(arbiter) = self.arbiters.get_mut(slot) {
            std::mem::replace(arbiter, Arbiter::new()).stop();
        }
    }
}

impl Drop for Slots {
    /// Waits for the threads, and for the snapshots that they are writing: a database that is in use when the process ends
    /// brings it down.
    fn drop(&mut self) {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        let arbiters = std::mem::take(&mut self.arbiters);
        let (report, ended) = mpsc::channel();
        thread::spawn(move || {
            for arbiter in arbiters {
                // A thread that panicked has ended, too.
                let _ = arbiter.join();
            }
            // Nobody listens after the deadline.
            let _ = report.send(());
        });
        if ended.recv_timeout(STOP_DEADLINE).is_err() {
            tracing::warn!(
                "a slot's thread did not end within {} s: it is left alone",
                STOP_DEADLINE.as_secs()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc::Sender, thread::ThreadId, time::Duration};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    struct Where(Sender<ThreadId>);

    impl Actor for Where {
        type Context = Context<Self>;

        fn started(&mut self, _: &mut Self::Context) {
            self.0.send(std::thread::current().id()).unwrap();
        }
    }

    /// The threads that actors in slots 0, 1 and 2 of 2 run on.
    fn threads(placement: Placement) -> Vec<ThreadId> {
        actix::System::new().block_on(async move {
            let slots = Slots::new(placement);
            let (tell, told) = std::sync::mpsc::channel();
            for subtask in 0..3 {
                let actor = Where(tell.clone());
                slots.start(slots.slot_of(subtask), move |_| actor);
            }
            drop(tell);
            let all_told = async {
                let mut threads = Vec::new();
                while threads.len() < 3 {
                    threads.extend(told.try_iter());
                    tokio::task::yield_now().await;
                }
                threads
            };
            tokio::time::timeout(DEADLINE, all_told).await.expect("every actor starts")
        })
    }

    #[test]
    fn slots_have_a_thread_each_or_share_the_one_that_they_were_made_on() {
        let shared = threads(Placement::CurrentThread(2));
        assert!(shared.iter().all(|thread| *thread == std::thread::current().id()));
        let mut own = threads(Placement::Threads(2));
        own.sort_by_key(|thread| format!("{thread:?}"));
        own.dedup();
        assert_eq!(own.len(), 2);
    }
}
