//! Counts the words of a file or of a folder's files, each word once, when all input is read.
//!
//! `cargo run --release --example word_count -- --input README.md --output /tmp/counts`

use std::process::ExitCode;

use headwater::prelude::*;

/// The program, as it is registered.
pub const PROGRAM: Program = Program::new(
    "word_count",
    "Counts the words of a file or folder; writes one line `word : n` per distinct word, exactly once",
    &[
        ArgSpec {
            name: "input",
            kind: ArgKind::Path,
            help: "file, or folder whose files are read",
            default: None,
            required: true,
        },
        ArgSpec {
            name: "output",
            kind: ArgKind::Path,
            help: "folder to write the counts into",
            default: None,
            required: true,
        },
        ArgSpec {
            name: "rate",
            kind: ArgKind::Float,
            help: "lines per second and source subtask; as fast as possible if not given",
            default: None,
            required: false,
        },
    ],
    word_count,
);

fn word_count(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let input = args.required_text("input")?;
    let output = args.required_text("output")?;
    if let Err(error) = headwater::core::access::metadata(input) {
        return refuse(
            "input",
            format!("expected a file or folder that can be read, found `{input}`: {error}"),
        );
    }
    if headwater::core::access::metadata(output).is_ok_and(|found| found.is_file()) {
        return refuse("output", format!("expected a folder, found the file `{output}`"));
    }
    let mut source = FileSource::new(input);
    match args.float("rate") {
        Some(lines_per_second) if lines_per_second > 0.0 => source = source.rate(lines_per_second),
        Some(found) => return refuse("rate", format!("expected a number above 0, found {found}")),
        None => {}
    }

    env.from_source(&format!("Files {input}"), source)
        .flat_map(|line, out| line.split_whitespace().for_each(|word| out.collect(Str::from(word))))
        .map(|word| (word, 1u64))
        .key_by(|(word, _)| word.clone())
        .window(EndOfStreamWindows::get())
        .sum(|(_, count)| count)
        .map(|(word, count)| format!("{word} : {count}"))
        .write_as_text(output);

    env.execute("WordCount")
}

fn refuse(name: &str, reason: String) -> Result<(), ProgramError> {
    Err(ProgramError::Argument { name: name.to_owned(), reason })
}

/// Runs the program by itself.
pub fn main() -> ExitCode {
    headwater::run_program(&PROGRAM)
}
