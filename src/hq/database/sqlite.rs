//! The small side: one SQLite file, for a chain that one machine serves. One writer; every commit is an fsync.

use super::{
    HqError,
    engine::{Cell, Engine, Held, NewRow, Reach, Row, Stored, Value, transaction, values},
};
use crate::{
    domain::Timestamp,
    folding::Folding,
    hq::{
        events::redacted,
        records::{self, tables::Table},
        standing,
    },
    sync::topic::Address,
};
use rusqlite::{
    Connection, OpenFlags, ToSql, TransactionBehavior,
    config::DbConfig,
    params, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};
use std::{fs, io, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

/// Step `n` (from 1) leads from version `n - 1` to `n`; a file of a newer program is refused.
const STEPS: &[&str] = &[
    include_str!("schema/sqlite-1.sql"),
    include_str!("schema/sqlite-2.sql"),
    include_str!("schema/sqlite-3.sql"),
    include_str!("schema/sqlite-4.sql"),
    include_str!("schema/sqlite-5.sql"),
    include_str!("schema/sqlite-6.sql"),
    include_str!("schema/sqlite-7.sql"),
    include_str!("schema/sqlite-8.sql"),
    include_str!("schema/sqlite-9.sql"),
    include_str!("schema/sqlite-10.sql"),
    include_str!("schema/sqlite-11.sql"),
    include_str!("schema/sqlite-12.sql"),
    include_str!("schema/sqlite-13.sql"),
    include_str!("schema/sqlite-14.sql"),
    include_str!("schema/sqlite-15.sql"),
    include_str!("schema/sqlite-16.sql"),
];

const SCHEMA: i64 = STEPS.len() as i64;

/// Distinct statements of the receiver, with room to grow.
const STATEMENTS: usize = 128;

/// How long one receiver waits for another's commit.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    /// Last, so that it ends after the connection.
    _folding: Option<Folding>,
}

impl Sqlite {
    /// Opens or makes the file; its folder too.
    ///
    /// # Errors
    /// [`HqError`]; nothing is changed in a file of a newer program.
    pub fn open(path: &Path) -> Result<Self, HqError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|source| HqError::File { path: folder.to_owned(), source })?;
        // Names and what customers said lie in it: its owner's alone. Its log takes the same rights.
        let made = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
        if let Err(source) = made
            && source.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(HqError::File { path: path.to_owned(), source });
        }
        let mut connection = Connection::open(path)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > SCHEMA {
            return Err(HqError::Newer { place: path.display().to_string(), found, known: SCHEMA });
        }
        connection.busy_timeout(PATIENCE)?;
        connection.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON;",
        )?;
        if found < SCHEMA {
            upgrade(&mut connection)?;
        }
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Otherwise a statement with a range of bound values is parsed and planned again whenever the values change.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        let file = path.to_owned();
        let folding = Folding::begin(&mut connection, move || Connection::open(&file))
            .map_err(|source| HqError::File { path: path.to_owned(), source })?;
        let mut sqlite = Self { connection, _folding: Some(folding) };
        if !records::are_prepared(&mut sqlite)? {
            transaction(&mut sqlite, records::prepare)?;
        }
        Ok(sqlite)
    }

    /// Opens the file to read beside a running receiver.
    ///
    /// # Errors
    /// [`HqError::Empty`] when there is none yet; [`HqError::Older`], [`HqError::Newer`] when it is another version's.
    pub fn read_only(path: &Path) -> Result<Self, HqError> {
        let place = || path.display().to_string();
        match fs::metadata(path) {
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                return Err(HqError::File { path: path.to_owned(), source });
            }
            Ok(found) if found.is_file() => {}
            _ => return Err(HqError::Empty { place: place() }),
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        match connection.query_row("PRAGMA user_version", [], |row| row.get(0))? {
            0 => return Err(HqError::Empty { place: place() }),
            found if found > SCHEMA => return Err(HqError::Newer { place: place(), found, known: SCHEMA }),
            found if found < SCHEMA => return Err(HqError::Older { place: place(), found, known: SCHEMA }),
            _ => {}
        }
        Ok(Self { connection, _folding: None })
    }
}

fn upgrade(connection: &mut Connection) -> Result<(), HqError> {
    // Looked at again under the lock: another copy of the receiver may just have done it.
    let upgrade = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = upgrade.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        upgrade.execute_batch(step)?;
    }
    upgrade.pragma_update(None, "user_version", SCHEMA)?;
    Ok(upgrade.commit()?)
}

