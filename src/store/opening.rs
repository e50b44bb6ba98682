//! From a folder to a running store: lock, key, check, upgrade, half-done work, then the writer's thread.

use super::{
    DATABASE, Inner, KEYS, Options, aside, connection,
    devices::Remembered,
    epochs, erasure,
    error::{OpenError, StoreError},
    files, foreign_log,
    fresh::Fresh,
    moving, outbox,
    pictures::Claims,
    readers::Readers,
    schema,
    vault::Vault,
    writer::{self, News, Told, Tx},
};
use crate::{faults, folding::Folding};
use nix::fcntl::{Flock, FlockArg};
use rusqlite::{Connection, TransactionBehavior};
use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    thread,
};
use tokio::sync::watch;

pub(super) fn open(options: Options) -> Result<Inner, OpenError> {
    let Options { data, key, source, min_free, readers } = options;
    let (folder, backups, database) = (data.join("pictures"), data.join("backups"), data.join(DATABASE));
    for folder in [&data, &folder, &backups] {
        files::make_private_folder(folder).map_err(io("make the folder", folder))?;
    }
    let lock = lock(&data)?;
    faults::point("store.opening.locked");
    refuse_vanished(&database, &data.join(KEYS))?;
    let restored = foreign_log::set_aside(&database, &key)?;
    let unclean = fs::metadata(wal_of(&database)).is_ok_and(|about| about.len() > 0);
    let mut conn = connection::open(&database, &key).map_err(|source| unreadable(&database, source))?;
    faults::point("store.opening.keyed");
    if unclean {
        schema::quick_check(&conn, &database)?;
        faults::point("store.opening.checked");
    }
    refuse_newer_before_writing(&conn, &database)?;
    connection::make_writer(&conn).map_err(sql(&database))?;
    let made = schema::upgrade(&mut conn, &database, &backups)?;
    warn_of_lost_keys(&conn, &data.join(KEYS)).map_err(sql(&database))?;
    let vault = Arc::new(Vault::open(&data.join(KEYS), &key)?);
    faults::point("store.opening.keys_opened");
    let erased = finish_the_past(&mut conn, &vault, &source, restored).map_err(unfinished(&database))?;
    let owed = vault.removal_owed().map_err(sql(&database))?;
    // The copy that this start made is one of a database in which nobody was found who was erased: then it may stay.
    let clean = owed.is_none() || copies_are_gone(&data, made.as_deref().filter(|_| !erased));
    faults::point("store.opening.erasures_finished");
    let settled = aside::settle(&conn, &vault, &folder).map_err(unfinished(&database))?;
    if let Some(asked) = owed.filter(|_| clean && settled) {
        vault.removed(asked).map_err(sql(&database))?;
    }
    faults::point("store.opening.orphans_settled");
    foreign_log::begin(&conn, &database)?;
    let last = outbox::last_seq(&conn).map_err(sql(&database))?;
    let moving = moving::is_unfinished(&conn).map_err(sql(&database))?;
    let first = reader(&database, &key).map_err(sql(&database))?;
    let (path, opens) = (database.clone(), key.clone());
    let folding = Folding::begin(&mut conn, move || connection::folder(&path, &opens));
    let folding = folding.map_err(io("fold the log of", &database))?;
    let Started { writer, last_seq, pictures_owed, redactions, fresh, ended } =
        start_writer((conn, folding), source, last, lock, folder.clone()).map_err(io("start the writer of", &data))?;
    Ok(Inner {
        readers: Readers::new(readers.max(1), first, move || reader(&database, &key)),
        vault,
        pictures: folder,
        claims: Claims::default(),
        min_free,
        last_seq,
        pictures_owed,
        redactions,
        fresh,
        moving: Arc::new(AtomicBool::new(moving)),
        ended,
        writer,
    })
}

struct Started {
    writer: writer::WriterHandle,
    last_seq: watch::Receiver<u64>,
    pictures_owed: watch::Receiver<u64>,
    redactions: watch::Receiver<u64>,
    fresh: Arc<Fresh>,
    ended: watch::Receiver<bool>,
}

