//! The one writer: a thread that owns the only writing connection and commits in groups.
//!
//! It takes all jobs that wait and those that come while they run (at most [`GROUP`]), runs each in a savepoint of its own
//! within one transaction, commits (WAL, `synchronous=FULL`: the commit is fsynced), and only then answers all of them. A job
//! that fails is rolled back alone. When SQLite itself ends the transaction (disk full, I/O fault), every job of the group is
//! told so and nothing of it stands. The thread ends when the last handle is dropped: it commits what waits, then closes.

use super::{
    devices::Remembered,
    error::StoreError,
    fresh::{Fresh, Text},
    outbox, pictures,
};
use crate::{domain::CaptureId, faults, folding::Folding, sync::image_lane::Role};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::{
    cell::{Cell, RefCell},
    ops::Deref,
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::{mpsc, oneshot, watch};

/// Jobs of one commit: enough that an fsync is shared by many, few enough that its memory and latency stay small.
const GROUP: usize = 512;

/// Jobs that may wait. Two groups: one being written while the next gathers; a caller beyond that waits its turn.
const WAITING: usize = 2 * GROUP;

/// A transaction in which things become true together. Only the writer makes one, so that whatever takes a `Tx` cannot be
/// called outside.
pub(super) struct Tx<'t> {
    sql: &'t Transaction<'t>,
    source: &'t str,
    news: &'t News,
    remembered: &'t Remembered,
}

/// What whoever sends to HQ must hear of after the commit.
#[derive(Default)]
pub(super) struct News {
    for_hq: Cell<bool>,
    pictures: Cell<bool>,
    redacted: Cell<bool>,
    rewritten: Cell<bool>,
    texts: RefCell<Vec<Text>>,
    /// Pictures whose rows went.
    gone: RefCell<Vec<(CaptureId, Role)>>,
}

impl<'t> Tx<'t> {
    /// For the work at opening, before the writer runs.
    pub(super) fn at_opening(
        sql: &'t Transaction<'t>,
        source: &'t str,
        news: &'t News,
        remembered: &'t Remembered,
    ) -> Self {
        Self { sql, source, news, remembered }
    }

    /// `skinlink://{store}/{gateway}`
    pub(super) fn source(&self) -> &str {
        self.source
    }

    /// An event was enqueued: after the commit, whoever sends to HQ is woken and finds its text in memory.
    pub(super) fn enqueued(&self, text: Text) {
        self.news.texts.borrow_mut().push(text);
        self.wake_sync();
    }

    /// After the commit, whoever sends to HQ is woken.
    pub(super) fn wake_sync(&self) {
        self.news.for_hq.set(true);
    }

    /// A picture may be owed that was not before: after the commit, whoever sends to HQ looks.
    pub(super) fn pictures_owed(&self) {
        self.news.pictures.set(true);
        self.wake_sync();
    }

    /// After the commit, nothing is sent that was read from the outbox before.
    pub(super) fn redacted(&self) {
        self.news.redacted.set(true);
        self.outbox_rewritten();
    }

    /// Rows of the outbox were changed or removed: none of it is in memory any more.
    pub(super) fn outbox_rewritten(&self) {
        self.news.rewritten.set(true);
    }

    /// The row of a picture went, and its key with it: its file goes after the commit, before anyone is told.
    pub(super) fn picture_gone(&self, capture: CaptureId, role: Role) {
        self.news.gone.borrow_mut().push((capture, role));
    }

    /// Where values come from and belong, as far as the writer knows without looking.
    pub(super) fn remembered(&self) -> &Remembered {
        self.remembered
    }
}

impl Deref for Tx<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.sql
    }
}

/// One job, its kind forgotten: the queue holds jobs of every result type, in one allocation each.
trait Job: Send {
    /// Runs it; whether what it wrote stays.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    /// Whether it needs a savepoint to fail alone.
    fn is_many(&self) -> bool;
    fn answer(self: Box<Self>, committed: Result<(), &Unwritten>);
}

/// Why a group of changes does not stand.
struct Unwritten {
    /// The disk is full: people can do something about it.
    full: bool,
    why: String,
}

