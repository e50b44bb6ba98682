//! The same work with the libraries alone: SQLCipher by `rusqlite`, files by `std`, inference by `ort`.

use crate::house::House;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use openssl::sha::sha256;
use ort::{
    session::{Session, builder::GraphOptimizationLevel},
    value::TensorRef,
};
use rusqlite::{Connection, params};
use skinlink::{adapters::onnx::Runtime, clock, domain::EventId, folding::Folding};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    thread,
};

/// As the store writes a picture.
const PIECE: usize = 256 * 1024;

/// An encrypted database with the settings of the store's writer, and a folder of pictures.
pub struct Bare {
    conn: Connection,
    pictures: PathBuf,
    rows: i64,
    /// Behind the connection, as at the store.
    _folding: Option<Folding>,
}

/// Who folds the write-ahead log into the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folds {
    /// Another thread, as at the store: both sides do the same work in their commits.
    Aside,
    /// SQLite itself, within a commit, as it does when nobody says otherwise.
    Inside,
}

impl Bare {
    /// In the house's folder: the same disk.
    pub fn beside(house: &House, folds: Folds) -> Self {
        let folder = house.folder.path().join(format!("bare-{folds:?}"));
        let pictures = folder.join("pictures");
        fs::create_dir_all(&pictures).unwrap();
        let file = folder.join("bare.db");
        let mut conn = keyed(&file).unwrap();
        conn.execute_batch(

            "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;
             PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16000;
             PRAGMA journal_size_limit = 67108864;
             CREATE TABLE IF NOT EXISTS outbox (
                 place INTEGER PRIMARY KEY, kind TEXT NOT NULL, gate TEXT NOT NULL, customer BLOB, visit BLOB, object BLOB,
                 queued_ms INTEGER NOT NULL, refused TEXT, refused_ms INTEGER, body TEXT NOT NULL) STRICT;
             CREATE TABLE IF NOT EXISTS repeats (
                 n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, station TEXT NOT NULL, scan BLOB, reading BLOB,
                 metric TEXT NOT NULL, region TEXT, unit TEXT NOT NULL, value TEXT NOT NULL, flags TEXT NOT NULL,
                 device INTEGER NOT NULL, counter INTEGER, dismissed INTEGER NOT NULL DEFAULT 0,
                 boot BLOB NOT NULL, ns INTEGER NOT NULL, ms INTEGER NOT NULL, clock TEXT NOT NULL) STRICT;
             CREATE INDEX IF NOT EXISTS repeats_scan ON repeats (scan) WHERE scan IS NOT NULL;
             CREATE INDEX IF NOT EXISTS repeats_counter ON repeats (device, counter) WHERE counter IS NOT NULL;
             CREATE TABLE IF NOT EXISTS pictures (n INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, row TEXT NOT NULL) STRICT;",
        )
        .unwrap();
        let folding = (folds == Folds::Aside).then(|| Folding::begin(&mut conn, move || keyed(&file)).unwrap());
        conn.set_prepared_statement_cache_capacity(32);
        let rows = conn.query_row("SELECT coalesce(max(place), 0) FROM outbox", [], |row| row.get(0)).unwrap();
        Self { conn, pictures, rows, _folding: folding }
    }

    /// One transaction with an event for each of `bodies`.
    pub fn events(&mut self, bodies: &[String]) {
        let tx = self.conn.transaction().unwrap();
        {
            let mut insert = tx
                .prepare_cached("INSERT INTO outbox (place, kind, gate, queued_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)")
                .unwrap();
            for body in bodies {
                self.rows += 1;
                insert.execute(params![self.rows, "measurement.v1", "always", 1_795_000_000_000_i64, body]).unwrap();
            }
        }
        tx.commit().unwrap();
    }

    /// One transaction with `count` values.
    pub fn repeats(&mut self, count: u64) {
        let tx = self.conn.transaction().unwrap();
        {
            let mut insert = tx
                .prepare_cached(
                    "INSERT INTO repeats (id, station, scan, metric, region, unit, value, flags, device, counter, boot, ns,
                     ms, clock) VALUES (?1, 'chair-1', ?2, 'moisture', 'forehead', '%', '35.0', '[]', 1, ?3, ?2, ?4, ?5,
                     'synced')",
                )
                .unwrap();
            for _ in 0..count {
                self.rows += 1;
                let (id, scan) = (clock::mint(EventId::from_bits).bits().to_be_bytes(), [7_u8; 16]);
                insert.execute(params![id, scan, self.rows, 81_234_567_890_123_i64, 1_795_000_000_000_i64]).unwrap();
            }
        }
        tx.commit().unwrap();
    }

    /// A file written as durably as the store does and in the same pieces, the disk begun with each as early, its digest made
    /// beside it, and one row.
    pub fn picture(&mut self, bytes: &[u8]) {
        self.rows += 1;
        let (temporary, path) = (self.pictures.join("new.tmp"), self.pictures.join(self.rows.to_string()));
        let mut file = File::create(&temporary).unwrap();
        let digest = thread::scope(|scope| {
            let digest = scope.spawn(|| sha256(bytes));
            for piece in bytes.chunks(PIECE) {
                file.write_all(piece).unwrap();
                // A hint; the sync below holds in any case.
                let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
            }
            digest.join().unwrap()
        });
        file.sync_all().unwrap();
        fs::rename(&temporary, &path).unwrap();
        File::open(&self.pictures).unwrap().sync_all().unwrap();
        let tx = self.conn.transaction().unwrap();
        tx.prepare_cached("INSERT INTO pictures (sha256, row) VALUES (?1, ?2)")
            .unwrap()
            .execute(params![digest, "x".repeat(400)])
            .unwrap();
        tx.commit().unwrap();
    }
}

fn keyed(file: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(file)?;
    conn.execute_batch(&format!("PRAGMA cipher_log_level = NONE; PRAGMA key = \"x'{}'\";", "2f".repeat(32)))?;
    Ok(conn)
}

/// A session with the product's options.
pub fn session(runtime: &Runtime, file: &[u8]) -> Session {
    Session::builder(runtime.environment())
        .unwrap()
        .with_optimization_level(GraphOptimizationLevel::All)
        .unwrap()
        .with_intra_threads(2)
        .unwrap()
        .with_inter_threads(1)
        .unwrap()
        .with_intra_op_spinning(false)
        .unwrap()
        .with_memory_pattern(false)
        .unwrap()
        .commit_from_memory(file)
        .unwrap()
}

/// One run; the output copied out, since it must leave the session in any use.
pub fn infer(session: &mut Session, input: &str, output: &str, shape: [usize; 4], values: &[f32]) -> Vec<f32> {
    let tensor = TensorRef::from_array_view((shape, values)).unwrap();
    let outputs = session.run(ort::inputs![input => tensor]).unwrap();
    outputs[output].try_extract_tensor::<f32>().unwrap().1.to_vec()
}
