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
    let key = fs::read_to_string(data.join("store.key")).expect("the store's key");
    let conn = rusqlite::Connection::open(data.join(DATABASE)).expect("the store's file");
    conn.execute_batch(&format!("PRAGMA key = \"x'{}'\"; PRAGMA query_only = ON;", key.trim())).expect("a key");
    conn.busy_timeout(std::time::Duration::from_secs(5)).expect("a limit");
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

impl Row {
    /// Whether it is right that headquarters has not heard of it, by what somebody asked for.
    pub fn is_excused(&self, told: &Told) -> bool {
        let Some(scan) = &self.scan else { return !self.dismissed };
        let again = told.measured_again.contains(&(scan.clone(), self.region.clone()));
        let given_up = told.given_up.contains(scan) && self.scan_state == "cancelled";
        !self.closed && (if self.dismissed { again } else { given_up })
    }
}
