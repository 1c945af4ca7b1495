//! The two kinds of files. A fine file is a frame that names the series, and behind it a frame for each sample; a coarse
//! file is one frame, with the values of a series side by side, compressed.

use std::{
    io::{self, Read as _, Write as _},
    path::Path,
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use headwater_core::{
    codec::{CodecError, frame, split_frame, unframe},
    fs::FileSystem,
    time::TimestampMs,
};

use super::series::SeriesKey;

const SERIES_MAGIC: [u8; 4] = *b"HWMS";
const ROW_MAGIC: [u8; 4] = *b"HWMR";
const COARSE_MAGIC: [u8; 4] = *b"HWMC";

/// The values of some series at some times. Those that are not known are no numbers.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Table {
    pub(super) series: Vec<SeriesKey>,
    /// One value per series each.
    pub(super) rows: Vec<(TimestampMs, Vec<f32>)>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Damaged(#[from] CodecError),
}

pub(super) fn encode_series(series: &[SeriesKey]) -> io::Result<Vec<u8>> {
    frame(SERIES_MAGIC, &series).map_err(io::Error::other)
}

pub(super) fn encode_row(at_ms: TimestampMs, values: &[f32]) -> io::Result<Vec<u8>> {
    frame(ROW_MAGIC, &(at_ms, values)).map_err(io::Error::other)
}

/// A last frame that is cut short is what a killed process or a full disk leaves, and no damage.
pub(super) fn read_fine(fs: &dyn FileSystem, path: &Path) -> Result<Table, ReadError> {
    let bytes = fs.read(path)?;
    let Some((head, mut rest)) = split_frame(&bytes) else { return Ok(Table::default()) };
    let mut table = Table { series: unframe(SERIES_MAGIC, head)?, rows: Vec::new() };
    while let Some((row, next)) = split_frame(rest) {
        let (at_ms, values): (TimestampMs, Vec<f32>) = unframe(ROW_MAGIC, row)?;
        check_width(&table.series, values.len())?;
        table.rows.push((at_ms, values));
        rest = next;
    }
    Ok(table)
}

pub(super) fn encode_coarse(table: &Table) -> io::Result<Vec<u8>> {
    let mut columns = DeflateEncoder::new(Vec::new(), Compression::default());
    for column in 0..table.series.len() {
        for (_, values) in &table.rows {
            columns.write_all(&values[column].to_le_bytes())?;
        }
    }
    let times: Vec<TimestampMs> = table.rows.iter().map(|(at_ms, _)| *at_ms).collect();
    frame(COARSE_MAGIC, &(&table.series, times, columns.finish()?)).map_err(io::Error::other)
}

pub(super) fn read_coarse(fs: &dyn FileSystem, path: &Path) -> Result<Table, ReadError> {
    let bytes = fs.read(path)?;
    let (series, times, columns): (Vec<SeriesKey>, Vec<TimestampMs>, Vec<u8>) =
        unframe(COARSE_MAGIC, &bytes)?;
    let expected = series.len().saturating_mul(times.len()).saturating_mul(4);
    let mut plain = Vec::new();
    // One byte more than there can be, so that a damaged file can neither fill the memory nor pass unnoticed.
    DeflateDecoder::new(&*columns).take(expected as u64 + 1).read_to_end(&mut plain)?;
    if plain.len() != expected {
        return Err(CodecError::Damaged(format!(
            "expected {expected} bytes of values, found {}",
            plain.len()
        ))
        .into());
    }
    let value = |column: usize, row: usize| {
        let at = (column * times.len() + row) * 4;
        f32::from_le_bytes([plain[at], plain[at + 1], plain[at + 2], plain[at + 3]])
    };
    let rows = times
        .iter()
        .enumerate()
        .map(|(row, at_ms)| (*at_ms, (0..series.len()).map(|column| value(column, row)).collect()))
        .collect();
    Ok(Table { series, rows })
}

fn check_width(series: &[SeriesKey], found: usize) -> Result<(), CodecError> {
    if series.len() == found {
        return Ok(());
    }
    Err(CodecError::Damaged(format!("expected {} values in a row, found {found}", series.len())))
}
