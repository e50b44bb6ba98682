//! The whole chain as headquarters knows it now: one reading of the database for all who look. What is not known is `None`, and is
//! shown as that. Gateways that are retired are not of it, nor stores that have no other.

use super::{
    about::About,
    clocks::{Clocks, Open},
    delays::{Delays, Tally},
};
use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, Row},
        orders,
        presence::{self, Online},
        rollout,
        waits::{self, Waiting},
    },
};
use openssl::sha::sha256;
use std::collections::{BTreeMap, HashMap};
use tokio::time::Instant;

/// What is counted over days is read again with every board, or after so many times the time that it took: whatever a chain
/// sends, counting it takes a twentieth of one core at the most.
const SELDOM: u32 = 20;

/// Nobody has been connected to the broker for so long: what it last said of the gateways is no news any more.
const BLIND_MS: i64 = 90_000;

/// Days over which the time online is reckoned.
pub const ONLINE_DAYS: i64 = 7;

/// One gateway.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gateway {
    pub gateway: String,
    /// By the broker's last word; `None`: it never said any.
    pub online: Option<bool>,
    /// Since when.
    pub since_ms: Option<i64>,
    pub version: Option<String>,
    /// When it last said something, by headquarters' clock; 0: never.
    pub heard_ms: i64,
    pub about: About,
    pub about_ms: Option<i64>,
    /// Of its present epoch: held without a hole, highest held, highest it has spoken of.
    pub upto: u64,
    pub last_seq: u64,
    pub announced: u64,
    /// When the last record before the first that is missing was made: all up to then is here.
    pub whole_until: Option<Timestamp>,
    /// How far facts were made of it.
    pub made: u64,
    /// Records missing in between, that it may still send.
    pub missing: u64,
    /// Records that nobody holds any more.
    pub lost: u64,
    /// Dead letters.
    pub refused: u64,
    pub alarms: u64,
    pub delays: Delays,
    pub online_week: Option<Online>,
}

impl Gateway {
    /// Records that it has spoken of and that are not here.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.announced.max(self.last_seq).saturating_sub(self.upto)
    }

    fn from_row(row: &Row) -> Result<(String, Self), HqError> {
        let (store, gateway): (String, String) = (row.get(0)?, row.get(1)?);
        let status: Option<String> = row.get(2)?;
        let about: Option<String> = row.get(6)?;
        let whole_until: Option<String> = row.get(11)?;
        let known = Self {
            gateway,
            online: status.map(|status| status == "online"),
            since_ms: row.get(3)?,
            version: row.get(4)?,
            heard_ms: row.get(5)?,
            about: about.as_deref().map(About::read).unwrap_or_default(),
            about_ms: row.get(7)?,
            upto: row.get(8)?,
            last_seq: row.get(9)?,
            announced: row.get(10)?,
            whole_until: whole_until.and_then(|time| time.parse().ok()),
            made: row.get(12)?,
            ..Self::default()
        };
        Ok((store, known))
    }
}

/// One store; mostly it has one gateway.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Store {
    pub store: String,
    pub gateways: Vec<Gateway>,
    /// Words of customers that are not solved yet.
    pub open: Vec<Open>,
    /// How many orders it was ever given, and when the last of them changed.
    pub orders: (i64, i64),
    /// How many packages the chain has withdrawn: some of them may be in use here. What a gateway tells of them is heard, and so in its mark.
    pub withdrawn: u64,
}

impl Store {
    /// Tells two states of it apart: what a page shows from what there is now.
    #[must_use]
    pub fn mark(&self) -> String {
        hex::encode(&sha256(format!("{self:?}").as_bytes())[..8])
    }
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Board {
    pub at_ms: i64,
    pub stores: BTreeMap<String, Store>,
    /// What waits for a shelf.
    pub waiting: Vec<Waiting>,
    /// Whether records of all the days that are shown are counted already.
    pub counted: bool,
    /// When a receiver was last known to be connected to the broker; `None`: never.
    pub watched_ms: Option<i64>,
}

impl Board {
    /// Whether headquarters hears nothing now, so that nobody knows who is online.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.watched_ms.is_none_or(|at| self.at_ms - at > BLIND_MS)
    }
}

/// Reads boards, one after the other.
#[derive(Debug)]
pub struct Reader {
    tally: Tally,
    clocks: Clocks,
    counted: bool,
    delays: HashMap<String, Delays>,
    online: HashMap<String, Online>,
    /// Not before.
    again: Option<Instant>,
    utc_offset_ms: i64,
}

impl Reader {
    #[must_use]
    pub fn new(utc_offset_min: i32) -> Self {
        let utc_offset_ms = i64::from(utc_offset_min) * 60_000;
        let (tally, clocks) = (Tally::default(), Clocks::default());
        Self {
            tally,
            clocks,
            counted: false,
            delays: HashMap::new(),
            online: HashMap::new(),
            again: None,
            utc_offset_ms,
        }
    }

