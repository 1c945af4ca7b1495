//! The connector `print`: changes as lines on the standard output, in Flink's format.

use std::{
    io::{self, Write},
    sync::Arc,
};

use headwater_actors::context::{TaskContext, TaskError};

use super::{
    Accepts, TableDescriptor, TableSink, TableWriter, options::OptionReader, refuse_metadata,
    row_text::RowText,
};
use crate::{batch::ChangeBatch, error::SqlError, operator::failed};

/// Makes the sink of a table.
pub fn sink(table: &TableDescriptor) -> Result<Arc<dyn TableSink>, SqlError> {
    refuse_metadata(table)?;
    let mut options = OptionReader::new(table);
    let sink = PrintSink {
        identifier: options.optional("print-identifier").unwrap_or_default().to_owned(),
        is_error: options.flag("standard-error")?.unwrap_or(false),
        parallelism: options.integer("sink.parallelism", 1..)?,
    };
    options.finish()?;
    Ok(Arc::new(sink))
}

/// A change is printed as soon as it comes, so after a failure changes may be printed again.
struct PrintSink {
    identifier: String,
    is_error: bool,
    parallelism: Option<u32>,
}

impl TableSink for PrintSink {
    fn accepts(&self) -> Accepts {
        Accepts::Changelog
    }

    fn parallelism(&self) -> Option<u32> {
        self.parallelism
    }

    fn open(
        &self,
        task: &TaskContext,
        _: Option<&[u8]>,
        _: Option<&[u8]>,
    ) -> Result<Box<dyn TableWriter>, TaskError> {
        Ok(Box::new(PrintWriter {
            prefix: prefix(&self.identifier, task.index(), task.vertex.parallelism),
            is_error: self.is_error,
            lines: String::new(),
        }))
    }
}

/// `name> `, with several subtasks `name:2> ` or `2> `, counted from 1.
fn prefix(identifier: &str, index: u32, parallelism: u32) -> String {
    match (identifier, parallelism > 1) {
        ("", false) => String::new(),
        ("", true) => format!("{}> ", index + 1),
        (_, false) => format!("{identifier}> "),
        (_, true) => format!("{identifier}:{}> ", index + 1),
    }
}

struct PrintWriter {
    prefix: String,
    is_error: bool,
    lines: String,
}

impl PrintWriter {
    fn format(&mut self, batch: &ChangeBatch) -> Result<&str, TaskError> {
        let text = RowText::new(&batch.rows).map_err(failed)?;
        self.lines.clear();
        for row in 0..batch.len() {
            self.lines.push_str(&self.prefix);
            text.write_row(batch.kind(row), row, &mut self.lines);
            self.lines.push('\n');
        }
        Ok(&self.lines)
    }
}

impl TableWriter for PrintWriter {
    fn write(&mut self, batch: &ChangeBatch) -> Result<(), TaskError> {
        let is_error = self.is_error;
        let lines = self.format(batch)?.as_bytes();
        // In one piece, so that lines of several subtasks never mix.
        let written = if is_error {
            io::stderr().lock().write_all(lines)
        } else {
            io::stdout().lock().write_all(lines)
        };
        written.map_err(|error| TaskError::io("cannot print", error))
    }

    fn flush(&mut self) -> Result<(), TaskError> {
        let flushed = if self.is_error { io::stderr().flush() } else { io::stdout().flush() };
        flushed.map_err(|error| TaskError::io("cannot print", error))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::{super::testing::table, *};
    use crate::batch::RowKind;

    #[test]
    fn lines_tell_the_sink_the_subtask_and_the_kind() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let rows = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let batch = ChangeBatch::changes(rows, vec![RowKind::Insert, RowKind::Delete]);
        for (identifier, parallelism, expected) in [
            ("", 1, "+I[1]\n-D[2]\n"),
            ("", 2, "2> +I[1]\n2> -D[2]\n"),
            ("here", 1, "here> +I[1]\nhere> -D[2]\n"),
            ("here", 2, "here:2> +I[1]\nhere:2> -D[2]\n"),
        ] {
            let prefix = prefix(identifier, 1, parallelism);
            let mut writer = PrintWriter { prefix, is_error: false, lines: String::new() };
            assert_eq!(writer.format(&batch).unwrap(), expected);
        }
    }

    #[test]
    fn options_are_read_or_refused() {
        let make = |options: &[(&'static str, &'static str)]| {
            let connector = [("connector", "print")];
            sink(&table("t", [], connector.into_iter().chain(options.iter().copied())))
        };
        let known = [("print-identifier", "x"), ("standard-error", "true"), ("sink.parallelism", "3")];
        assert_eq!(make(&known).unwrap().parallelism(), Some(3));
        let error = make(&[("print-identifer", "x")]).err().unwrap();
        assert_eq!(
            error.to_string(),
            "table `t`, option `print-identifer`: unknown for connector `print`; did you mean `print-identifier`?"
        );
    }
}