impl From<&StoreError> for Unwritten {
    fn from(fault: &StoreError) -> Self {
        Self { full: matches!(fault, StoreError::Full), why: fault.to_string() }
    }
}

struct Pending<F, R> {
    work: Option<F>,
    many: bool,
    result: Option<Result<R, StoreError>>,
    reply: oneshot::Sender<Result<R, StoreError>>,
}

impl<F, R> Job for Pending<F, R>
where
    F: FnOnce(&Tx<'_>) -> Result<R, StoreError> + Send,
    R: Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let work = self.work.take().expect("a job is run once");
        self.result.insert(work(tx)).is_ok()
    }

    fn is_many(&self) -> bool {
        self.many
    }

    fn answer(self: Box<Self>, committed: Result<(), &Unwritten>) {
        let result = match (self.result, committed) {
            (Some(Err(fault)), _) => Err(fault),
            (_, Err(Unwritten { full: true, .. })) => Err(StoreError::Full),
            (_, Err(Unwritten { why, .. })) => Err(StoreError::NotCommitted(why.clone())),
            (Some(Ok(result)), Ok(())) => Ok(result),
            (None, Ok(())) => Err(StoreError::Stopped),
        };
        // A caller that went away does not hear it; the change stands all the same.
        let _ = self.reply.send(result);
    }
}

enum Message {
    Change(Box<dyn Job>),
    /// Fold the log back into the database file, so that what was erased is overwritten there too.
    Checkpoint(oneshot::Sender<Result<(), StoreError>>),
}

/// The way to the writer.
pub(super) struct WriterHandle(mpsc::Sender<Message>);

impl WriterHandle {
    /// Waits for a place in the queue, for the commit, and gives the job's result. A cancelled call may have been written.
    ///
    /// `many` is false for work that fails as a whole by itself, because only its last statement writes: SQLite takes a
    /// statement back that fails. Such work needs no savepoint, which costs a copy of every page that it touches.
    pub(super) async fn change<R, F>(&self, many: bool, work: F) -> Result<R, StoreError>
    where
        F: FnOnce(&Tx<'_>) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending { work: Some(work), many, result: None, reply });
        self.0.send(Message::Change(job)).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    pub(super) async fn checkpoint(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Message::Checkpoint(reply)).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

/// The inbox of [`run`] and its handle.
pub(super) fn channel() -> (WriterHandle, Inbox) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (WriterHandle(sender), Inbox(receiver))
}

pub(super) struct Inbox(mpsc::Receiver<Message>);

/// What the writer tells after a commit.
pub(super) struct Told {
    pub last_seq: watch::Sender<u64>,
    /// Counts commits after which a picture may be owed that was not before.
    pub pictures: watch::Sender<u64>,
    /// Counts commits in which something was taken out of the outbox.
    pub redactions: watch::Sender<u64>,
    pub fresh: Arc<Fresh>,
    /// Folder of the pictures' files.
    pub folder: PathBuf,
}

/// The writer's loop; returns when every handle is gone and all that waited is committed.
pub(super) fn run((conn, folding): (Connection, Folding), inbox: Inbox, source: &str, told: &Told) {
    let queue = Queue { inbox, first: None, checkpoints: Vec::new() };
    let mut writer = Writer { conn, queue, source, told, remembered: Remembered::default() };
    while writer.queue.wait() {
        if writer.queue.first.is_some() {
            writer.commit_group();
        }
        for reply in writer.queue.checkpoints.drain(..) {
            let _alone = folding.pause();
            let _ = reply.send(checkpoint(&writer.conn));
        }
    }
    faults::point("store.closing.drained");
    drop(writer);
    drop(folding);
}

/// What waits, in the order in which it came.
struct Queue {
    inbox: Inbox,
    first: Option<Box<dyn Job>>,
    checkpoints: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

impl Queue {
    /// Waits until there is something to do; `false` when there never will be.
    fn wait(&mut self) -> bool {
        let message = self.inbox.0.blocking_recv();
        message.map(|message| self.take(message)).is_some()
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Change(job) => self.first = Some(job),
            Message::Checkpoint(reply) => self.checkpoints.push(reply),
        }
    }

