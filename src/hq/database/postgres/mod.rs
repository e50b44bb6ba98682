//! The large side: a PostgreSQL server (13 or later), shared by any number of receivers. One connection; where it breaks, the
//! transaction is given up and the next one begins with a new connection.
//!
//! The connection is driven by a thread of its own, so that the database can be spoken to in plain calls from anywhere.

mod sets;
mod settings;

pub use settings::Settings;

use super::{
    HqError,
    engine::{Cell, Engine, Held, NewRow, Reach, Row, Stored, Value},
};
use crate::{
    domain::Timestamp,
    hq::records::{self, tables::Table},
    sync::topic::Address,
};
use bytes::BytesMut;
use futures_executor::block_on;
use futures_util::{TryStreamExt as _, future::join, pin_mut};
use std::{collections::HashMap, error::Error, sync::mpsc, thread};
use tokio_postgres::{
    Client, Statement,
    types::{IsNull, ToSql, Type, to_sql_checked},
};

/// Step `n` (from 1) leads from version `n - 1` to `n`.
const STEPS: &[&str] = &[
    include_str!("../schema/postgres-1.sql"),
    include_str!("../schema/postgres-2.sql"),
    include_str!("../schema/postgres-3.sql"),
    include_str!("../schema/postgres-4.sql"),
    include_str!("../schema/postgres-5.sql"),
    include_str!("../schema/postgres-6.sql"),
    include_str!("../schema/postgres-7.sql"),
    include_str!("../schema/postgres-8.sql"),
    include_str!("../schema/postgres-9.sql"),
    include_str!("../schema/postgres-10.sql"),
    include_str!("../schema/postgres-11.sql"),
    include_str!("../schema/postgres-12.sql"),
    include_str!("../schema/postgres-13.sql"),
    include_str!("../schema/postgres-14.sql"),
];

const SCHEMA: i64 = STEPS.len() as i64;

/// Oldest server whose SQL is used here.
const OLDEST: i64 = 130_000;

/// Plans are made while the tables are young and small, and kept: without these a receiver would read whole tables for ever.
/// The waits are limited, so that a server that answers no more is noticed; durability is asked for whatever the server's
/// default, since an acknowledgement rests on it.
const SESSION: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
    SET statement_timeout = '60s'; SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Two receivers that start at once make the tables one after the other.
const UPGRADE_LOCK: i64 = 0x736b_696e_6c69_6e6b;

/// Held by whoever makes or forgets facts.
const RECORDS_LOCK: i64 = UPGRADE_LOCK + 1;

/// A connection, or the place where the next one goes.
#[derive(Debug)]
pub struct Postgres {
    settings: Settings,
    /// What is set for each new connection.
    session: String,
    line: Option<Line>,
    within: bool,
    /// `BEGIN` travels with the first statement.
    begin: bool,
}

struct Line {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl Postgres {
    /// Connects, and makes or upgrades the tables.
    ///
    /// # Errors
    /// [`HqError`]; nothing is changed in a database of a newer program.
    pub fn open(settings: &Settings) -> Result<Self, HqError> {
        let mut postgres =
            Self { settings: settings.clone(), session: SESSION.to_owned(), line: None, within: false, begin: false };
        let found = postgres.version()?;
        if found > SCHEMA {
            return Err(HqError::Newer { place: settings.to_string(), found, known: SCHEMA });
        }
        if found < SCHEMA || !records::are_prepared(&mut postgres)? {
            let upgraded = postgres.upgrade();
            if upgraded.is_err() {
                postgres.roll_back();
            }
            upgraded?;
        }
        Ok(postgres)
    }

    /// Connects to read only.
    ///
    /// # Errors
    /// [`HqError`]; [`HqError::Empty`] before a receiver was here; [`HqError::Older`] before one of this version was.
    pub fn read_only(settings: &Settings) -> Result<Self, HqError> {
        let session = "SET default_transaction_read_only = on; SET jit = off".to_owned();
        let mut postgres = Self { settings: settings.clone(), session, line: None, within: false, begin: false };
        match postgres.version()? {
            0 => Err(HqError::Empty { place: settings.to_string() }),
            found if found > SCHEMA => Err(HqError::Newer { place: settings.to_string(), found, known: SCHEMA }),
            found if found < SCHEMA => Err(HqError::Older { place: settings.to_string(), found, known: SCHEMA }),
            _ => Ok(postgres),
        }
    }

