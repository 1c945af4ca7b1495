//! Lines from a socket, written as they are.

use headwater::prelude::*;

/// The program.
pub const PROGRAM: Program = Program::new(
    "socket_lines",
    "Writes the lines that come from a socket",
    &[
        ArgSpec {
            name: "port",
            kind: ArgKind::Integer,
            help: "port of 127.0.0.1 to read lines from",
            default: None,
            required: true,
        },
        ArgSpec {
            name: "output",
            kind: ArgKind::Text,
            help: "folder to write into",
            default: None,
            required: true,
        },
        ArgSpec {
            name: "journal_bytes",
            kind: ArgKind::Integer,
            help: "how much the journal may hold",
            default: Some("268435456"),
            required: false,
        },
    ],
    socket_lines,
);

fn socket_lines(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let source = SocketSource::new("127.0.0.1", args.required_in("port", 1..=65535)?)
        .journal_bytes_max(args.required_in("journal_bytes", 1..=i64::MAX)?);
    env.from_source("Socket", source)
        .set_parallelism(1)
        .write_as_text(args.required_text("output")?)
        .set_parallelism(2);
    env.execute("Socket lines")
}
