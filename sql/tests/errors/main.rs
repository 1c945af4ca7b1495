//! What is said of wrong scripts: `*.sql` have cases, each a script and, behind `--> `, the error that it must give.
//!
//! `HEADWATER_WRITE_ERRORS=1 cargo test --release -p headwater-sql --test errors` writes what is said now into the files, to be read in
//! the diff. Every place in this crate that makes an error must be reached by a case, or be listed in `exempt.txt` with a reason.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod sites;

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use headwater_core::options::JobOptions;
use headwater_sql::{
    error::SqlError,
    local::CollectSink,
    session::{Session, compile_job, compile_query},
};
use sites::Site;

/// What stands before the error that is expected.
const ARROW: &str = "--> ";
/// Of cases whose script is that of a stored job, or of a preview.
const AS_JOB: &str = "-- as a job";
const AS_PREVIEW: &str = "-- as a preview";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors")
}

/// Executes a script in a session that has the tables of the cases.
fn error_of(tables: &str, script: &str) -> Option<SqlError> {
    let options = JobOptions::default();
    if script.starts_with(AS_JOB) {
        return compile_job(script, &options).err();
    }
    if script.starts_with(AS_PREVIEW) {
        let (sink, _) = CollectSink::new(Arc::new(Mutex::new(|_: &_| true)));
        return compile_query(script, &options, sink).err();
    }
    let mut session = Session::new(options);
    session.execute_script(tables).unwrap();
    session.execute_script(script).err()
}

/// The cases of a file: script and expected error. What stands before the first is kept as it is.
fn cases(text: &str) -> Vec<(String, String)> {
    let mut cases = Vec::new();
    let mut script = String::new();
    for line in text.lines() {
        match line.strip_prefix(ARROW) {
            Some(expected) => cases.push((std::mem::take(&mut script), expected.to_owned())),
            None if script.is_empty() && line.is_empty() => {}
            None => {
                script.push_str(line);
                script.push('\n');
            }
        }
    }
    assert!(script.trim().is_empty(), "a case without an error: {script}");
    cases
}

fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "sql") && !path.ends_with("tables.sql")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn wrong_scripts_get_the_errors_that_are_expected() {
    let tables = fs::read_to_string(folder().join("tables.sql")).unwrap();
    let is_writing = env::var_os("HEADWATER_WRITE_ERRORS").is_some();
    let mut wrong = String::new();
    let mut found_errors = Vec::new();
    for path in files() {
        let mut written = String::new();
        for (script, expected) in cases(&fs::read_to_string(&path).unwrap()) {
            let error = error_of(&tables, &script);
            let found = error.as_ref().map_or("no error".to_owned(), SqlError::to_string);
            if found != expected || error.is_none() {
                wrong.push_str(&format!(
                    "{}\n{script}expected: {expected}\nfound:    {found}\n\n",
                    path.display()
                ));
            }
            written.push_str(&format!("{script}{ARROW}{found}\n\n"));
            found_errors.extend(error);
        }
        if is_writing {
            fs::write(&path, written.trim_end().to_owned() + "\n").unwrap();
        }
    }
    assert!(is_writing || wrong.is_empty(), "{wrong}");
    check_sites(&found_errors);
}

/// Whether every site is reached or exempt, and none both.
fn check_sites(errors: &[SqlError]) {
    let texts: String = errors.iter().map(|error| format!("{error}\n")).collect();
    let reached: BTreeSet<(String, u32)> =
        errors.iter().map(|error| (error.origin.0.file().to_owned(), error.origin.0.line())).collect();
    let exempt = fs::read_to_string(folder().join("exempt.txt")).unwrap();
    let exempt: Vec<(&str, &str)> = exempt
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(" -- ").unwrap_or_else(|| panic!("expected `site -- reason`: {line}")))
        .collect();
    let sites = sites::all();
    assert!(sites.len() > 150, "the sites are not found any more: {}", sites.len());
    let is_exempt = |site: &Site| exempt.iter().any(|(name, _)| *name == site.name());
    let missing: Vec<String> = sites
        .iter()
        .filter(|site| !site.is_reached(&reached, &texts) && !is_exempt(site))
        .map(|site| format!("{} (line {})", site.name(), site.line))
        .collect();
    assert!(
        missing.is_empty(),
        "{} of {} sites make errors that no case shows and that are not exempt:\n{}",
        missing.len(),
        sites.len(),
        missing.join("\n")
    );
    let stale: Vec<_> =
        exempt.iter().filter(|(name, _)| !sites.iter().any(|site| site.name() == *name)).collect();
    assert!(stale.is_empty(), "exempt, but not there any more: {stale:#?}");
}
