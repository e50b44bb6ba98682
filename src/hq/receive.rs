//! The receiving loop: takes what arrives, commits it, and only then answers. While one commit is on its way to the disk,
//! everything that arrives makes up the next: batches grow with the load and cost nothing in idleness.

use super::{
    HqError,
    clerk::Clerk,
    database::{Addressed, Arrived, Database, Hole, Place},
    fetches::Fetches,
    holes::Holes,
    images::{Rules, Whole},
    records::{LONG_PAGE, PAGE, Turn},
    replies::Replies,
    shelf::Shelves,
};
use crate::{
    clock,
    domain::Timestamp,
    ports::{Connector, FromBroker, Uplink, UplinkError},
    sync::{backoff::Backoff, package::Fetch, reply::Reply, topic::Address},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// First and longest ceiling of the wait between two connections: receivers are few, and thousands of gateways wait for them.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// First and longest ceiling of the wait between two tries at a database that is away.
pub(super) const FIRST_REST: Duration = Duration::from_millis(100);
pub(super) const LONGEST_REST: Duration = Duration::from_secs(5);

/// Publishes of one transaction: some 100,000 rows at most, about a second of disk.
const MAX_INBOX: usize = 512;

/// Bytes of one transaction: what is parsed, bound and on its way to the database at once is several times that.
const MOST: usize = 4 * 1024 * 1024;

/// A commit of so many bytes tells of a fast stream: the next one waits for company, since each costs the disk a sync.
const FAST: usize = 16 * 1024;

/// From one commit of a fast stream to the next, unless [`ENOUGH`] is there before. A slow stream never waits.
const GATHER: Duration = Duration::from_millis(5);

/// Bytes worth a commit at any time.
const ENOUGH: usize = 256 * 1024;

/// How often facts are made of what was stored, and how soon again where there is more: acknowledgements come first.
const KEEP: Duration = Duration::from_secs(1);
const KEEP_ON: Duration = Duration::from_millis(60);

/// Facts that are due wait so long for a commit, to be made right behind it: then the next message is furthest away, and waits
/// least for them. Where nothing has come for so long nobody waits: what is left of a flood is made turn after turn.
const BEHIND_A_COMMIT: Duration = Duration::from_millis(50);

/// How often holes are looked for.
const LOOK_FOR_HOLES: Duration = Duration::from_secs(2);

/// How long the end waits for pictures that are being filed.
const PARTING: Duration = Duration::from_secs(10);

/// Gateways heard within this time are told where they stand when HQ comes back.
const STANDING_DAYS: i64 = 30;

/// What HQ subscribes to. Copies of the receiver share what each gateway says once; the last word on it and its
/// self-description are retained, which a broker keeps from shared subscriptions: each copy takes both, so that what was said
/// while none was there is heard after all.
#[must_use]
pub fn subscriptions() -> Vec<String> {
    let root = crate::sync::topic::ROOT;
    let shared = ["events", "hello", "blobs/#"].iter().map(|lane| format!("$share/hq/{root}/+/+/{lane}"));
    shared.chain(["status", "about"].iter().map(|lane| format!("{root}/+/+/{lane}"))).collect()
}

/// How to open the database.
#[derive(Debug, Clone)]
pub struct Opener {
    pub place: Place,
    pub shelves: Arc<Shelves>,
    pub rules: Rules,
}

impl Opener {
    /// A connection; nothing is done with it yet.
    pub(super) fn beside(self) -> Result<Database, HqError> {
        let Self { place, shelves, rules } = self;
        Database::beside(&place, shelves, rules)
    }

    /// Waits for a database that is away; `None` when stopped while waiting.
    async fn open(self, stop: &CancellationToken) -> Result<Option<Database>, HqError> {
        let mut backoff = Backoff::new(FIRST_REST, LONGEST_REST);
        loop {
            let opener = self.clone();
            let opened = tokio::task::spawn_blocking(move || opener.beside()).await;
            match opened.map_err(|_| HqError::Stopped)? {
                Err(fault) if fault.passes() => {
                    let wait = backoff.next(fastrand::f64());
                    warn!(%fault, wait_ms = wait.as_millis(), "the database is away");
                    tokio::select! {
                        () = stop.cancelled() => return Ok(None),
                        () = sleep(wait) => {}
                    }
                }
                opened => return opened.map(Some),
            }
        }
    }
}

/// Receives until `stop`, reconnecting as often as needed, to the broker as to the database.
///
/// # Errors
/// Only what ends the receiver: a database or disk that cannot be written. Nothing was acknowledged that is not stored.
pub async fn serve(connector: Connector, opener: Opener, stop: CancellationToken) -> Result<(), HqError> {
    let Some(database) = opener.clone().open(&stop).await? else { return Ok(()) };
    let mut receiver = Receiver::new(database, Clerk::new(opener));
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let connected = tokio::select! {
            () = stop.cancelled() => return receiver.settle().await,
            connected = connector() => connected,
        };
        let reason = match connected {
            Ok(uplink) => {
                info!("connected to the broker");
                backoff.reset();
                match receiver.session(uplink, &stop).await? {
                    Some(reason) => reason,
                    None => return receiver.settle().await,
                }
            }
            Err(reason) => reason,
        };
        let wait = backoff.next(fastrand::f64());
        if reason.needs_a_person() {
            error!(%reason, wait_ms = wait.as_millis(), "no connection");
        } else {
            warn!(%reason, wait_ms = wait.as_millis(), "no connection");
        }
        tokio::select! {
            () = stop.cancelled() => return receiver.settle().await,
            () = sleep(wait) => {}
        }
    }
}

