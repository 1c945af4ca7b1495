//! The options of the format `parquet`.

use parquet::{basic::Compression, file::properties::WriterProperties};

use crate::{connectors::options::OptionReader, error::SqlError};

/// How parquet files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParquetOptions {
    compression: Compression,
}

impl ParquetOptions {
    /// Reads the options `parquet.…` of a table.
    pub(super) fn read(options: &mut OptionReader<'_>) -> Result<Self, SqlError> {
        let known = [("SNAPPY", Compression::SNAPPY), ("UNCOMPRESSED", Compression::UNCOMPRESSED)];
        let compression = options.choice("parquet.compression", &known)?;
        Ok(Self { compression: compression.unwrap_or(Compression::SNAPPY) })
    }

    /// What a writer is made with.
    pub fn properties(&self) -> WriterProperties {
        WriterProperties::builder().set_compression(self.compression).build()
    }
}
