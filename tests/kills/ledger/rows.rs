//! Values that headquarters is not owed, looked for in the store's own file: those in the tray, those of a region that was
//! measured again, those of a scan that was given up. They are kept and told to nobody; without their row they are lost.

use super::told::Told;
use skinlink::{domain::RepeatId, domain::ScanId, store::DATABASE};
use std::{fs, path::Path};

/// One value as the store keeps it.
#[derive(Debug)]
pub struct Row {
    pub repeat: String,
    pub protocol: String,
    pub counter: Option<u64>,
    pub metric: String,
    pub value: String,
    /// `None`: in the tray.
    pub scan: Option<String>,
    pub region: String,
    /// In a reading.
    pub closed: bool,
    dismissed: bool,
    scan_state: String,
}

/// All values of the store in `data`; read beside the daemon.
pub fn read(data: &Path) -> Vec<Row> {
    let conn = opened(data);
    let sql =
        "SELECT r.id, d.protocol, r.counter, r.metric, r.value, r.scan, coalesce(r.region, ''), r.reading IS NOT NULL,
               r.dismissed, coalesce(s.state, '')
               FROM repeats r JOIN devices d ON d.n = r.device LEFT JOIN scans s ON s.id = r.scan";
    let mut select = conn.prepare(sql).expect("the store's tables");
    let bits = |bytes: [u8; 16]| u128::from_be_bytes(bytes);
    let rows = select.query_map([], |row| {
        Ok(Row {
            repeat: RepeatId::from_bits(bits(row.get(0)?)).to_string(),
            protocol: row.get(1)?,
            counter: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
            metric: row.get(3)?,
            value: row.get(4)?,
            scan: row.get::<_, Option<[u8; 16]>>(5)?.map(|id| ScanId::from_bits(bits(id)).to_string()),
            region: row.get(6)?,
            closed: row.get(7)?,
            dismissed: row.get(8)?,
            scan_state: row.get(9)?,
        })
    });
    rows.expect("the store's rows").collect::<Result<_, _>>().expect("the store's rows")
}

fn opened(data: &Path) -> rusqlite::Connection {
    let key = fs::read_to_string(data.join("store.key")).expect("the store's key");
    let conn = rusqlite::Connection::open(data.join(DATABASE)).expect("the store's file");
    conn.execute_batch(&format!("PRAGMA key = \"x'{}'\"; PRAGMA query_only = ON;", key.trim())).expect("a key");
    conn.busy_timeout(std::time::Duration::from_secs(5)).expect("a limit");
    conn
}

/// One value of a device as the store's file holds it.
#[derive(Debug)]
pub struct Kept {
    pub value: String,
    /// In a reading that stands, of a customer whose last word on sharing numbers is a yes.
    pub is_owed: bool,
}

/// The values of the store in `data` under this protocol, number and metric; read beside the daemon.
pub fn kept(data: &Path, (protocol, counter, metric): &(String, u64, String)) -> Vec<Kept> {
    let conn = opened(data);
    let sql = "SELECT r.value, r.dismissed = 0 AND g.voided = 0 AND s.state <> 'voided' AND v.state <> 'voided' AND coalesce((
                   SELECT k.given FROM consents k WHERE k.purpose = 'share_numbers' AND k.customer IN (
                       SELECT q.id FROM customers q, customers o WHERE o.id = v.customer
                       AND coalesce(q.alias_of, q.id) = coalesce(o.alias_of, o.id))
                   ORDER BY k.n DESC LIMIT 1), 0)
               FROM repeats r JOIN devices d ON d.n = r.device LEFT JOIN scans s ON s.id = r.scan
               LEFT JOIN readings g ON g.id = r.reading LEFT JOIN visits v ON v.id = s.visit
               WHERE d.protocol = ?1 AND r.counter = ?2 AND r.metric = ?3";
    let mut select = conn.prepare(sql).expect("the store's tables");
    let rows = select.query_map((protocol, counter.cast_signed(), metric), |row| {
        Ok(Kept { value: row.get(0)?, is_owed: row.get::<_, Option<bool>>(1)?.unwrap_or(false) })
    });
    rows.expect("the store's rows").collect::<Result<_, _>>().expect("the store's rows")
}

/// What the store believes to be at headquarters of one epoch.
pub struct Believed {
    pub epoch: u128,
    /// 1 to here.
    pub upto: u64,
    /// Told under a later epoch instead.
    pub moved: Vec<(u64, u64)>,
}

/// Of every epoch of the store in `data`; read beside the daemon.
pub fn believed(data: &Path) -> Vec<Believed> {
    let conn = opened(data);
    let mut select = conn.prepare("SELECT n, epoch, acknowledged_upto FROM epochs").expect("the store's tables");
    let epochs = select.query_map([], |row| {
        let n: i64 = row.get(0)?;
        let mut moved = conn.prepare("SELECT first, last FROM moved WHERE epoch = ?1")?;
        let moved = moved.query_map([n], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok(Believed { epoch: u128::from_be_bytes(row.get(1)?), upto: row.get(2)?, moved })
    });
    epochs.expect("the store's epochs").collect::<Result<_, _>>().expect("the store's epochs")
}

impl Row {
    /// Whether it is right that headquarters has not heard of it, by what somebody asked for.
    pub fn is_excused(&self, told: &Told) -> bool {
        let Some(scan) = &self.scan else { return !self.dismissed };
        let again = told.measured_again.contains(&(scan.clone(), self.region.clone()));
        let given_up = told.given_up.contains(scan) && self.scan_state == "cancelled";
        !self.closed && (if self.dismissed { again } else { given_up })
    }
}
