//! A sink that prints.

use std::{
    fmt::Display,
    io::{self, Write},
};

use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    sink::{Sink, SinkWriter},
};

/// Prints each row as a line on the standard output. If there are several subtasks, each line begins with the number of
/// the one that printed it, as in Apache Flink: `2> `, counted from 1.
///
/// A row is printed as soon as it comes, so after a failure rows may be printed again.
#[derive(Debug, Clone, Copy, Default)]
pub struct PrintSink;

/// Prints for one subtask.
#[derive(Debug)]
pub struct PrintWriter {
    prefix: String,
    lines: Vec<u8>,
}

impl<T: Display + 'static> Sink<T> for PrintSink {
    type Writer = PrintWriter;

    fn open(&self, context: &TaskContext, _: Option<&[u8]>, _: &[&[u8]]) -> Result<PrintWriter, TaskError> {
        Ok(PrintWriter::new(context.index(), context.vertex.parallelism))
    }
}

impl PrintWriter {
    fn new(index: u32, parallelism: u32) -> Self {
        let prefix = if parallelism > 1 { format!("{}> ", index + 1) } else { String::new() };
        Self { prefix, lines: Vec::new() }
    }

    /// Writes a batch in one piece, so that lines of several subtasks never mix.
    fn write_to<T: Display>(&mut self, batch: &mut Batch<T>, mut out: impl Write) -> io::Result<()> {
        self.lines.clear();
        for (value, _) in batch.drain() {
            writeln!(self.lines, "{}{value}", self.prefix)?;
        }
        out.write_all(&self.lines)
    }
}

impl<T: Display + 'static> SinkWriter<T> for PrintWriter {
    fn write(&mut self, batch: &mut Batch<T>) -> Result<(), TaskError> {
        self.write_to(batch, io::stdout().lock()).map_err(|error| TaskError::io("cannot print", error))
    }

    fn flush(&mut self) -> Result<(), TaskError> {
        io::stdout().lock().flush().map_err(|error| TaskError::io("cannot print", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(index: u32, parallelism: u32) -> String {
        let mut batch = Batch::default();
        batch.push("a", 1);
        batch.push("b", 2);
        let mut out = Vec::new();
        PrintWriter::new(index, parallelism).write_to(&mut batch, &mut out).unwrap();
        assert!(batch.is_empty(), "all rows are taken");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_tell_their_subtask_if_there_are_several() {
        assert_eq!(printed(0, 1), "a\nb\n");
        assert_eq!(printed(1, 2), "2> a\n2> b\n");
    }
}