    /// The next job, also one that came while others ran; none once a checkpoint waits.
    fn next(&mut self) -> Option<Box<dyn Job>> {
        if self.first.is_none() && self.checkpoints.is_empty() {
            let message = self.inbox.0.try_recv().ok()?;
            self.take(message);
        }
        self.first.take()
    }
}

struct Writer<'a> {
    conn: Connection,
    queue: Queue,
    source: &'a str,
    told: &'a Told,
    remembered: Remembered,
}

impl Writer<'_> {
    /// Runs and commits what it can of what waits in one transaction and answers those it has taken.
    fn commit_group(&mut self) {
        let (mut ran, news) = (Vec::new(), News::default());
        let outcome = self.in_one_transaction(&mut ran, &news);
        match &outcome {
            Ok(last) => self.tell(*last, news),
            Err(Unwritten { why, .. }) => {
                // What was remembered may have been of rows that do not stand.
                self.remembered.forget_devices();
                self.remembered.forget_scans();
                tracing::error!(why, jobs = ran.len(), "a group of changes was not written");
            }
        }
        for job in ran {
            job.answer(outcome.as_ref().map(|_| ()));
        }
    }

    /// `last` is the last sequence number when there is something for HQ.
    fn tell(&self, last: Option<u64>, news: News) {
        pictures::remove_files(&self.told.folder, &news.gone.into_inner());
        if !news.rewritten.get() {
            self.told.fresh.add(news.texts.into_inner());
        }
        if news.redacted.get() {
            self.told.redactions.send_modify(|count| *count += 1);
        }
        if news.pictures.get() {
            self.told.pictures.send_modify(|count| *count += 1);
        }
        if let Some(last) = last {
            self.told.last_seq.send_replace(last);
        }
    }

    /// Gives the last sequence number when there is something for HQ.
    fn in_one_transaction(&mut self, ran: &mut Vec<Box<dyn Job>>, news: &News) -> Result<Option<u64>, Unwritten> {
        let text = |fault: rusqlite::Error| Unwritten::from(&StoreError::from(fault));
        let Self { conn, queue, source, told, remembered } = self;
        let sql = match conn.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(sql) => sql,
            Err(fault) => {
                ran.extend(std::iter::from_fn(|| queue.next()).take(GROUP));
                return Err(text(fault));
            }
        };
        faults::point("store.batch.begun");
        let tx = Tx { sql: &sql, source, news, remembered };
        while ran.len() < GROUP
            && let Some(mut job) = queue.next()
        {
            let done = run_alone(&tx, job.as_mut());
            ran.push(job);
            done.map_err(text)?;
            if sql.is_autocommit() {
                let why = "the database ended the transaction: the disk is full or failing".to_owned();
                return Err(Unwritten { full: false, why });
            }
        }
        let last = if news.for_hq.get() { Some(outbox::last_seq(&sql).map_err(text)?) } else { None };
        if news.rewritten.get() {
            // Before the commit: nobody may find a text in memory that the database does not hold any more.
            told.fresh.clear();
        }
        faults::point("store.batch.before_commit");
        sql.commit().map_err(text)?;
        faults::point("store.batch.committed");
        Ok(last)
    }
}

/// Runs a job so that nothing of it stays when it fails.
fn run_alone(tx: &Tx<'_>, job: &mut dyn Job) -> rusqlite::Result<()> {
    if !job.is_many() {
        job.run(tx);
        return Ok(());
    }
    let (texts, gone) = (tx.news.texts.borrow().len(), tx.news.gone.borrow().len());
    tx.prepare_cached("SAVEPOINT job")?.execute([])?;
    let stays = job.run(tx);
    tx.remembered.forget_scans();
    if tx.is_autocommit() {
        return Ok(());
    }
    if !stays {
        tx.prepare_cached("ROLLBACK TO job")?.execute([])?;
        tx.news.texts.borrow_mut().truncate(texts);
        tx.news.gone.borrow_mut().truncate(gone);
        tx.remembered.forget_devices();
    }
    tx.prepare_cached("RELEASE job")?.execute([])?;
    Ok(())
}

