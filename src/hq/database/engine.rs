//! The seam to the database: SQLite in a folder, or a PostgreSQL server. The rules of the receiver are written once, in the
//! SQL that both understand; what a load of events rides on are verbs over whole sets, so that each engine does them its own
//! way: SQLite row by row beside its own memory, PostgreSQL in one statement, since each one is a journey.
//!
//! Values are bound as `?1`, `?2`, … Whole numbers are 64 bits wide on both sides; yes and no are 1 and 0.

use super::HqError;
use crate::{
    domain::Timestamp,
    hq::records::tables::Table,
    sync::{reply::SeqRange, topic::Address},
};
use std::fmt;

/// A bound value.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// One value of a result.
#[derive(Debug, Clone)]
pub enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// One row of a result, read by position.
#[derive(Debug)]
pub struct Row(pub(super) Vec<Cell>);

/// An event on its way into the table.
#[derive(Debug)]
pub struct NewRow<'a> {
    pub from: &'a Address,
    pub epoch: &'a str,
    pub seq: u64,
    /// Header of the event; empty where it could not be read.
    pub id: &'a str,
    pub kind: &'a str,
    pub subject: &'a str,
    pub time: &'a str,
    /// The event as it came.
    pub body: &'a str,
    /// Why it is refused.
    pub refused: Option<&'a str>,
    /// Whether the event may stand here already under another key.
    pub may_be_here: bool,
}

/// What stands at a key already.
#[derive(Debug)]
pub struct Held {
    pub id: String,
    pub kind: String,
    pub refused: Option<String>,
}

/// Sequences of one epoch that are stored now.
#[derive(Debug)]
pub struct Stored<'a> {
    pub gateway: &'a str,
    pub epoch: &'a str,
    pub ranges: Vec<SeqRange>,
}

/// How far an epoch's prefix came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    pub upto: u64,
    /// How far it came before.
    pub before: u64,
    /// Highest sequence stored.
    pub last_seq: u64,
    /// The lowest place at which another event came than the one held there.
    pub conflict: Option<u64>,
    /// What lies right beyond the prefix is written down as lost: it goes on from there.
    pub before_lost: bool,
}

/// A database. One connection, one user at a time; everything between [`Self::begin`] and [`Self::commit`] is committed
/// together or not at all.
pub trait Engine: fmt::Debug + Send {
    /// # Errors
    /// The database's.
    fn begin(&mut self) -> Result<(), HqError>;

    /// What this returned from is on disk.
    ///
    /// # Errors
    /// The database's; the transaction may or may not have been committed.
    fn commit(&mut self) -> Result<(), HqError>;

    /// Gives the transaction up. Never fails: where the database is away there is nothing to give up.
    fn roll_back(&mut self);

    /// Gives how many rows changed.
    ///
    /// # Errors
    /// The database's.
    fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, HqError>;

    /// # Errors
    /// The database's.
    fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, HqError>;

    /// Notes these gateways, each named once, in order, and whether they were heard now: a retained word may be of last year,
    /// a last will is the broker's. Gives the store that each is known under. Until the
    /// end of the transaction nobody else stores anything of them: two receivers cannot miss each other's rows, and cannot
    /// wait for each other in a circle.
    ///
    /// # Errors
    /// The database's.
    fn heard(&mut self, gateways: &[(&Address, bool)], at: Timestamp) -> Result<Vec<String>, HqError>;

    /// Makes these epochs known, each named once. Gives how many epochs each one's gateway has had.
    ///
    /// # Errors
    /// The database's.
    fn begin_epochs(&mut self, epochs: &[(&str, &str)], at: Timestamp) -> Result<Vec<u64>, HqError>;

