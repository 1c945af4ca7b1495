//! Programs that run by themselves: `execute` starts a server inside the process and runs the job to its end.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::ExitCode,
    rc::Rc,
    sync::Arc,
};

use clap::{Arg, value_parser};
use headwater_actors::operator::{CodeResolver, JobCode};
use headwater_api::ApiError;
use headwater_core::{
    job::{Args, JobPlan, JobSpec, JobStatus, PlanError, ProgramCatalog, ProgramInfo},
    options::JobOptions,
};
use headwater_stream::{
    Executor, Program, ProgramArgs, ProgramError, StreamExecutionEnvironment, StreamGraph,
};

use crate::{
    logging,
    server::{Server, ServerOptions, default_slots},
};

/// Where the page is looked for first.
const WEB_PORT: u16 = 8081;

/// An environment whose `execute` runs the program in this process, to its end, with REST and the page beside it. Its
/// state is kept in a temporary folder: what dies inside is rebuilt, but a new process begins anew. For jobs that outlive their
/// process, register the program and submit it to a server.
pub fn execution_environment() -> StreamExecutionEnvironment {
    StreamExecutionEnvironment::with_executor(Rc::new(EmbeddedServer))
}

/// The `main` of a program: takes its arguments from the command line and runs it by itself. Wrong arguments print the
/// usage and give 2, a failed job 1.
pub fn run_program(program: &Program) -> ExitCode {
    if let Err(error) = logging::init("warn", logging::Format::Text) {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    let matches = program
        .command()
        .arg(
            Arg::new("parallelism")
                .long("parallelism")
                .value_parser(value_parser!(u32).range(1..))
                .help("subtasks of operators that set none"),
        )
        .get_matches();
    let environment = execution_environment();
    if let Some(parallelism) = matches.get_one::<u32>("parallelism") {
        environment.set_parallelism(*parallelism);
    }
    let result = ProgramArgs::new(program, &program.args_of(&matches))
        .and_then(|args| (program.main)(&environment, &args));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ ProgramError::Argument { .. }) => {
            eprintln!("error: {error}\n\n{}", program.command().render_usage());
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

struct EmbeddedServer;

/// The one program that an embedded server knows.
struct OnlyProgram {
    graph: Arc<StreamGraph>,
}

impl ProgramCatalog for OnlyProgram {
    fn programs(&self) -> Vec<ProgramInfo> {
        Vec::new()
    }

    fn plan(&self, spec: &JobSpec) -> Result<JobPlan, PlanError> {
        Ok(JobPlan {
            name: spec.name.clone(),
            graph: self.graph.graph().clone(),
            options: spec.options.clone(),
        })
    }
}

impl CodeResolver for OnlyProgram {
    fn resolve(&self, _: &JobSpec) -> Result<Arc<dyn JobCode>, PlanError> {
        Ok(self.graph.clone())
    }
}

impl Executor for EmbeddedServer {
    fn execute(&self, name: &str, graph: StreamGraph, options: JobOptions) -> Result<(), ProgramError> {
        let spec = JobSpec { name: name.to_owned(), program: name.to_owned(), args: Args::new(), options };
        let programs = Arc::new(OnlyProgram { graph: Arc::new(graph) });
        actix::System::new()
            .block_on(run_to_end(spec, programs))
            .map_err(|error| ProgramError::Failed(format!("{error:#}")))
    }
}

async fn run_to_end(spec: JobSpec, programs: Arc<OnlyProgram>) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("headwater-").tempdir()?;
    let server = start_server(folder.path(), programs).await?;
    eprintln!("running `{}`; its page is {}", spec.name, server.url());
    let job = server.dispatcher.submit(spec).await?;
    let end = tokio::select! {
        end = server.dispatcher.wait_for_end(job) => Some(end?),
        () = crate::cli::stop_signal() => None,
    };
    server.stop().await;
    match end {
        Some(summary) if summary.status == JobStatus::Failed => {
            let cause = summary.failure.unwrap_or_else(|| "without a recorded cause".to_owned());
            anyhow::bail!("the job failed: {cause}")
        }
        _ => Ok(()),
    }
}

/// Starts the server on the usual port, or on any if that one is taken.
async fn start_server(data_dir: &Path, programs: Arc<OnlyProgram>) -> anyhow::Result<Server> {
    let options = |port| ServerOptions {
        data_dir: data_dir.to_owned(),
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        slots: default_slots(),
        chaos: false,
        redact: Default::default(),
        config: crate::config::Config::default(),
    };
    match Server::start(options(WEB_PORT), programs.clone()).await {
        Err(error) if matches!(error.downcast_ref(), Some(ApiError::Bind { .. })) => {
            Server::start(options(0), programs).await
        }
        result => result,
    }
}
