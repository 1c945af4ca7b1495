//! What is verified: a program with its arguments and options, whose output goes where it is told.

use std::path::Path;

use clap::ArgMatches;
use headwater_api::dto::JobDetails;
use headwater_core::job::{ArgKind, ArgSpec};
use headwater_core::secret::{HIDDEN, is_secret};
use headwater_stream::{Program, ProgramRegistry};
use serde_json::{Value, json};

use crate::cli::run;

/// So that the faults do not use up the job's own budget of restarts.
const RESTART_OPTIONS: [(&str, &str); 4] = [
    ("restart-strategy.type", "exponential-delay"),
    ("restart-strategy.exponential-delay.initial-backoff", "10 ms"),
    ("restart-strategy.exponential-delay.max-backoff", "100 ms"),
    ("restart-strategy.exponential-delay.attempts-before-reset-backoff", "1000000"),
];

pub(super) struct Spec {
    pub(super) program: String,
    submission: Value,
    output_args: Vec<String>,
}

impl Spec {
    /// What a command line says. An error is wrong usage.
    pub(super) fn of_program(
        program: &Program,
        args: &ArgMatches,
        output_args: Vec<String>,
    ) -> Result<Self, String> {
        check_output_args(program, &output_args)?;
        let given = program.args_of(args);
        let is_lacking = |spec: &&ArgSpec| {
            spec.required
                && !given.contains_key(spec.name)
                && !output_args.iter().any(|name| name == spec.name)
        };
        if let Some(lacking) = program.info.args.iter().find(is_lacking) {
            return Err(format!("--{} is required: {}", lacking.name, lacking.help));
        }
        let mut submission = run::submission(program.info.name, given, args);
        let is_restart = |key: &String| key.starts_with("restart-strategy.");
        if !submission["options"].as_object().is_some_and(|options| options.keys().any(is_restart)) {
            set_restart_options(&mut submission);
        }
        Ok(Self { program: program.info.name.to_owned(), submission, output_args })
    }

    /// What a server runs, or has run, as a job. An error is wrong usage.
    pub(super) fn of_job(
        job: JobDetails,
        programs: &ProgramRegistry,
        output_args: Vec<String>,
    ) -> Result<Self, String> {
        let name = job.summary.program;
        let program = programs.get(&name).ok_or_else(|| {
            format!("this binary has no program `{name}`: verify with the one that runs the job")
        })?;
        check_output_args(program, &output_args)?;
        let is_hidden = |value: &Value| value.as_str().is_some_and(|text| text.contains(HIDDEN));
        if let Some((name, _)) = job.args.iter().find(|(name, value)| is_secret(name) || is_hidden(value)) {
            return Err(format!(
                "the server does not show all of the job's argument `{name}`: name the program and its arguments instead"
            ));
        }
        let mut submission = json!({ "program": name, "args": job.args, "options": job.options });
        let options = submission["options"].as_object_mut().expect("it was made as one");
        options.retain(|key, _| !key.starts_with("restart-strategy."));
        set_restart_options(&mut submission);
        Ok(Self { program: name, submission, output_args })
    }

    /// The job that writes below this folder.
    pub(super) fn submission(&self, output: &Path) -> Value {
        let mut submission = self.submission.clone();
        for name in &self.output_args {
            submission["args"][name] = json!(output.join(name));
        }
        submission
    }
}

fn set_restart_options(submission: &mut Value) {
    for (key, value) in RESTART_OPTIONS {
        submission["options"][key] = json!(value);
    }
}

fn check_output_args(program: &Program, output_args: &[String]) -> Result<(), String> {
    for name in output_args {
        let is_folder =
            |spec: &&ArgSpec| spec.name == name && matches!(spec.kind, ArgKind::Path | ArgKind::Text);
        if program.info.args.iter().find(is_folder).is_none() {
            let known: Vec<&str> = program.info.args.iter().map(|spec| spec.name).collect();
            return Err(format!(
                "program `{}` takes no folder `{name}`: verify compares the files of exactly-once file sinks, and needs \
                 the argument that names their folder; say which it is with --output-arg, expected one of {}",
                program.info.name,
                known.join(", ")
            ));
        }
    }
    Ok(())
}