fn checkpoint(conn: &Connection) -> Result<(), StoreError> {
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    faults::point("store.log.folded");
    if busy == 0 { Ok(()) } else { Err(StoreError::NotCommitted("a reader held the checkpoint".to_owned())) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        clock,
        store::{
            Options, Store, StoreKey,
            outbox::{About, Gate},
        },
        sync::payload::{Redacted, kind},
    };
    use futures_util::future::join_all;
    use tempfile::TempDir;

    pub(crate) fn store() -> (TempDir, Store) {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let key = StoreKey::load_or_create(&data.join("store.key"), &data).unwrap();
        let options = Options { data, key, source: "skinlink://s/g".to_owned(), min_free: 0, readers: 1 };
        (folder, Store::open(options).unwrap())
    }

    fn tell(tx: &Tx<'_>, text: &str) -> Result<bool, StoreError> {
        let (gate, stamp, subject) = (Gate::Always, clock::now(), "test".to_owned());
        let about = About { kind: kind::REDACTED, gate, customer: None, visit: None, object: 0, subject, stamp };
        outbox::enqueue(tx, &about, &Redacted { reason: text.to_owned() })
    }

    /// Of many changes at once, every third fails after it has drawn its number: it leaves neither row nor gap.
    #[tokio::test]
    async fn a_job_that_fails_is_rolled_back_alone_and_leaves_no_gap() {
        let (_folder, store) = store();
        let jobs = (0..900).map(|n| {
            store.write(move |tx| {
                tell(tx, &n.to_string())?;
                if n % 3 == 0 { Err(StoreError::Refused("no".to_owned())) } else { Ok(n) }
            })
        });
        let answers = join_all(jobs).await;
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(answer.is_ok(), n % 3 != 0, "{n}: {answer:?}");
        }
        let rows = store.unacknowledged(0, 10_000, usize::MAX).await.unwrap();
        assert_eq!(rows.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=600).collect::<Vec<_>>());
    }

    /// The database may not grow any more, as on a full disk: the change is refused in words, what stood stands, and once
    /// there is room again the store goes on by itself.
    #[tokio::test]
    async fn a_full_disk_refuses_in_words_and_loses_nothing() {
        let (_folder, store) = store();
        store.write(|tx| tell(tx, "before")).await.unwrap();
        let limit = |pages: &'static str| {
            store.write(move |tx| {
                let pages: i64 = tx.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get(0))?;
                Ok(pages)
            })
        };
        let pages = limit("1").await.unwrap();
        assert!(pages > 1, "SQLite keeps what is there: {pages} pages");
        let long = "x".repeat(64 * 1024);
        let jobs = (0..20).map(|_| {
            let long = long.clone();
            store.write(move |tx| tell(tx, &long))
        });
        for answer in join_all(jobs).await {
            assert!(matches!(answer, Err(StoreError::Full | StoreError::NotCommitted(_))), "{answer:?}");
        }
        assert_eq!(store.last_seq().await.unwrap(), 1);
        limit("1000000").await.unwrap();
        store.write(move |tx| tell(tx, &long)).await.unwrap();
        let rows = store.unacknowledged(0, 10, usize::MAX).await.unwrap();
        assert_eq!(rows.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
    }

    /// A store whose writer has gone.
    pub(crate) async fn dead_store() -> (TempDir, Store) {
        let (folder, store) = store();
        let closing = store.closing();
        let broken = store.write(|_| -> Result<(), StoreError> { panic!("a bug in a job") }).await;
        assert!(matches!(broken, Err(StoreError::Stopped)), "{broken:?}");
        tokio::time::timeout(std::time::Duration::from_secs(10), closing.wait()).await.expect("the end is noticed");
        (folder, store)
    }

    /// The writer is the store: when it is gone, every call says so and none waits.
    #[tokio::test]
    async fn a_job_that_panics_stops_the_writer_and_every_call_says_so() {
        let (_folder, store) = dead_store().await;
        let after = store.write(|tx| tell(tx, "after")).await;
        assert!(matches!(after, Err(StoreError::Stopped)), "{after:?}");
    }
}