    /// Stores what is not there yet; which rows it stored. No key and no id is named twice; rows are in the order of their
    /// keys.
    ///
    /// # Errors
    /// The database's.
    fn store(&mut self, rows: &[NewRow<'_>], at: Timestamp) -> Result<Vec<bool>, HqError>;

    /// Counts these rows as come again; what stands there.
    ///
    /// # Errors
    /// The database's.
    fn came_again(&mut self, rows: &[&NewRow<'_>]) -> Result<Vec<Held>, HqError>;

    /// Moves prefixes over everything that is now contiguous.
    ///
    /// # Errors
    /// The database's.
    fn advance(&mut self, stored: &[Stored<'_>]) -> Result<Vec<Reach>, HqError>;

    /// Writes facts; what is there already stays as it is.
    ///
    /// # Errors
    /// The database's.
    fn fill(&mut self, table: &Table, rows: &[&[Cell]]) -> Result<(), HqError>;

    /// Keeps everyone else from making or forgetting facts until the end of the transaction; without `wait` it may be refused,
    /// since another does so now.
    ///
    /// # Errors
    /// The database's.
    fn keep_records(&mut self, wait: bool) -> Result<bool, HqError>;

    /// Of these rows, stored or not, the places `n` of events that are held under another key of the same gateway and id, and
    /// were taken out later: told before a `redacted.v1` in the order of the gateway's lives. Ordered.
    ///
    /// # Errors
    /// The database's.
    fn taken_out(&mut self, rows: &[&NewRow<'_>]) -> Result<Vec<u64>, HqError>;

    /// Lets the transaction at hand take the time it needs: an operator's, or an upgrade's. To be called as its first.
    ///
    /// # Errors
    /// The database's.
    fn take_time(&mut self) -> Result<(), HqError>;

    /// Rights of others on tables and views that are about to be made anew: of each its name, and the statement that gives
    /// it again. A side without roles has none.
    ///
    /// # Errors
    /// The database's.
    fn grants(&mut self) -> Result<Vec<(String, String)>, HqError> {
        Ok(Vec::new())
    }

    /// How this side writes a time that is given in milliseconds since 1970.
    fn time(&self) -> fn(&str) -> String;
}

/// Does `work` in one transaction.
///
/// # Errors
/// `work`'s or the commit's; then nothing was changed.
pub fn transaction<T>(
    engine: &mut dyn Engine,
    work: impl FnOnce(&mut dyn Engine) -> Result<T, HqError>,
) -> Result<T, HqError> {
    engine.begin()?;
    let done = work(engine).and_then(|value| engine.commit().map(|()| value));
    if done.is_err() {
        engine.roll_back();
    }
    done
}

/// The first row of a result.
///
/// # Errors
/// The database's.
pub fn first(engine: &mut dyn Engine, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>, HqError> {
    Ok(engine.query(sql, values)?.into_iter().next())
}

/// The only value of a statement that always gives one row.
///
/// # Errors
/// The database's; [`HqError::Shape`] without a row.
pub fn only<T: FromCell>(engine: &mut dyn Engine, sql: &str, values: &[Value<'_>]) -> Result<T, HqError> {
    first(engine, sql, values)?.ok_or(HqError::Shape { at: 0, expected: "a row" })?.get(0)
}

impl Row {
    /// # Errors
    /// [`HqError::Shape`] where the value is of another kind: statement and reader do not fit.
    pub fn get<T: FromCell>(&self, at: usize) -> Result<T, HqError> {
        self.0.get(at).and_then(T::from_cell).ok_or(HqError::Shape { at, expected: T::NAME })
    }
}

/// What a cell can be read as.
pub trait FromCell: Sized {
    const NAME: &'static str;
    fn from_cell(cell: &Cell) -> Option<Self>;
}

impl FromCell for i64 {
    const NAME: &'static str = "a whole number";
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Int(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromCell for u64 {
    const NAME: &'static str = "a number from 0";
    fn from_cell(cell: &Cell) -> Option<Self> {
        i64::from_cell(cell)?.try_into().ok()
    }
}

impl FromCell for u32 {
    const NAME: &'static str = "a small number from 0";
    fn from_cell(cell: &Cell) -> Option<Self> {
        i64::from_cell(cell)?.try_into().ok()
    }
}

impl FromCell for bool {
    const NAME: &'static str = "yes or no";
    fn from_cell(cell: &Cell) -> Option<Self> {
        i64::from_cell(cell).map(|value| value != 0)
    }
}

impl FromCell for f64 {
    const NAME: &'static str = "a number";
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Real(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromCell for String {
    const NAME: &'static str = "a text";
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Text(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl FromCell for Vec<u8> {
    const NAME: &'static str = "bytes";
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Bytes(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    const NAME: &'static str = T::NAME;
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value<'_> {
    /// Sequences and sizes are held to 63 bits at the door.
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a Cell> for Value<'a> {
    fn from(cell: &'a Cell) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Int(value) => Self::Int(*value),
            Cell::Real(value) => Self::Real(*value),
            Cell::Text(value) => Self::Text(value),
            Cell::Bytes(value) => Self::Bytes(value),
        }
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Values to bind, as a slice.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::hq::database::engine::Value::from($value)),*] };
}
pub(crate) use values;
