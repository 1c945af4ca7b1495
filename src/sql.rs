//! Jobs written in SQL, beside the registered programs.

mod front_end;

use std::sync::Arc;

pub(crate) use front_end::FrontEnd;
use headwater_actors::operator::{CodeResolver, JobCode};
use headwater_core::job::{ArgValue, JobPlan, JobSpec, PlanError, ProgramCatalog, ProgramInfo};
use headwater_sql::session::{Compiled, PROGRAM, SCRIPT, compile_job};

/// Programs, and jobs in SQL.
pub(crate) struct WithSql<P> {
    programs: Arc<P>,
}

impl<P> WithSql<P> {
    /// These programs, and SQL.
    pub(crate) fn new(programs: Arc<P>) -> Self {
        Self { programs }
    }
}

/// The script of a job in SQL.
fn script_of(spec: &JobSpec) -> Result<&str, PlanError> {
    let refuse = |reason: &str| PlanError::BadArgument { name: SCRIPT.to_owned(), reason: reason.to_owned() };
    match spec.args.get(SCRIPT) {
        Some(ArgValue::Text(script)) => Ok(script),
        Some(_) => Err(refuse("expected a text")),
        None => Err(refuse("is required: the statements of the job, its INSERT last")),
    }
}

fn compile(spec: &JobSpec) -> Result<Compiled, PlanError> {
    compile_job(script_of(spec)?, &spec.options).map_err(|error| PlanError::Invalid(error.to_string()))
}

impl<P: ProgramCatalog> ProgramCatalog for WithSql<P> {
    fn programs(&self) -> Vec<ProgramInfo> {
        self.programs.programs()
    }

    fn plan(&self, spec: &JobSpec) -> Result<JobPlan, PlanError> {
        if spec.program != PROGRAM {
            return self.programs.plan(spec);
        }
        let Compiled { name, job, options } = compile(spec)?;
        Ok(JobPlan { name, graph: job.graph().clone(), options })
    }
}

impl<P: CodeResolver> CodeResolver for WithSql<P> {
    fn resolve(&self, spec: &JobSpec) -> Result<Arc<dyn JobCode>, PlanError> {
        if spec.program != PROGRAM {
            return self.programs.resolve(spec);
        }
        Ok(Arc::new(compile(spec)?.job))
    }
}