/// What the database is asked for.
enum Work {
    Take(Vec<Arrived>),
    /// Where everyone stands.
    Stand,
    /// Which holes there are.
    Look,
    /// What the stores have not heard: what customers said, appointments, staff, orders, packages.
    Tell,
    /// Slices of packages.
    Pass(Vec<(Address, Fetch)>),
    /// To make facts of so many events at most.
    Keep(usize),
}

enum Done {
    /// And pictures to file, once this was said; and who asks for slices.
    Taken(Vec<Addressed>, Vec<Whole>, Vec<(Address, Fetch)>),
    Answers(Vec<Addressed>),
    Holes(Vec<Hole>),
    Kept(Turn),
}

struct Worked {
    database: Database,
    work: Work,
    outcome: Result<Done, HqError>,
}

impl Work {
    fn run(self, mut database: Database) -> Worked {
        let now = clock::now().wall;
        let outcome = match &self {
            Self::Take(batch) => {
                database.take_in(batch, now).map(|(replies, whole, fetches)| Done::Taken(replies, whole, fetches))
            }
            Self::Pass(fetches) => database.slices(fetches).map(Done::Answers),
            Self::Stand => {
                let since = Timestamp::from_unix_ms(now.unix_ms() - STANDING_DAYS * 86_400_000);
                database.standings(since).map(Done::Answers)
            }
            Self::Look => database.holes().map(Done::Holes),
            Self::Tell => database.downlink_due(now).map(Done::Answers),
            Self::Keep(most) => database.make_facts(now, *most).map(Done::Kept),
        };
        Worked { database, work: self, outcome }
    }
}

struct Receiver {
    /// Away while it works.
    database: Option<Database>,
    running: Option<JoinHandle<Worked>>,
    inbox: Vec<Arrived>,
    /// Files pictures, and tidies the shelves, beside.
    clerk: Clerk,
    /// Payloads in the inbox, in bytes.
    bytes: usize,
    /// No commit begins before, unless there is enough.
    gather: Option<Instant>,
    /// The database is left alone until then: it is away.
    rest: Option<Instant>,
    patience: Backoff,
    /// Everyone is to be told where they stand.
    stand: bool,
    /// Holes are to be looked for.
    look: bool,
    /// What goes down is to be passed on.
    tell: bool,
    /// When facts are made next; a little later while messages wait or are expected.
    keep: Instant,
    /// When the last message came.
    heard: Instant,
    /// The last work was a commit, and nothing has come since.
    committed: bool,
    /// The last turn left facts to be made.
    behind: bool,
    /// Events of the next turn.
    page: usize,
    holes: Holes,
    replies: Replies,
    /// Gateways that fetch packages, in turn.
    fetches: Fetches,
    /// The last work was for one of them.
    passed: bool,
}

