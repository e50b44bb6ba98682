//! How the house's values stand in columns: ids as 16 bytes (sorting as they do), words and quantities as text, times as
//! four columns, lists of short texts as JSON.

use crate::domain::{
    AppointmentId, BootId, CaptureId, ClockState, ComparisonId, ConsentId, CustomerId, Epoch, EventId, FeedbackId,
    OrderId, Quantity, ReadingId, Region, RepeatId, ReportId, ScanId, ScoreId, Stamp, Timestamp, VisitId,
    appointment::{AppointmentState, Origin},
    capture::{ColourReference, Format, Light, PointSource, View},
    comparison::{Baseline, Refusal, Verdict},
    consent::{Channel, Purpose},
    device::DeviceIdentity,
    feedback::Topic,
    metric::MetricId,
    reading::QualityFlag,
    scan::{Phase, ScanState},
    staff::Role,
    visit::VisitState,
};
use crate::sync::image_lane;
use rusqlite::{
    Row, ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, Value, ValueRef},
};

macro_rules! ids {
    ($($name:ident),+ $(,)?) => { $(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::Owned(Value::Blob(self.bits().to_be_bytes().to_vec())))
            }
        }
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                <[u8; 16]>::column_result(value).map(|bytes| Self::from_bits(u128::from_be_bytes(bytes)))
            }
        }
    )+ };
}
ids!(
    AppointmentId,
    BootId,
    CaptureId,
    ComparisonId,
    ConsentId,
    CustomerId,
    Epoch,
    EventId,
    FeedbackId,
    OrderId,
    ReadingId,
    RepeatId,
    ReportId,
    ScanId,
    ScoreId,
    VisitId
);

macro_rules! words {
    ($($name:ident),+ $(,)?) => { $(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.as_str().as_bytes())))
            }
        }
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str()?.parse().map_err(|e| FromSqlError::Other(Box::new(e)))
            }
        }
    )+ };
}
words!(
    AppointmentState,
    Baseline,
    Channel,
    ClockState,
    ColourReference,
    Format,
    Light,
    Origin,
    Phase,
    PointSource,
    Purpose,
    Refusal,
    Region,
    Role,
    ScanState,
    Topic,
    Verdict,
    View,
    VisitState
);

impl ToSql for MetricId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.as_str().as_bytes())))
    }
}

impl FromSql for MetricId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::new(value.as_str()?).map_err(|e| FromSqlError::Other(Box::new(e)))
    }
}

impl ToSql for Quantity {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Text(self.to_string())))
    }
}

impl FromSql for Quantity {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(|e| FromSqlError::Other(Box::new(e)))
    }
}

impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Integer(self.unix_ms())))
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self::from_unix_ms)
    }
}

/// Short texts in order, as a JSON array.
pub(super) struct Texts(pub Vec<String>);

impl ToSql for Texts {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = serde_json::to_string(&self.0).expect("strings are always JSON");
        Ok(ToSqlOutput::Owned(Value::Text(text)))
    }
}

impl FromSql for Texts {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(|e| FromSqlError::Other(Box::new(e)))
    }
}

/// Quality flags, as words with a space between.
pub(super) struct Flags(pub Vec<QualityFlag>);

impl ToSql for Flags {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let words: Vec<_> = self.0.iter().map(|flag| flag.as_str()).collect();
        Ok(ToSqlOutput::Owned(Value::Text(words.join(" "))))
    }
}

impl FromSql for Flags {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let flags: Result<_, _> = value.as_str()?.split_ascii_whitespace().map(str::parse).collect();
        flags.map(Self).map_err(|e| FromSqlError::Other(Box::new(e)))
    }
}

/// A count or a nanosecond reading as SQLite's only integer, the same bits.
pub(super) const fn int(count: u64) -> i64 {
    count.cast_signed()
}

pub(super) fn uint(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// The four time columns from `column` on.
pub(super) fn stamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Stamp> {
    Ok(Stamp {
        boot: row.get(column)?,
        monotonic_ns: uint(row, column + 1)?,
        wall: row.get(column + 2)?,
        clock: row.get(column + 3)?,
    })
}

/// The five device columns from `column` on: protocol, version, serial, probe, firmware.
pub(super) fn device(row: &Row<'_>, column: usize) -> rusqlite::Result<DeviceIdentity> {
    Ok(DeviceIdentity {
        protocol: row.get(column)?,
        protocol_version: row.get(column + 1)?,
        serial: row.get(column + 2)?,
        probe: row.get(column + 3)?,
        firmware: row.get(column + 4)?,
    })
}

/// What a picture is of its capture.
pub(super) fn picture_role(row: &Row<'_>, at: usize) -> rusqlite::Result<image_lane::Role> {
    let word: String = row.get(at)?;
    image_lane::Role::of(&word).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            at,
            rusqlite::types::Type::Text,
            format!("{word:?} is no role of a picture").into(),
        )
    })
}
