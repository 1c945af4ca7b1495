//! Programs that are closures, so that a test's data and counters can be a part of them.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::{Arc, Mutex},
};

use headwater::{
    core::{
        job::{JobPlan, JobSpec, PlanError, ProgramCatalog, ProgramInfo},
        options::JobOptions,
    },
    stream::{Executor, ProgramError, StreamExecutionEnvironment, StreamGraph},
};
use headwater_actors::operator::{CodeResolver, JobCode};

/// The programs that were submitted, by the names that they were given.
#[derive(Default)]
pub struct Programs(Mutex<HashMap<String, Arc<StreamGraph>>>);

/// Keeps what a program executes.
#[derive(Default)]
struct Capture(RefCell<Option<(StreamGraph, JobOptions)>>);

impl Executor for Capture {
    fn execute(&self, _: &str, graph: StreamGraph, options: JobOptions) -> Result<(), ProgramError> {
        self.0.replace(Some((graph, options)));
        Ok(())
    }
}

impl Programs {
    /// Takes a program in under a new name; the program need not call `execute`.
    pub fn add(&self, program: impl FnOnce(&StreamExecutionEnvironment)) -> (String, JobOptions) {
        let capture = Rc::new(Capture::default());
        let environment = StreamExecutionEnvironment::with_executor(capture.clone());
        program(&environment);
        environment.execute("test").unwrap();
        let (graph, options) = capture.0.take().expect("execute captures the graph");
        let mut programs = self.0.lock().unwrap();
        let name = format!("program-{}", programs.len());
        programs.insert(name.clone(), Arc::new(graph));
        (name, options)
    }

    fn find(&self, spec: &JobSpec) -> Arc<StreamGraph> {
        self.0.lock().unwrap()[&spec.program].clone()
    }
}

impl ProgramCatalog for Programs {
    fn programs(&self) -> Vec<ProgramInfo> {
        Vec::new()
    }

    fn plan(&self, spec: &JobSpec) -> Result<JobPlan, PlanError> {
        Ok(JobPlan {
            name: spec.name.clone(),
            graph: self.find(spec).graph().clone(),
            options: spec.options.clone(),
        })
    }
}

impl CodeResolver for Programs {
    fn resolve(&self, spec: &JobSpec) -> Result<Arc<dyn JobCode>, PlanError> {
        Ok(self.find(spec))
    }
}