impl Engine for Sqlite {
    fn begin(&mut self) -> Result<(), HqError> {
        // At once for writing: a lock asked for later is refused without waiting when another receiver wrote in between.
        Ok(self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)?)
    }

    fn commit(&mut self) -> Result<(), HqError> {
        Ok(self.connection.prepare_cached("COMMIT")?.execute([]).map(drop)?)
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(fault) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%fault, "a transaction could not be given up");
        }
    }

    fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, HqError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params_from_iter(values))? as u64)
    }

    fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, HqError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let width = statement.column_count();
        let rows = statement.query_map(params_from_iter(values), |row| {
            let cells = (0..width).map(|at| row.get_ref(at).map(Cell::from)).collect::<Result<_, _>>()?;
            Ok(Row(cells))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn heard(&mut self, gateways: &[(&Address, bool)], at: Timestamp) -> Result<Vec<String>, HqError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO gateways(gateway, store, first_heard_ms, last_heard_ms)
             VALUES (?1, ?2, ?3, CASE WHEN ?4 THEN ?3 ELSE 0 END)
             ON CONFLICT (gateway) DO UPDATE SET
                 last_heard_ms = CASE WHEN ?4 THEN excluded.last_heard_ms ELSE gateways.last_heard_ms END
             RETURNING store",
        )?;
        let known = gateways.iter().map(|(Address { store, gateway }, now)| {
            Ok(statement.query_row(params![gateway, store, at.unix_ms(), now], |row| row.get(0))?)
        });
        known.collect()
    }

    fn begin_epochs(&mut self, epochs: &[(&str, &str)], at: Timestamp) -> Result<Vec<u64>, HqError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO streams(gateway, epoch, begun_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?;
        let mut count = self.connection.prepare_cached("SELECT count(*) FROM streams WHERE gateway = ?1")?;
        let known = epochs.iter().map(|(gateway, epoch)| {
            insert.execute(params![gateway, epoch, at.unix_ms()])?;
            Ok(count.query_row([gateway], |row| row.get(0))?)
        });
        known.collect()
    }

    fn store(&mut self, rows: &[NewRow<'_>], at: Timestamp) -> Result<Vec<bool>, HqError> {
        let redacted = redacted();
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO events(gateway, epoch, seq, id, kind, subject, time, body, refused, received_ms, same_as)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                 CASE WHEN ?11 THEN
                     (SELECT min(n) FROM events WHERE id = ?4 AND gateway = ?1 AND NOT (epoch = ?2 AND seq = ?3)
                      AND refused IS NULL AND kind <> ?12)
                 END) ON CONFLICT DO NOTHING",
        )?;
        let stored = rows.iter().map(|row| {
            let NewRow { from, epoch, seq, id, kind, subject, time, body, refused, may_be_here } = row;
            let at = at.unix_ms();
            let values =
                params![from.gateway, epoch, seq, id, kind, subject, time, body, refused, at, may_be_here, redacted];
            Ok(insert.execute(values)? == 1)
        });
        stored.collect()
    }

    fn came_again(&mut self, rows: &[&NewRow<'_>]) -> Result<Vec<Held>, HqError> {
        let mut count = self
            .connection
            .prepare_cached("UPDATE streams SET redeliveries = redeliveries + 1 WHERE gateway = ?1 AND epoch = ?2")?;
        let mut look = self
            .connection
            .prepare_cached("SELECT id, kind, refused FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq = ?3")?;
        let held = rows.iter().map(|NewRow { from, epoch, seq, .. }| {
            count.execute(params![from.gateway, epoch])?;
            Ok(look.query_row(params![from.gateway, epoch, seq], |row| {
                Ok(Held { id: row.get(0)?, kind: row.get(1)?, refused: row.get(2)? })
            })?)
        });
        held.collect()
    }

    fn advance(&mut self, stored: &[Stored<'_>]) -> Result<Vec<Reach>, HqError> {
        let mut reached = Vec::with_capacity(stored.len());
        for Stored { gateway, epoch, ranges } in stored {
            let mut before = None;
            for range in ranges {
                before.get_or_insert(standing::advance(self, gateway, epoch, *range)?);
            }
            let row = &self.query(
                "SELECT upto, last_seq, (SELECT min(seq) FROM alarms a
                     WHERE a.gateway = streams.gateway AND a.epoch = streams.epoch AND a.seq > 0)
                 FROM streams WHERE gateway = ?1 AND epoch = ?2",
                values![*gateway, *epoch],
            )?[0];
            let (upto, last_seq, conflict) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let before = before.unwrap_or(upto);
            reached.push(Reach { upto, before, last_seq, conflict, before_lost: false });
        }
        Ok(reached)
    }

    fn fill(&mut self, table: &Table, rows: &[&[Cell]]) -> Result<(), HqError> {
        let columns: Vec<&str> = table.row().map(|(name, _)| *name).collect();
        let places: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
            table.name,
            columns.join(", "),
            places.join(", ")
        );
        let mut insert = self.connection.prepare_cached(&sql)?;
        for row in rows {
            insert.execute(params_from_iter(row.iter().map(Value::from)))?;
        }
        Ok(())
    }

    /// There is one writer at a time anyway.
    fn keep_records(&mut self, _wait: bool) -> Result<bool, HqError> {
        Ok(true)
    }

    fn taken_out(&mut self, rows: &[&NewRow<'_>]) -> Result<Vec<u64>, HqError> {
        let redacted = redacted();
        let mut look = self.connection.prepare_cached(
            "SELECT e.n FROM events e JOIN streams s ON s.gateway = e.gateway AND s.epoch = e.epoch
             WHERE e.id = ?1 AND e.gateway = ?2 AND e.kind <> ?3 AND e.refused IS NULL AND EXISTS (
                 SELECT 1 FROM events r JOIN streams t ON t.gateway = r.gateway AND t.epoch = r.epoch
                 WHERE r.id = e.id AND r.gateway = e.gateway AND r.kind = ?3 AND r.refused IS NULL
                 AND (s.begun_ms, e.seq) < (t.begun_ms, r.seq))",
        )?;
        let mut found = std::collections::BTreeSet::new();
        for row in rows {
            let at = look.query_map(params![row.id, row.from.gateway, redacted], |row| row.get::<_, u64>(0))?;
            for n in at {
                found.insert(n?);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Nothing is ended here for the time it takes.
    fn take_time(&mut self) -> Result<(), HqError> {
        Ok(())
    }

    fn time(&self) -> fn(&str) -> String {
        |ms| format!("strftime('%Y-%m-%dT%H:%M:%fZ', {ms} / 1000.0, 'unixepoch')")
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Int(value),
            ValueRef::Real(value) => Self::Real(value),
            ValueRef::Text(value) => Self::Text(String::from_utf8_lossy(value).into_owned()),
            ValueRef::Blob(value) => Self::Bytes(value.to_vec()),
        }
    }
}
