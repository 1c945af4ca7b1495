//! The columns that a table of events may have.

use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::ScalarValue;

use super::{
    super::{Scan, TableDescriptor, refuse_metadata},
    rows::Kind,
};
use crate::{error::SqlError, types::spelling};

pub(super) const EVENT_TYPE: &str = "event_type";

/// A field of one of the kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventField {
    PersonId,
    PersonName,
    PersonEmailAddress,
    PersonCreditCard,
    PersonCity,
    PersonState,
    PersonExtra,
    AuctionId,
    AuctionItemName,
    AuctionDescription,
    AuctionInitialBid,
    AuctionReserve,
    AuctionExpires,
    AuctionSeller,
    AuctionCategory,
    AuctionExtra,
    BidAuction,
    BidBidder,
    BidPrice,
    BidChannel,
    BidUrl,
    BidExtra,
    /// Of every kind.
    DateTime,
}

/// The types of fields, as they are written in SQL.
const BIGINT: &str = "BIGINT";
const STRING: &str = "STRING";
const TIMESTAMP: &str = "TIMESTAMP(3)";

type Declared = (&'static str, EventField, &'static str);

impl Kind {
    /// The name of its column.
    fn column(self) -> &'static str {
        ["person", "auction", "bid"][self as usize]
    }

    /// Its fields with their names and types.
    fn fields(self) -> &'static [Declared] {
        use EventField as F;
        match self {
            Self::Person => &[
                ("id", F::PersonId, BIGINT),
                ("name", F::PersonName, STRING),
                ("emailAddress", F::PersonEmailAddress, STRING),
                ("creditCard", F::PersonCreditCard, STRING),
                ("city", F::PersonCity, STRING),
                ("state", F::PersonState, STRING),
                ("dateTime", F::DateTime, TIMESTAMP),
                ("extra", F::PersonExtra, STRING),
            ],
            Self::Auction => &[
                ("id", F::AuctionId, BIGINT),
                ("itemName", F::AuctionItemName, STRING),
                ("description", F::AuctionDescription, STRING),
                ("initialBid", F::AuctionInitialBid, BIGINT),
                ("reserve", F::AuctionReserve, BIGINT),
                ("dateTime", F::DateTime, TIMESTAMP),
                ("expires", F::AuctionExpires, TIMESTAMP),
                ("seller", F::AuctionSeller, BIGINT),
                ("category", F::AuctionCategory, BIGINT),
                ("extra", F::AuctionExtra, STRING),
            ],
            Self::Bid => &[
                ("auction", F::BidAuction, BIGINT),
                ("bidder", F::BidBidder, BIGINT),
                ("price", F::BidPrice, BIGINT),
                ("channel", F::BidChannel, STRING),
                ("url", F::BidUrl, STRING),
                ("dateTime", F::DateTime, TIMESTAMP),
                ("extra", F::BidExtra, STRING),
            ],
        }
    }

    fn of_column(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.column() == name)
    }

    fn field(self, name: &str) -> Option<&'static Declared> {
        self.fields().iter().find(|(known, ..)| *known == name)
    }
}

/// A column of a scan.
#[derive(Debug, Clone)]
pub(super) enum Column {
    EventType,
    Event {
        kind: Kind,
        fields: Fields,
        /// For each field, what it is, if it is wanted.
        wanted: Vec<Option<EventField>>,
    },
}

/// Refuses columns and fields that no event has.
pub(super) fn check(table: &TableDescriptor) -> Result<(), SqlError> {
    refuse_metadata(table)?;
    table
        .schema
        .fields()
        .iter()
        .try_for_each(|field| check_column(field))
        .map_err(|error| SqlError { message: format!("table `{}`, {}", table.name, error.message), ..error })
}

fn check_column(column: &Field) -> Result<(), SqlError> {
    let name = column.name();
    if name == EVENT_TYPE {
        return check_type(column, "INT", || format!("column `{name}`"));
    }
    let Some(kind) = Kind::of_column(name) else {
        let columns = Kind::ALL.map(Kind::column);
        let expected = "expected `event_type`, `person`, `auction` or `bid`";
        let error =
            SqlError::new(format!("column `{name}`: connector `nexmark` has no such column: {expected}"));
        return Err(error.did_you_mean(name, columns.into_iter().chain([EVENT_TYPE])));
    };
    let DataType::Struct(fields) = column.data_type() else {
        let declared: Vec<_> =
            kind.fields().iter().map(|(name, _, sql_type)| format!("`{name}` {sql_type}")).collect();
        return Err(SqlError::new(format!(
            "column `{name}`: expected the type ROW<{}> or a part of it, found {}",
            declared.join(", "),
            spelling(column.data_type())
        )));
    };
    if !column.is_nullable() {
        let message =
            format!("column `{name}`: expected it without NOT NULL, as it is null for other events");
        return Err(SqlError::new(message));
    }
    fields.iter().try_for_each(|field| check_field(kind, field))
}

fn check_field(kind: Kind, field: &Field) -> Result<(), SqlError> {
    let Some((_, _, sql_type)) = kind.field(field.name()) else {
        let known: Vec<_> = kind.fields().iter().map(|(name, ..)| *name).collect();
        let message = format!(
            "column `{}`: no field `{}`: expected of {}",
            kind.column(),
            field.name(),
            known.join(", ")
        );
        return Err(SqlError::new(message).did_you_mean(field.name(), known.iter().copied()));
    };
    let place = || format!("column `{}`, field `{}`", kind.column(), field.name());
    check_type(field, sql_type, place)?;
    if !field.is_nullable() {
        return Err(SqlError::new(format!("{}: expected it without NOT NULL", place())));
    }
    Ok(())
}

fn check_type(field: &Field, expected: &str, place: impl Fn() -> String) -> Result<(), SqlError> {
    let found = spelling(field.data_type());
    if found == expected {
        return Ok(());
    }
    Err(SqlError::new(format!("{}: expected the type {expected}, found {found}", place())))
}

/// The columns of a scan of a table that was [checked](check).
pub(super) fn columns(table: &TableDescriptor, scan: &Scan) -> Vec<Column> {
    let column = |index: &usize| {
        let field = table.schema.field(*index);
        let (Some(kind), DataType::Struct(fields)) = (Kind::of_column(field.name()), field.data_type())
        else {
            return Column::EventType;
        };
        let wanted_names = scan.fields.get(index);
        let wanted = fields
            .iter()
            .filter_map(|field| kind.field(field.name()))
            .map(|(name, field, _)| wanted_names.is_none_or(|names| names.contains(*name)).then_some(*field))
            .collect();
        Column::Event { kind, fields: fields.clone(), wanted }
    };
    scan.projection.iter().map(column).collect()
}

/// The only kind of events that a scan needs, if it says so.
pub(super) fn only_kind(table: &TableDescriptor, scan: &Scan) -> Option<Kind> {
    scan.equal.iter().find_map(|(index, value)| {
        let is_type = table.schema.field(*index).name() == EVENT_TYPE;
        match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(Some(number))) if is_type => {
                Kind::ALL.into_iter().find(|kind| *kind as i64 == number)
            }
            _ => None,
        }
    })
}
