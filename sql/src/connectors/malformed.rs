//! What a table says about records that cannot be read.

use headwater_connectors::MalformedRecords;

use super::options::OptionReader;
use crate::{error::SqlError, formats::Format};

/// Reads the option `malformed-records`; without it, a format that ignores errors passes such records over, and else what the
/// job says holds.
pub(super) fn malformed_records(
    options: &mut OptionReader<'_>,
    format: &Format,
) -> Result<Option<MalformedRecords>, SqlError> {
    const EXPECTED: &str = "`fail`, `skip` or `dead-letter:<folder>`";
    let own = options.parsed("malformed-records", EXPECTED, |text| match text {
        "fail" => Some(MalformedRecords::Fail),
        "skip" => Some(MalformedRecords::Skip),
        _ => {
            let folder = text.strip_prefix("dead-letter:").filter(|folder| !folder.is_empty())?;
            Some(MalformedRecords::DeadLetter(folder.strip_prefix("file://").unwrap_or(folder).into()))
        }
    })?;
    Ok(own.or(format.ignores_errors().then_some(MalformedRecords::Skip)))
}