    /// # Errors
    /// The database's.
    pub fn read(&mut self, engine: &mut dyn Engine, now: Timestamp) -> Result<Board, HqError> {
        let now_ms = now.unix_ms();
        let begun = Instant::now();
        if self.again.is_none_or(|at| begun >= at) {
            self.counted = self.tally.count(engine, now)?;
            let midnight = (now_ms + self.utc_offset_ms).div_euclid(86_400_000) * 86_400_000 - self.utc_offset_ms;
            self.delays = self.tally.of_gateways(now, midnight);
            let since = Timestamp::from_unix_ms(now_ms - ONLINE_DAYS * 86_400_000);
            self.online = presence::online_since(engine, since)?;
            self.again = Some(Instant::now() + begun.elapsed() * SELDOM);
        }
        self.clocks.read(engine)?;
        let mut board = Board {
            at_ms: now_ms,
            stores: BTreeMap::new(),
            waiting: waits::list(engine)?,
            counted: self.counted,
            watched_ms: presence::last_watched(engine)?,
        };
        let blind = board.is_blind();
        let counts = Counts::read(engine)?;
        let orders: HashMap<String, (i64, i64)> =
            orders::marks(engine)?.into_iter().map(|(store, many, at)| (store, (many, at))).collect();
        let withdrawn = rollout::withdrawn(engine)?;
        for row in engine.query(GATEWAYS, &[])? {
            let (store, mut known) = Gateway::from_row(&row)?;
            counts.put(&mut known);
            if blind {
                (known.online, known.since_ms) = (None, None);
            }
            known.delays = self.delays.get(&known.gateway).copied().unwrap_or_default();
            known.online_week = self.online.get(&known.gateway).copied();
            let at = board.stores.entry(store.clone()).or_insert_with(|| {
                let open = self.clocks.open.get(&store).cloned().unwrap_or_default();
                let orders = orders.get(&store).copied().unwrap_or_default();
                Store { store, gateways: Vec::new(), open, orders, withdrawn }
            });
            at.gateways.push(known);
        }
        Ok(board)
    }
}

const GATEWAYS: &str =
    "SELECT g.store, g.gateway, g.status, (SELECT max(p.at_ms) FROM presence p WHERE p.gateway = g.gateway),
         g.version, g.last_heard_ms, g.about, g.about_ms, coalesce(s.upto, 0), coalesce(s.last_seq, 0),
         coalesce(s.announced, 0), e.time, coalesce(p.upto, 0)
     FROM gateways g
     LEFT JOIN streams s ON s.gateway = g.gateway AND s.epoch = g.epoch
     LEFT JOIN events e ON e.gateway = g.gateway AND e.epoch = g.epoch AND e.seq = s.upto AND e.refused IS NULL
     LEFT JOIN projected p ON p.gateway = g.gateway AND p.epoch = g.epoch
     WHERE g.retired_ms IS NULL ORDER BY g.store, g.gateway";

/// Of an earlier epoch what it was said to hold is missing too; of the present one the end comes by itself.
const MISSING: &str = "SELECT r.gateway, CAST(sum(r.top - r.upto
         - (SELECT count(*) FROM events e WHERE e.gateway = r.gateway AND e.epoch = r.epoch AND e.seq > r.upto AND e.seq <= r.top)
         - (SELECT coalesce(sum(l.last - CASE WHEN l.first > r.upto THEN l.first ELSE r.upto + 1 END + 1), 0)
            FROM lost l WHERE l.gateway = r.gateway AND l.epoch = r.epoch AND l.last > r.upto)) AS BIGINT)
     FROM (SELECT s.gateway, s.epoch, s.upto,
               CASE WHEN s.epoch = g.epoch OR s.last_seq > s.announced THEN s.last_seq ELSE s.announced END AS top
           FROM streams s JOIN gateways g ON g.gateway = s.gateway) AS r
     WHERE r.top > r.upto GROUP BY r.gateway";

const LOST: &str = "SELECT gateway, CAST(sum(last - first + 1) AS BIGINT) FROM lost WHERE moved = 0 GROUP BY gateway";
const REFUSED: &str = "SELECT gateway, count(*) FROM events WHERE refused IS NOT NULL GROUP BY gateway";
const ALARMS: &str = "SELECT gateway, count(*) FROM alarms GROUP BY gateway";

/// What is counted by gateway; most have none of it.
struct Counts {
    missing: HashMap<String, i64>,
    lost: HashMap<String, i64>,
    refused: HashMap<String, i64>,
    alarms: HashMap<String, i64>,
}

impl Counts {
    fn read(engine: &mut dyn Engine) -> Result<Self, HqError> {
        let mut counted = |sql: &str| -> Result<HashMap<String, i64>, HqError> {
            engine.query(sql, &[])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
        };
        Ok(Self {
            missing: counted(MISSING)?,
            lost: counted(LOST)?,
            refused: counted(REFUSED)?,
            alarms: counted(ALARMS)?,
        })
    }

    fn put(&self, known: &mut Gateway) {
        let of = |counts: &HashMap<String, i64>| {
            counts.get(&known.gateway).and_then(|count| u64::try_from(*count).ok()).unwrap_or(0)
        };
        let (missing, lost, refused, alarms) = (of(&self.missing), of(&self.lost), of(&self.refused), of(&self.alarms));
        (known.missing, known.lost, known.refused, known.alarms) = (missing, lost, refused, alarms);
    }
}
