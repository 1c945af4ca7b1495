//! One simulated process: from its start until its job has ended, it is stopped, or it dies.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use headwater::{
    actors::{
        slots::Placement,
        worker::{self, WorkerConfig},
    },
    coordinator::{CoordinatorConfig, DispatcherHandle},
    core::{graph::VertexKind, ids::JobId, job::JobStatus},
    state::{Blocking, FileCheckpointStore, StateEnv},
    stream::ProgramRegistry,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::{
    sync::mpsc::unbounded_channel,
    time::{sleep, timeout},
};

use super::{
    disk::{Disk, ProcessDisk},
    gateway::{SlowCoordinator, SlowWorker, Watch},
    injector::{Command, Death, Faults},
    scenario::{Act, DATA, Scenario, Victim},
    stores::{SimClock, SimJobStore, Values},
    trace::Trace,
};

/// How long a job may take in virtual time before it counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(120);
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// What outlives a process.
pub struct World {
    /// The run.
    pub scenario: Scenario,
    /// The disk.
    pub disk: Disk,
    /// The job store's.
    pub values: Values,
    /// What happens.
    pub trace: Trace,
    /// The clock on the wall.
    pub clock: SimClock,
    /// What is still to go wrong.
    pub faults: Faults,
    /// What was seen.
    pub watch: Watch,
    /// The programs.
    pub programs: Arc<ProgramRegistry>,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LifeEnd {
    /// Its job had ended.
    JobEnded(JobStatus),
    /// It was stopped in order.
    Stopped,
    /// It died.
    Died(Death),
    /// Its job did not end.
    Stuck,
}

struct Process<'a> {
    world: &'a World,
    handle: DispatcherHandle,
    worker: SlowWorker,
    random: StdRng,
}

/// Runs a process on this thread, with a runtime and a virtual clock of its own.
pub fn live(world: &World, seed: u64) -> LifeEnd {
    let disk = world.disk.of_process(&world.trace);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without threads and sockets can be made")
    };
    let system = actix::System::with_tokio_rt(runtime);
    let end = system.block_on(begin_and_drive(world, &disk, seed));
    drop(system);
    let mut random = StdRng::seed_from_u64(seed);
    match end {
        LifeEnd::Died(Death::Machine) => world.disk.lose_power(&mut random),
        LifeEnd::Died(Death::Damage) => damage_newest(&world.disk, &mut random),
        _ => {}
    }
    end
}

/// Flips a bit of a file of the newest completed checkpoint.
fn damage_newest(disk: &Disk, random: &mut StdRng) {
    let Some(job) = disk.names(&checkpoints_folder()).into_iter().next() else { return };
    let job = checkpoints_folder().join(job);
    let id = |name: &String| name.strip_prefix("chk-").and_then(|id| id.parse::<u64>().ok());
    let is_completed = |name: &String| disk.names(&job.join(name)).iter().any(|file| file == "manifest");
    let newest = disk.names(&job).into_iter().filter(is_completed).max_by_key(id);
    let Some(folder) = newest.map(|newest| job.join(newest)) else { return };
    let files = disk.names(&folder).into_iter().flat_map(|name| {
        let path = folder.join(name);
        let below: Vec<_> = disk.names(&path).into_iter().map(|name| path.join(name)).collect();
        if below.is_empty() { vec![path] } else { below }
    });
    let files: Vec<_> = files.collect();
    if let Some(file) = files.choose(random) {
        disk.flip_bit(file, random);
    }
}

fn checkpoints_folder() -> PathBuf {
    Path::new(DATA).join("checkpoints")
}

async fn begin_and_drive(world: &World, disk: &ProcessDisk, seed: u64) -> LifeEnd {
    world.trace.begin_life();
    world.trace.note(format_args!("a process begins"));
    world.watch.begin_life(disk);
    let mut commands = world.faults.begin_life(disk);
    let mut random = StdRng::seed_from_u64(seed);
    let end = match catch_unwind(AssertUnwindSafe(|| begin(world, disk, &mut random))) {
        Ok(Ok((handle, worker))) => {
            let mut process = Process { world, handle, worker, random };
            process.drive(&mut commands).await
        }
        // A fault struck while it started: a server ends then, and is started again.
        failed => {
            let why = failed.map(|begun| begun.err().map(|error| error.to_string())).ok().flatten();
            world.trace.note(format_args!("the process cannot start: {why:?}"));
            match commands.try_recv() {
                Ok(Command::Die(death)) => LifeEnd::Died(death),
                _ => LifeEnd::Died(Death::Process),
            }
        }
    };
    // What runs while it is all taken down is not a part of the run.
    disk.cut_off();
    world.trace.end_life();
    world.faults.end_life();
    end
}

