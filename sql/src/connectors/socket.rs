//! The connector `socket`: lines from a TCP server, journaled, so that each is processed exactly once from the journal on.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};
use headwater_actors::context::{TaskContext, TaskError};
use headwater_connectors::socket::{SocketLines, SocketSource};
use headwater_core::{access, ids::CheckpointId};

use super::{
    Scan, TableDescriptor, TableReader, TableSource, malformed::malformed_records, options::OptionReader,
    refuse_metadata,
};
use crate::{
    error::SqlError,
    formats::{Format, Pushed, ReadSchema, RecordDecoder, UNCLOSED_QUOTE},
    operator::failed,
};

/// Makes the source of a table.
pub(super) fn source(table: &TableDescriptor) -> Result<Arc<dyn TableSource>, SqlError> {
    refuse_metadata(table)?;
    if !table.partition_keys.is_empty() {
        return Err(SqlError::new(format!(
            "table `{}`: connector `socket` does not support PARTITIONED BY",
            table.name
        )));
    }
    let mut options = OptionReader::new(table);
    let host = options.required("hostname")?;
    options.required("port")?;
    let port = options.integer("port", 1..=u16::MAX)?.unwrap_or_default();
    // Asked again when it connects; here for an error at once.
    access::policy().check_host(host, port).map_err(|error| options.refused("hostname", &error))?;
    let delimiter = options.integer("byte-delimiter", 0..=u8::MAX)?.unwrap_or(b'\n');
    let format = Format::read(&mut options)?;
    if matches!(format, Format::Parquet(_)) {
        return Err(options.invalid("format", "`csv`, `json` or `raw`"));
    }
    let on_malformed = malformed_records(&mut options, &format)?;
    let is_journaled = options.flag("journal")?.unwrap_or(true);
    options.finish()?;
    let socket = SocketSource::new(host, port).delimiter(delimiter).journal(is_journaled);
    let socket = on_malformed.into_iter().fold(socket, SocketSource::on_malformed);
    let source = SocketTableSource { socket, format, schema: table.schema.clone(), name: table.name.clone() };
    let everything = Scan { projection: (0..table.schema.fields().len()).collect(), ..Scan::default() };
    source.decoder(&everything)?;
    Ok(Arc::new(source))
}

struct SocketTableSource {
    socket: SocketSource,
    format: Format,
    schema: SchemaRef,
    name: String,
}

impl SocketTableSource {
    fn decoder(&self, scan: &Scan) -> Result<RecordDecoder, SqlError> {
        let nested = scan
            .projection
            .iter()
            .enumerate()
            .filter_map(|(index, column)| scan.fields.get(column).map(|fields| (index, fields.clone())));
        let read = ReadSchema {
            physical: self.schema.fields().clone(),
            wanted: scan.projection.clone(),
            fields: scan.projection.iter().map(|column| self.schema.fields()[*column].clone()).collect(),
            nested: nested.collect(),
        };
        self.format.decoder(&read).map_err(|error| {
            let message = format!("table `{}`: {}", self.name, error.message);
            SqlError { message, ..error }
        })
    }
}

impl TableSource for SocketTableSource {
    fn is_bounded(&self) -> bool {
        false
    }

    fn parallelism(&self) -> Option<u32> {
        Some(1)
    }

    fn is_replicable(&self) -> bool {
        false
    }

    fn open(
        &self,
        scan: &Scan,
        task: &TaskContext,
        position: Option<&[u8]>,
    ) -> Result<Box<dyn TableReader>, TaskError> {
        let decoder = self.decoder(scan).map_err(failed)?;
        let schema = Arc::new(self.schema.project(&scan.projection).map_err(failed)?);
        let lines = self.socket.open_lines(task, position)?;
        Ok(Box::new(SocketTableReader { lines, decoder, schema, rows: Vec::new() }))
    }
}

struct SocketTableReader {
    lines: SocketLines,
    decoder: RecordDecoder,
    schema: SchemaRef,
    /// Which of the last lines that were not malformed have rows.
    rows: Vec<usize>,
}