fn start_writer(
    database: (Connection, Folding),
    source: String,
    last: u64,
    lock: Flock<File>,
    folder: PathBuf,
) -> std::io::Result<Started> {
    let (writer, inbox) = writer::channel();
    let (changed, last_seq) = watch::channel(last);
    let (pictures, pictures_owed) = watch::channel(0);
    let (count, redactions) = watch::channel(0);
    let fresh = Arc::new(Fresh::default());
    let told = Told { last_seq: changed, pictures, redactions: count, fresh: Arc::clone(&fresh), folder };
    let (end, ended) = watch::channel(false);
    // A thread of its own: SQLite blocks for as long as the disk does, and one connection has one owner.
    thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        writer::run(database, inbox, &source, &told);
        faults::point("store.closing.closed");
        drop(lock);
        end.send_replace(true);
    })?;
    Ok(Started { writer, last_seq, pictures_owed, redactions, fresh, ended })
}

fn reader(database: &Path, key: &super::StoreKey) -> rusqlite::Result<Connection> {
    let conn = connection::open(database, key)?;
    connection::make_reader(&conn)?;
    Ok(conn)
}

/// Two daemons on one folder would each believe to be the only writer.
fn lock(data: &Path) -> Result<Flock<File>, OpenError> {
    let path = data.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(io("open", &path))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| OpenError::InUse { path: data.to_owned() })
}

/// SQLite takes a file shorter than a page for a new database. Where customers' keys exist, there was one.
fn refuse_vanished(database: &Path, keys: &Path) -> Result<(), OpenError> {
    const PAGE: u64 = 4096;
    let there = fs::metadata(database).is_ok_and(|about| about.len() >= PAGE);
    if there || !keys.exists() { Ok(()) } else { Err(OpenError::Vanished { database: database.to_owned() }) }
}

/// Readings can be used without the customers' keys, so the gateway goes on; but nobody must find out by accident.
fn warn_of_lost_keys(conn: &Connection, keys: &Path) -> rusqlite::Result<()> {
    let pictures: bool =
        conn.query_row("SELECT EXISTS (SELECT 1 FROM pictures WHERE kept = 1)", [], |row| row.get(0))?;
    if pictures && !keys.exists() {
        tracing::error!(
            "{} is missing: the photographs kept so far cannot be opened; stop the gateway now, put the file back, start \
             again; what is photographed before that can be opened only with the file made now",
            keys.display()
        );
    }
    Ok(())
}

/// Before the journal mode is touched: a newer file is left exactly as it was.
fn refuse_newer_before_writing(conn: &Connection, database: &Path) -> Result<(), OpenError> {
    let found: i64 = conn
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|source| schema::unreadable_or(database, source))?;
    if found > schema::VERSION {
        return Err(OpenError::Newer { database: database.to_owned(), found, known: schema::VERSION });
    }
    Ok(())
}

/// A database that is a copy, or was found beside another one's log, begins a new epoch. The vault's ledger wins: whoever was erased
/// there is erased here, also when this database came back from a backup. Whether anyone was.
fn finish_the_past(conn: &mut Connection, vault: &Vault, source: &str, restored: bool) -> Result<bool, StoreError> {
    let sql = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (news, remembered) = (News::default(), Remembered::default());
    let tx = Tx::at_opening(&sql, source, &news, &remembered);
    epochs::begin_after_restore(&tx, restored)?;
    let erased = erasure::finish(&tx, vault)?;
    sql.commit()?;
    Ok(erased)
}

/// Removes the copies of the database in which somebody may be who was erased, all but `clean`.
fn copies_are_gone(data: &Path, clean: Option<&Path>) -> bool {
    let removed = aside::remove_copies(data, clean);
    if let Err(fault) = &removed {
        tracing::error!(%fault, "a copy of the database may hold somebody who was erased, and cannot be removed; it is tried again");
    }
    removed.is_ok()
}

fn unreadable(database: &Path, source: rusqlite::Error) -> OpenError {
    let database = database.to_owned();
    if connection::is_unreadable(&source) {
        OpenError::NotReadable { database }
    } else {
        OpenError::Sql { database, source }
    }
}

fn unfinished(database: &Path) -> impl FnOnce(StoreError) -> OpenError + use<> {
    let database = database.to_owned();
    move |fault| match fault {
        StoreError::Corrupt(detail) => OpenError::Damaged { database, detail },
        source => OpenError::Unfinished { database, source },
    }
}

pub(super) fn wal_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn sql(database: &Path) -> impl FnOnce(rusqlite::Error) -> OpenError + use<> {
    let database = database.to_owned();
    move |source| schema::unreadable_or(&database, source)
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |source| OpenError::Io { what, path, source }
}