/// What a server does when it starts, see the composition root in `headwater`.
fn begin(
    world: &World,
    disk: &ProcessDisk,
    random: &mut StdRng,
) -> anyhow::Result<(DispatcherHandle, SlowWorker)> {
    let scenario = &world.scenario;
    let (disk_ms_max, delays) = (scenario.disk_ms_max, Mutex::new(StdRng::seed_from_u64(random.random())));
    let delay =
        move || Scenario::delay(disk_ms_max, &mut delays.lock().unwrap_or_else(PoisonError::into_inner));
    let data = Path::new(DATA);
    let state = StateEnv::open_in(data, Arc::new(disk.clone()), Blocking::Inline(Arc::new(delay)))?;
    state.purge_all()?;
    let (reports, events) = unbounded_channel();
    let worker = worker::start(WorkerConfig {
        placement: Placement::CurrentThread(2),
        data_dir: data.to_owned(),
        state: state.clone(),
        code: world.programs.clone(),
        clock: Arc::new(world.clock.clone()),
        coordinator: Arc::new(SlowCoordinator::new(reports, scenario, random.random(), &world.watch)),
    });
    let worker = SlowWorker::new(worker, scenario, random.random(), &world.watch);
    let config = CoordinatorConfig {
        store: Arc::new(SimJobStore::new(&world.values, disk, &world.trace)),
        checkpoints: Arc::new(FileCheckpointStore::new(state)),
        worker: Arc::new(worker.clone()),
        catalog: world.programs.clone(),
        clock: Arc::new(world.clock.clone()),
        chaos: true,
        remembered_jobs: Default::default(),
    };
    Ok((headwater::coordinator::start(config, events), worker))
}

impl Process<'_> {
    /// Sees the job to its end, and does what the faults ask for meanwhile.
    async fn drive(&mut self, commands: &mut tokio::sync::mpsc::UnboundedReceiver<Command>) -> LifeEnd {
        let times = self.world.faults.times();
        let mut passing = Box::pin(pass_time(self.world.faults.clone(), self.world.trace.clone(), times));
        let handle = self.handle.clone();
        let scenario = self.world.scenario.clone();
        let mut end = Box::pin(timeout(STUCK_AFTER, see_to_its_end(handle, scenario)));
        loop {
            tokio::select! {
                biased;
                Some(command) = commands.recv() => match command {
                    Command::Die(death) => return LifeEnd::Died(death),
                    Command::Do(Act::Stop, _) => {
                        self.handle.shutdown(STOP_DEADLINE).await;
                        return match commands.try_recv() {
                            Ok(Command::Die(death)) => LifeEnd::Died(death),
                            _ => LifeEnd::Stopped,
                        };
                    }
                    Command::Do(act, number) => {
                        if !self.act(act).await {
                            self.world.faults.set_missed(number);
                        }
                    }
                },
                () = &mut passing => {}
                end = &mut end => return end.map_or(LifeEnd::Stuck, LifeEnd::JobEnded),
            }
        }
    }

    /// Whether there was anything to act upon.
    async fn act(&mut self, act: Act) -> bool {
        match act {
            Act::Kill(Victim::Source) => return self.kill_task(VertexKind::Source),
            Act::Kill(Victim::Operator) => return self.kill_task(VertexKind::Operator),
            Act::Kill(Victim::Sink) => return self.kill_task(VertexKind::Sink),
            Act::Kill(Victim::CheckpointCoordinator) => {
                return self.kill_control("checkpoint-coordinator").await;
            }
            Act::Kill(Victim::JobMaster) => return self.kill_control("job-master").await,
            Act::Kill(Victim::Dispatcher) => self.handle.kill_dispatcher(),
            Act::DiskFull(ms) => {
                let disk = self.world.disk.clone();
                disk.set_full(true);
                actix::spawn(async move {
                    sleep(Duration::from_millis(ms)).await;
                    disk.set_full(false);
                });
            }
            Act::ClockJump(by_ms) => self.world.clock.jump(by_ms),
            Act::Cancel => {
                let mut was_cancelled = false;
                for job in self.jobs().await {
                    let result = self.handle.cancel(job, None).await;
                    self.world.trace.note(format_args!("cancel: {result:?}"));
                    was_cancelled |= result.is_ok();
                }
                return was_cancelled;
            }
            Act::Kill(Victim::Process | Victim::Machine)
            | Act::Damage
            | Act::Panic
            | Act::Error
            | Act::Stop => {
                unreachable!("done where the fault point is, or by the caller")
            }
        }
        true
    }

    fn kill_task(&mut self, kind: VertexKind) -> bool {
        self.worker.kill(kind, &mut self.random)
    }

    async fn kill_control(&self, actor: &str) -> bool {
        let mut was_killed = false;
        for job in self.jobs().await {
            let result = self.handle.kill_actor(job, actor, None).await;
            self.world.trace.note(format_args!("kill {actor}: {result:?}"));
            was_killed |= result.is_ok();
        }
        was_killed
    }

    async fn jobs(&self) -> Vec<JobId> {
        let jobs = self.handle.jobs().await.unwrap_or_default();
        jobs.into_iter().map(|job| job.id).collect()
    }
}

/// Lets timed faults happen; never ends.
async fn pass_time(faults: Faults, trace: Trace, mut times: Vec<u64>) {
    times.sort_unstable();
    for time_ms in times {
        sleep(Duration::from_millis(time_ms.saturating_sub(trace.now_ms()))).await;
        faults.pass_time(trace.now_ms());
    }
    std::future::pending().await
}

/// Submits the job, if no process before has, and waits for its end.
async fn see_to_its_end(handle: DispatcherHandle, scenario: Scenario) -> JobStatus {
    loop {
        match handle.jobs().await {
            Ok(jobs) if jobs.is_empty() => {
                // It may have been accepted although the answer is an error: look again.
                if handle.submit(scenario.spec()).await.is_err() {
                    sleep(Duration::from_millis(10)).await;
                }
            }
            Ok(jobs) => match handle.wait_for_end(jobs[0].id).await {
                Ok(summary) => return summary.status,
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}