impl TableReader for SocketTableReader {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
    ) -> Poll<Result<Option<RecordBatch>, TaskError>> {
        let Self { lines, decoder, rows, .. } = self;
        rows.clear();
        let mut taken = 0;
        let read = ready!(lines.poll_lines(context, rows_max, |line| {
            match decoder.push(line)? {
                Pushed::Row => rows.push(taken),
                Pushed::Nothing => {}
                Pushed::Incomplete => return Err(UNCLOSED_QUOTE.to_owned()),
            }
            taken += 1;
            Ok(())
        }));
        Poll::Ready(read.and_then(|()| {
            let options = RecordBatchOptions::new().with_row_count(Some(self.decoder.rows()));
            let columns = self.decoder.finish().map_err(failed)?;
            RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
                .map(Some)
                .map_err(failed)
        }))
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<u8>, TaskError> {
        self.lines.snapshot(checkpoint)
    }

    fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.lines.checkpoint_completed(checkpoint)
    }

    fn locate(&mut self, row: usize) -> Option<String> {
        self.lines.locate(*self.rows.get(row)?)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io::Write, net::TcpListener, time::Duration};

    use arrow::{
        array::AsArray,
        datatypes::{DataType, Field, Int64Type},
    };

    use super::super::{
        source_of,
        testing::{Surroundings, scan_all, table},
    };
    use super::*;

    /// Every wait ends in a failure after this.
    const DEADLINE: Duration = Duration::from_secs(30);

    fn lines_from(port: &str, options: &[(&'static str, &'static str)]) -> TableDescriptor {
        let columns = [Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)];
        let own = [("connector", "socket"), ("hostname", "127.0.0.1"), ("format", "csv"), ("port", port)];
        table("t", columns, own.into_iter().chain(options.iter().copied()))
    }

    async fn read(reader: &mut dyn TableReader) -> RecordBatch {
        let read = poll_fn(|context| reader.poll_read(context, 100));
        let batch = tokio::time::timeout(DEADLINE, read).await.expect("the socket has nothing to read");
        batch.unwrap().expect("a socket never ends")
    }

    #[tokio::test]
    async fn lines_are_rows_and_come_again_after_a_failure() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port().to_string();
        let table = lines_from(&port, &[("byte-delimiter", "59"), ("malformed-records", "skip")]);
        let source = source_of(&table).unwrap();
        assert_eq!((source.is_bounded(), source.parallelism()), (false, Some(1)));
        let (surroundings, scan) = (Surroundings::new(), scan_all(&table));
        let context = surroundings.context(0, 1);
        let mut reader = source.open(&scan, &context, None).unwrap();
        let (mut connection, _) = server.accept().unwrap();
        connection.write_all(b"1,a;x,b;3,\"c\nd\";4,\"e;5,f;").unwrap();
        let mut ids = Vec::new();
        let mut position = None;
        while ids.last() != Some(&5) {
            let batch = read(&mut *reader).await;
            ids.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
            if position.is_none() {
                position = Some((reader.snapshot(CheckpointId(1)).unwrap(), ids.len()));
            }
        }
        assert_eq!((&ids[..], context.counters.read().malformed_records), (&[1, 3, 5][..], 2));
        assert!(reader.locate(0).unwrap().starts_with("journal record"));

        drop(reader);
        let (position, kept) = position.unwrap();
        connection.write_all(b"6,g;").unwrap();
        drop(connection);
        ids.truncate(kept);
        let mut reader = source.open(&scan, &surroundings.context(0, 1), Some(&position)).unwrap();
        let (mut connection, _) = server.accept().unwrap();
        connection.write_all(b"7,h;").unwrap();
        while ids.last() != Some(&7) {
            ids.extend_from_slice(read(&mut *reader).await.column(0).as_primitive::<Int64Type>().values());
        }
        ids.retain(|id| *id != 6);
        assert_eq!(ids, [1, 3, 5, 7], "6 may have been on its way while nobody listened");
    }

    #[test]
    fn what_a_socket_cannot_do_is_refused_by_name() {
        let refused = |options: &[(&'static str, &'static str)]| {
            source_of(&lines_from("9", options)).err().unwrap().to_string()
        };
        assert_eq!(
            refused(&[("format", "parquet")]),
            "table `t`, option `format`: expected `csv`, `json` or `raw`, found `parquet`"
        );
        assert_eq!(
            refused(&[("format", "raw")]),
            "table `t`: the format `raw` only supports a single physical column, found 2"
        );
        assert!(refused(&[("port", "0")]).contains("option `port`: expected a whole number"));
        assert!(refused(&[("hostnme", "x")]).ends_with("did you mean `hostname`?"));
    }
}