    fn version(&mut self) -> Result<i64, HqError> {
        if self.query("SELECT 1 WHERE to_regclass('schema_version') IS NOT NULL", &[])?.is_empty() {
            return Ok(0);
        }
        self.query("SELECT coalesce(max(version), 0) FROM schema_version", &[])?[0].get(0)
    }

    fn upgrade(&mut self) -> Result<(), HqError> {
        self.begin()?;
        self.take_time()?;
        self.query("SELECT 1 FROM (SELECT pg_advisory_xact_lock(?1)) AS locked", &[Value::Int(UPGRADE_LOCK)])?;
        // Looked at again under the lock: another receiver may just have done it.
        let found = self.version()?;
        let line = self.line.as_ref().ok_or(HqError::Away)?;
        block_on(line.client.batch_execute(
            "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, made TIMESTAMPTZ NOT NULL DEFAULT now())",
        ))?;
        for (version, step) in (1_i64..).zip(STEPS).skip(usize::try_from(found).unwrap_or(0)) {
            block_on(line.client.batch_execute(step))?;
            block_on(
                line.client
                    .execute("INSERT INTO schema_version(version) VALUES ($1)", &[&version as &(dyn ToSql + Sync)]),
            )?;
        }
        records::prepare(self)?;
        self.commit()
    }

    /// The line; a new one where the old one broke, but never in the middle of a transaction.
    fn line(&mut self) -> Result<&mut Line, HqError> {
        if self.line.as_ref().is_some_and(|line| line.client.is_closed()) {
            self.line = None;
        }
        if self.line.is_none() {
            if self.within && !self.begin {
                return Err(HqError::Away);
            }
            self.line = Some(Line::connect(&self.settings, &self.session)?);
        }
        self.line.as_mut().ok_or(HqError::Away)
    }

    fn run(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(Vec<tokio_postgres::Row>, u64), HqError> {
        self.line()?;
        let begin = std::mem::take(&mut self.begin);
        let line = self.line.as_mut().ok_or(HqError::Away)?;
        let done = block_on(line.run(begin, sql, values)).map_err(HqError::from);
        if done.as_ref().is_err_and(HqError::is_read_only) {
            // The next line may lead to the server that has taken over.
            self.line = None;
        }
        done
    }

    /// The rows of a statement over whole sets.
    fn set(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<tokio_postgres::Row>, HqError> {
        self.run(sql, values).map(|(rows, _)| rows)
    }
}

impl Line {
    fn connect(settings: &Settings, session: &str) -> Result<Self, HqError> {
        let (config, tls) = settings.resolve()?;
        let (tell, told) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || {
                let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(fault) => return tracing::error!(%fault, "no runtime for the database's connection"),
                };
                runtime.block_on(async move {
                    match config.connect(tls).await {
                        Ok((client, connection)) => {
                            let _ = tell.send(Ok(client));
                            if let Err(fault) = connection.await {
                                tracing::debug!(%fault, "a connection to the database ended");
                            }
                        }
                        Err(fault) => {
                            let _ = tell.send(Err(fault));
                        }
                    }
                });
            })
            .map_err(|_| HqError::Stopped)?;
        let client = told.recv().map_err(|_| HqError::Stopped)??;
        let version: i64 =
            block_on(client.query_one("SELECT current_setting('server_version_num')::bigint", &[]))?.get(0);
        if version < OLDEST {
            return Err(HqError::OldServer { found: version / 10_000 });
        }
        block_on(client.batch_execute(session))?;
        Ok(Self { client, statements: HashMap::new() })
    }

    async fn run(
        &mut self,
        begin: bool,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<(Vec<tokio_postgres::Row>, u64), tokio_postgres::Error> {
        let Self { client, statements } = self;
        if !statements.contains_key(sql) {
            statements.insert(sql.to_owned(), client.prepare(&sql.replace('?', "$")).await?);
        }
        let asked = client.query_raw(&statements[sql], values.iter().copied());
        let rows = if begin {
            let (begun, rows) = join(client.batch_execute("BEGIN"), asked).await;
            begun?;
            rows?
        } else {
            asked.await?
        };
        pin_mut!(rows);
        let mut found = Vec::new();
        while let Some(row) = rows.try_next().await? {
            found.push(row);
        }
        Ok((found, rows.rows_affected().unwrap_or(0)))
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("statements", &self.statements.len()).finish_non_exhaustive()
    }
}

impl Engine for Postgres {
    fn begin(&mut self) -> Result<(), HqError> {
        (self.within, self.begin) = (true, true);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), HqError> {
        let empty = std::mem::take(&mut self.begin);
        let done = match &self.line {
            _ if empty => Ok(()),
            Some(line) => block_on(line.client.batch_execute("COMMIT")).map_err(HqError::from),
            None => Err(HqError::Away),
        };
        self.within = false;
        done
    }