impl Receiver {
    fn new(database: Database, clerk: Clerk) -> Self {
        Self {
            database: Some(database),
            running: None,
            inbox: Vec::new(),
            clerk,
            bytes: 0,
            gather: None,
            rest: None,
            patience: Backoff::new(FIRST_REST, LONGEST_REST),
            stand: false,
            look: false,
            tell: false,
            keep: Instant::now(),
            heard: Instant::now(),
            committed: false,
            behind: false,
            page: PAGE,
            holes: Holes::default(),
            replies: Replies::default(),
            fetches: Fetches::default(),
            passed: false,
        }
    }

    /// One connection; `None` when asked to stop.
    async fn session(&mut self, uplink: Uplink, stop: &CancellationToken) -> Result<Option<UplinkError>, HqError> {
        let Uplink { publish, mut arrived, mut driver } = uplink;
        let mut look = interval(LOOK_FOR_HOLES);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.finish().await?;
        (self.stand, self.holes) = (true, Holes::default());
        loop {
            self.begin();
            self.clerk.begin();
            let facts_at = self.facts_at();
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                reason = &mut driver => return Ok(Some(reason)),
                worked = running(&mut self.running) => self.done(worked)?,
                answers = self.clerk.answers() => self.say(&answers?),
                permit = publish.reserve(), if !self.replies.is_empty() => {
                    if let (Ok(permit), Some(reply)) = (permit, self.replies.pop()) {
                        permit.send(reply);
                    }
                }
                message = arrived.recv(), if self.inbox.len() < MAX_INBOX && self.bytes < MOST => match message {
                    Some(FromBroker::Message { topic, payload }) => self.received(&topic, payload),
                    Some(FromBroker::Word { .. }) => {}
                    None => return Ok(Some(UplinkError::Lost("the connection's other half has ended".to_owned()))),
                },
                _ = look.tick() => (self.look, self.tell) = (true, true),
                () = until(self.gather), if self.gather.is_some() && !self.inbox.is_empty() => self.gather = None,
                () = until(self.rest), if self.rest.is_some() => self.rest = None,
                () = sleep_until(facts_at), if self.running.is_none() && self.rest.is_none() && self.inbox.is_empty() => {}
            }
        }
    }

    fn received(&mut self, topic: &str, payload: Vec<u8>) {
        match Address::parse(topic) {
            Some((from, lane)) => {
                self.bytes += payload.len();
                self.heard = Instant::now();
                self.inbox.push(Arrived { from, lane, payload });
            }
            None => warn!(topic, "a topic no gateway of this version sends"),
        }
    }

    /// Gives the database its next work, if it is free and there is some.
    fn begin(&mut self) {
        if self.running.is_some() || self.rest.is_some() {
            return;
        }
        let Some(work) = self.next() else { return };
        let Some(database) = self.database.take() else { return };
        self.running = Some(tokio::task::spawn_blocking(move || work.run(database)));
    }

    fn next(&mut self) -> Option<Work> {
        if std::mem::take(&mut self.stand) {
            return Some(Work::Stand);
        }
        let (now, late) = (Instant::now(), if self.behind { KEEP_ON } else { KEEP });
        let quiet = self.committed || now >= self.facts_at();
        if now >= self.keep && ((self.inbox.is_empty() && quiet) || now >= self.keep + late) {
            self.keep = now + KEEP;
            return Some(Work::Keep(self.page));
        }
        if std::mem::take(&mut self.tell) {
            return Some(Work::Tell);
        }
        // In turn with what comes in, and only as fast as the broker takes it.
        if !std::mem::replace(&mut self.passed, false)
            && let Some(fetches) = self.fetches.next(self.replies.slices())
        {
            self.passed = true;
            return Some(Work::Pass(fetches));
        }
        // A batch on its way may be what is missing.
        if self.inbox.is_empty() {
            return std::mem::take(&mut self.look).then_some(Work::Look);
        }
        if self.gather.is_some() && self.bytes < ENOUGH {
            return None;
        }
        self.gather = (self.bytes >= FAST).then(|| Instant::now() + GATHER);
        self.bytes = 0;
        Some(Work::Take(std::mem::take(&mut self.inbox)))
    }

    /// When facts are made though no commit came before them.
    fn facts_at(&self) -> Instant {
        let (patient, silent) = (self.keep + BEHIND_A_COMMIT, self.heard + BEHIND_A_COMMIT);
        if self.behind { patient.min(silent.max(self.keep)) } else { patient }
    }

    fn done(&mut self, worked: Result<Worked, tokio::task::JoinError>) -> Result<(), HqError> {
        self.running = None;
        self.committed = false;
        let Worked { database, work, outcome } = worked.map_err(|_| HqError::Stopped)?;
        self.database = Some(database);
        match outcome {
            Ok(Done::Taken(replies, whole, fetches)) => {
                self.committed = true;
                self.say(&replies);
                self.clerk.file(whole);
                self.fetches.asked(fetches);
            }
            Ok(Done::Answers(replies)) => self.say(&replies),
            Ok(Done::Holes(holes)) => self.ask(holes),
            Ok(Done::Kept(turn)) => {
                self.behind = turn.more;
                if !turn.more {
                    self.clerk.tidy();
                }
                // Whoever is far behind gets more at a time: an event costs less in a longer turn, and a stream that goes on
                // would leave its facts behind for good. A stream of 2,000 events a second is caught up with after two or
                // three turns and never gets to the long ones, behind which messages wait.
                self.page = if turn.more { (2 * self.page).min(LONG_PAGE) } else { PAGE };
                if turn.more {
                    // At once where nothing waits; after KEEP_ON where messages do.
                    self.keep = Instant::now();
                }
            }
            Err(fault) if fault.passes() => {
                self.again(work, &fault);
                return Ok(());
            }
            // Facts wait for a shelf that is away: what is to be erased or read there comes with the next turn.
            Err(fault) if fault.is_of_a_shelf() && matches!(work, Work::Keep(_)) => {
                warn!(%fault, "facts wait for a shelf");
                self.keep = Instant::now() + LONGEST_REST;
            }
            Err(fault) => return Err(fault),
        }
        self.patience.reset();
        Ok(())
    }

    /// Nothing of it was answered, and it is not lost while we hold it: it comes first when the database is back.
    fn again(&mut self, work: Work, fault: &HqError) {
        let wait = self.patience.next(fastrand::f64());
        warn!(%fault, wait_ms = wait.as_millis(), "the database is away");
        self.rest = Some(Instant::now() + wait);
        match work {
            Work::Take(batch) => {
                let newer = std::mem::replace(&mut self.inbox, batch);
                self.inbox.extend(newer);
                self.bytes = self.inbox.iter().map(|message| message.payload.len()).sum();
            }
            Work::Stand => self.stand = true,
            // Whoever fetches asks again.
            Work::Look | Work::Tell | Work::Keep(_) | Work::Pass(_) => {}
        }
    }

    /// Waits for work left over from the connection before; its answers still hold.
    async fn finish(&mut self) -> Result<(), HqError> {
        if self.running.is_some() {
            let worked = running(&mut self.running).await;
            self.done(worked)?;
        }
        Ok(())
    }

    /// What has arrived is committed before the end, though nobody can be told any more.
    async fn settle(mut self) -> Result<(), HqError> {
        self.finish().await?;
        (self.gather, self.stand, self.look, self.tell) = (None, false, false, false);
        self.fetches = Fetches::default();
        self.keep = Instant::now() + LONGEST_REST;
        self.begin();
        self.finish().await?;
        match timeout(PARTING, self.clerk.settle()).await {
            Ok(settled) => settled?,
            Err(_) => warn!("a shelf does not answer; what is not filed yet is filed by the next receiver"),
        }
        if !self.inbox.is_empty() {
            warn!(messages = self.inbox.len(), "the database is away; the gateways will send these again");
        }
        Ok(())
    }

    fn say(&mut self, replies: &[Addressed]) {
        replies.iter().for_each(|(to, reply)| self.replies.push(to, reply));
    }

    fn ask(&mut self, holes: Vec<Hole>) {
        for Hole { from, epoch, missing, .. } in self.holes.stale(holes, Instant::now()) {
            info!(gateway = %from.gateway, epoch, ?missing, "asking for what is missing");
            self.replies.push(&from, &Reply::Ask { epoch, ranges: missing });
        }
    }
}

async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        sleep_until(at).await;
    }
}

async fn running(work: &mut Option<JoinHandle<Worked>>) -> Result<Worked, tokio::task::JoinError> {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}
