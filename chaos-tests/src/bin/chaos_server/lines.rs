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
    ],
    socket_lines,
);

fn socket_lines(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    env.socket_text_stream("127.0.0.1", args.required_in("port", 1..=65535)?)
        .write_as_text(args.required_text("output")?)
        .set_parallelism(2);
    env.execute("Socket lines")
}
