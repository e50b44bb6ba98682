//! What HQ holds, counted: for people, the demo and tests. Reads the database beside running receivers.

use super::{
    HqError,
    database::{
        Place,
        engine::{Engine, FromCell, Row, Value, only, values},
    },
    filing,
    shelf::Shelves,
    stores::Standing,
    waits::{self, Waiting},
};
use crate::sync::{envelope::Event, payload, ranges::RangeSet};
use std::{cell::RefCell, path::Path};

/// A reader of HQ's database.
#[derive(Debug)]
pub struct Ledger(RefCell<Box<dyn Engine>>);

/// Totals of one gateway.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    pub gateway: String,
    /// Rows, refused ones included.
    pub events: u64,
    pub refused: u64,
    /// Times a row that was already here came again: normal after a cut connection, and no duplicate.
    pub redeliveries: u64,
    /// Events stored under more than one key without being known as the same: must be 0.
    pub duplicates: u64,
    /// Sequences missing below the highest of their epoch, lost ones included: 0 when all is caught up.
    pub gaps: u64,
    pub alarms: u64,
    pub images_verified: u64,
    pub images_open: u64,
}

/// One stored event.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Stored {
    /// Order of arrival.
    pub n: u64,
    pub gateway: String,
    pub epoch: String,
    pub seq: u64,
    pub id: String,
    /// With its prefix, as on the wire.
    pub kind: String,
    pub subject: String,
    pub time: String,
    pub body: String,
    pub refused: Option<String>,
}

/// Sequences `first` to `last` of an epoch that are not here.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Gap {
    pub gateway: String,
    pub epoch: String,
    pub first: u64,
    pub last: u64,
}

/// A picture and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Picture {
    pub gateway: String,
    pub capture: String,
    pub role: String,
    pub format: String,
    pub bytes: u64,
    pub sha256: String,
    pub state: String,
    pub reason: String,
}

impl Stored {
    /// The payload, if it is of kind `T`'s type; the caller has looked at [`Self::kind`].
    ///
    /// # Errors
    /// JSON's, for a refused row.
    pub fn data<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str::<Event>(&self.body).and_then(|event| serde_json::from_str(event.data.get()))
    }

    fn from_row(row: &Row) -> Result<Self, HqError> {
        Ok(Self {
            n: row.get(0)?,
            gateway: row.get(1)?,
            epoch: row.get(2)?,
            seq: row.get(3)?,
            id: row.get(4)?,
            kind: row.get(5)?,
            subject: row.get(6)?,
            time: row.get(7)?,
            body: row.get(8)?,
            refused: row.get(9)?,
        })
    }
}

const COLUMNS: &str = "n, gateway, epoch, seq, id, kind, subject, time, body, refused";

impl Ledger {
    /// Reads the SQLite file in `folder`; see [`Self::at`].
    ///
    /// # Errors
    /// When there is no database in `folder` yet.
    pub fn open(folder: &Path) -> Result<Self, HqError> {
        Self::at(&Place::in_folder(folder))
    }

    /// # Errors
    /// When there is no database yet, or its server is away.
    pub fn at(place: &Place) -> Result<Self, HqError> {
        Ok(Self(RefCell::new(place.read_only()?)))
    }

