//! Counts the words that come from a socket, over sliding windows in processing time.
//!
//! In one terminal `nc -lk 9000`, in another `cargo run --release --example socket_window_word_count -- --port 9000`; then type lines
//! into the first.

use std::process::ExitCode;

use headwater::prelude::*;

/// The program, as it is registered.
pub const PROGRAM: Program = Program::new(
    "socket_window_word_count",
    "Counts the words of the lines that come from a socket, over the last 5 seconds, every second",
    &[
        ArgSpec {
            name: "host",
            kind: ArgKind::Text,
            help: "host to read lines from",
            default: Some("127.0.0.1"),
            required: false,
        },
        ArgSpec {
            name: "port",
            kind: ArgKind::Integer,
            help: "port to read lines from, e.g. of `nc -lk 9000`",
            default: None,
            required: true,
        },
    ],
    socket_window_word_count,
);

fn socket_window_word_count(
    env: &StreamExecutionEnvironment,
    args: &ProgramArgs,
) -> Result<(), ProgramError> {
    let host = args.required_text("host")?;
    let port: u16 = args.required_in("port", 1..=65535)?;

    env.socket_text_stream(host, port)
        .flat_map(|line, out| line.split_whitespace().for_each(|word| out.collect(Str::from(word))))
        .map(|word| (word, 1u64))
        .key_by(|(word, _)| word.clone())
        .window(SlidingProcessingTimeWindows::of(Duration::from_secs(5), Duration::from_secs(1)))
        .sum(|(_, count)| count)
        .map(|(word, count)| format!("{word} : {count}"))
        .print()
        .set_parallelism(1);

    env.execute("Socket Window WordCount")
}

/// Runs the program by itself.
pub fn main() -> ExitCode {
    headwater::run_program(&PROGRAM)
}