    fn roll_back(&mut self) {
        (self.within, self.begin) = (false, false);
        if let Some(line) = &self.line
            && block_on(line.client.batch_execute("ROLLBACK")).is_err()
        {
            self.line = None;
        }
    }

    fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, HqError> {
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.run(sql, &values).map(|(_, changed)| changed)
    }

    fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, HqError> {
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let (rows, _) = self.run(sql, &values)?;
        rows.iter().map(|row| (0..row.len()).map(|at| cell(row, at)).collect::<Result<_, _>>().map(Row)).collect()
    }

    fn heard(&mut self, gateways: &[(&Address, bool)], at: Timestamp) -> Result<Vec<String>, HqError> {
        sets::heard(self, gateways, at)
    }

    fn begin_epochs(&mut self, epochs: &[(&str, &str)], at: Timestamp) -> Result<Vec<u64>, HqError> {
        sets::begin_epochs(self, epochs, at)
    }

    fn store(&mut self, rows: &[NewRow<'_>], at: Timestamp) -> Result<Vec<bool>, HqError> {
        sets::store(self, rows, at)
    }

    fn came_again(&mut self, rows: &[&NewRow<'_>]) -> Result<Vec<Held>, HqError> {
        sets::came_again(self, rows)
    }

    fn advance(&mut self, stored: &[Stored<'_>]) -> Result<Vec<Reach>, HqError> {
        sets::advance(self, stored)
    }

    fn fill(&mut self, table: &Table, rows: &[&[Cell]]) -> Result<(), HqError> {
        sets::fill(self, table, rows)
    }

    fn keep_records(&mut self, wait: bool) -> Result<bool, HqError> {
        let lock = &[Value::Int(RECORDS_LOCK)];
        if wait {
            return self.query("SELECT pg_advisory_xact_lock(?1) IS NULL", lock).map(|_| true);
        }
        self.query("SELECT pg_try_advisory_xact_lock(?1)", lock)?[0].get(0)
    }

    fn taken_out(&mut self, rows: &[&NewRow<'_>]) -> Result<Vec<u64>, HqError> {
        sets::taken_out(self, rows)
    }

    fn take_time(&mut self) -> Result<(), HqError> {
        for limit in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
            self.execute(&format!("SET LOCAL {limit} = 0"), &[])?;
        }
        Ok(())
    }

    fn grants(&mut self) -> Result<Vec<(String, String)>, HqError> {
        let rights = self.query(
            "SELECT table_name::text, format('GRANT %s ON %I TO %s', privilege_type, table_name,
                 CASE grantee WHEN 'PUBLIC' THEN 'PUBLIC' ELSE quote_ident(grantee) END)
             FROM information_schema.role_table_grants WHERE table_schema = current_schema() AND grantee <> current_user",
            &[],
        )?;
        rights.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    fn time(&self) -> fn(&str) -> String {
        |ms| format!("to_timestamp({ms} / 1000.0)")
    }
}

fn cell(row: &tokio_postgres::Row, at: usize) -> Result<Cell, HqError> {
    let kind = row.columns()[at].type_();
    Ok(match *kind {
        Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map_or(Cell::Null, Cell::Int),
        Type::INT4 => row.try_get::<_, Option<i32>>(at)?.map_or(Cell::Null, |value| Cell::Int(i64::from(value))),
        Type::BOOL => row.try_get::<_, Option<bool>>(at)?.map_or(Cell::Null, |value| Cell::Int(i64::from(value))),
        Type::FLOAT8 => row.try_get::<_, Option<f64>>(at)?.map_or(Cell::Null, Cell::Real),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.map_or(Cell::Null, Cell::Bytes),
        _ => row.try_get::<_, Option<String>>(at)?.map_or(Cell::Null, Cell::Text),
    })
}

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) if *kind == Type::INT4 => i32::try_from(*value)?.to_sql(kind, out),
            Self::Int(value) => value.to_sql(kind, out),
            Self::Real(value) => value.to_sql(kind, out),
            Self::Text(value) => value.to_sql(kind, out),
            Self::Bytes(value) => value.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