    fn query<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnMut(&Row) -> Result<T, HqError>,
    ) -> Result<Vec<T>, HqError> {
        self.0.borrow_mut().query(sql, values)?.iter().map(read).collect()
    }

    fn only<T: FromCell>(&self, sql: &str) -> Result<T, HqError> {
        only(&mut **self.0.borrow_mut(), sql, &[])
    }

    /// Totals, one entry a gateway.
    ///
    /// # Errors
    /// The database's.
    pub fn counts(&self) -> Result<Vec<Counts>, HqError> {
        let gaps = self.gaps()?;
        self.query(
            "SELECT g.gateway,
               (SELECT count(*) FROM events e WHERE e.gateway = g.gateway),
               (SELECT count(*) FROM events e WHERE e.gateway = g.gateway AND refused IS NOT NULL),
               (SELECT CAST(coalesce(sum(redeliveries), 0) AS BIGINT) FROM streams s WHERE s.gateway = g.gateway),
               (SELECT count(*) - count(DISTINCT id) FROM events e
                WHERE e.gateway = g.gateway AND id <> '' AND same_as IS NULL AND kind <> 'com.skinlink.redacted.v1'),
               (SELECT CAST(coalesce(sum(times), 0) AS BIGINT) FROM alarms a WHERE a.gateway = g.gateway),
               (SELECT count(*) FROM images i WHERE i.gateway = g.gateway AND state = 'verified'),
               (SELECT count(*) FROM images i WHERE i.gateway = g.gateway AND state = 'wanted')
             FROM gateways g ORDER BY g.gateway",
            &[],
            |row| {
                let gateway: String = row.get(0)?;
                let missing =
                    gaps.iter().filter(|gap| gap.gateway == gateway).map(|gap| gap.last - gap.first + 1).sum();
                Ok(Counts {
                    gateway,
                    events: row.get(1)?,
                    refused: row.get(2)?,
                    redeliveries: row.get(3)?,
                    duplicates: row.get(4)?,
                    gaps: missing,
                    alarms: row.get(5)?,
                    images_verified: row.get(6)?,
                    images_open: row.get(7)?,
                })
            },
        )
    }

    /// Every hole below the highest sequence stored of each epoch; what the gateway announced but never sent counts too.
    /// What was told under a later epoch instead is no hole.
    ///
    /// # Errors
    /// The database's.
    pub fn gaps(&self) -> Result<Vec<Gap>, HqError> {
        let gaps = self.query(
            "SELECT gateway, epoch, before + 1, seq - 1 FROM (
                 SELECT gateway, epoch, seq,
                     lag(seq, 1, CAST(0 AS BIGINT)) OVER (PARTITION BY gateway, epoch ORDER BY seq) AS before
                 FROM (SELECT gateway, epoch, seq FROM events
                       UNION ALL
                       SELECT gateway, epoch, CASE WHEN last_seq > announced THEN last_seq ELSE announced END + 1
                       FROM streams) AS ends) AS steps
             WHERE seq > before + 1 ORDER BY 1, 2, 3",
            &[],
            |row| Ok(Gap { gateway: row.get(0)?, epoch: row.get(1)?, first: row.get(2)?, last: row.get(3)? }),
        )?;
        let left = gaps.iter().map(|gap| self.without_moved(gap)).collect::<Result<Vec<_>, _>>()?;
        Ok(left.concat())
    }

    fn without_moved(&self, gap: &Gap) -> Result<Vec<Gap>, HqError> {
        let moved = self.query(
            "SELECT first, last FROM lost WHERE gateway = ?1 AND epoch = ?2 AND moved = 1 AND last >= ?3 AND first <= ?4",
            values![&gap.gateway, &gap.epoch, gap.first, gap.last],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut left = RangeSet::default();
        left.insert((gap.first, gap.last));
        moved.into_iter().for_each(|moved| left.remove(moved));
        Ok(left.iter().map(|(first, last)| Gap { first, last, ..gap.clone() }).collect())
    }

    /// Events in order of arrival, beginning after number `after`.
    ///
    /// # Errors
    /// The database's.
    pub fn events_after(&self, after: u64, limit: u32) -> Result<Vec<Stored>, HqError> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE n > ?1 ORDER BY n LIMIT ?2");
        self.query(&sql, values![after, limit], Stored::from_row)
    }

    /// Number of the newest event; 0 for none.
    ///
    /// # Errors
    /// The database's.
    pub fn newest(&self) -> Result<u64, HqError> {
        self.only("SELECT coalesce(max(n), 0) FROM events")
    }

    /// Accepted events of one kind (`reading.v1`, see [`payload::kind`]) in the gateways' own order, each once.
    ///
    /// # Errors
    /// The database's.
    pub fn events_of(&self, kind: &str) -> Result<Vec<Stored>, HqError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE kind = ?1 AND refused IS NULL AND same_as IS NULL
             ORDER BY gateway, epoch, seq"
        );
        let kind = format!("{}{kind}", crate::sync::envelope::TYPE_PREFIX);
        self.query(&sql, values![&kind], Stored::from_row)
    }

    /// All accepted readings with their repeats and the devices' own counters: what a simulator's ledger is held against.
    ///
    /// # Errors
    /// The database's.
    pub fn readings(&self) -> Result<Vec<(Stored, payload::Reading)>, HqError> {
        let stored = self.events_of(payload::kind::READING)?;
        Ok(stored
            .into_iter()
            .filter_map(|event| event.data::<payload::Reading>().ok().map(|reading| (event, reading)))
            .collect())
    }

    /// Every gateway, by store.
    ///
    /// # Errors
    /// The database's.
    pub fn standings(&self) -> Result<Vec<Standing>, HqError> {
        self.query(
            "SELECT g.store, g.gateway, g.status, g.version, g.last_heard_ms,
               coalesce((SELECT CASE WHEN s.last_seq > s.announced THEN s.last_seq ELSE s.announced END FROM streams s
                         WHERE s.gateway = g.gateway AND s.epoch = g.epoch), 0),
               coalesce((SELECT s.upto FROM streams s WHERE s.gateway = g.gateway AND s.epoch = g.epoch), 0),
               (SELECT count(*) FROM events e WHERE e.gateway = g.gateway AND e.refused IS NOT NULL),
               (SELECT CAST(coalesce(sum(times), 0) AS BIGINT) FROM alarms a WHERE a.gateway = g.gateway),
               g.retired_ms
             FROM gateways g ORDER BY g.store, g.gateway",
            &[],
            |row| {
                Ok(Standing {
                    store: row.get(0)?,
                    gateway: row.get(1)?,
                    status: row.get(2)?,
                    version: row.get(3)?,
                    last_heard_ms: row.get(4)?,
                    announced: row.get(5)?,
                    upto: row.get(6)?,
                    refused: row.get(7)?,
                    alarms: row.get(8)?,
                    retired_ms: row.get(9)?,
                })
            },
        )
    }

    /// What waits for an object that is away or damaged.
    ///
    /// # Errors
    /// The database's.
    pub fn waiting(&self) -> Result<Vec<Waiting>, HqError> {
        waits::list(&mut **self.0.borrow_mut())
    }

    /// Reasons of all alarms, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub fn alarms(&self) -> Result<Vec<String>, HqError> {
        self.query("SELECT reason FROM alarms ORDER BY n", &[], |row| row.get(0))
    }

    /// The last word on a gateway's connection: `online`, `offline`, or nothing heard yet.
    ///
    /// # Errors
    /// The database's.
    pub fn status_of(&self, gateway: &str) -> Result<Option<String>, HqError> {
        let sql = "SELECT status FROM gateways WHERE gateway = ?1";
        let status = self.query(sql, values![gateway], |row| row.get::<Option<String>>(0))?;
        Ok(status.into_iter().next().flatten())
    }

    /// What a gateway last said of itself.
    ///
    /// # Errors
    /// The database's.
    pub fn about_of(&self, gateway: &str) -> Result<Option<String>, HqError> {
        let sql = "SELECT about FROM gateways WHERE gateway = ?1";
        let about = self.query(sql, values![gateway], |row| row.get::<Option<String>>(0))?;
        Ok(about.into_iter().next().flatten())
    }

    /// A verified picture, opened.
    ///
    /// # Errors
    /// The database's or the shelf's.
    pub fn picture_bytes(&self, shelves: &Shelves, name: (&str, &str, &str)) -> Result<Option<Vec<u8>>, HqError> {
        filing::open(&mut **self.0.borrow_mut(), shelves, name)
    }

    /// All pictures ever offered.
    ///
    /// # Errors
    /// The database's.
    pub fn pictures(&self) -> Result<Vec<Picture>, HqError> {
        self.query(
            "SELECT gateway, capture, role, format, bytes, sha256, state, reason FROM images ORDER BY gateway, capture, role",
            &[],
            |row| {
            Ok(Picture {
                gateway: row.get(0)?,
                capture: row.get(1)?,
                role: row.get(2)?,
                format: row.get(3)?,
                bytes: row.get(4)?,
                sha256: row.get(5)?,
                state: row.get(6)?,
                reason: row.get(7)?,
            })
            },
        )
    }
}
