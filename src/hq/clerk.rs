//! What has to do with the shelves, on a connection of its own beside the commits: pictures are filed, what nobody names is removed,
//! segments are written anew; at the beginning dead letters are held against the rules again. An object store that is slow, or hangs, holds up nothing but what lies there.

use super::{
    HqError,
    database::{Addressed, Database},
    images::Whole,
    receive::{FIRST_REST, LONGEST_REST, Opener},
};
use crate::{clock, sync::backoff::Backoff};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tracing::warn;

/// Pictures that wait to be filed; one more is dropped, and offered again by its gateway.
const MOST: usize = 1_000;

/// Pictures of one go: their gateways are told when all of them are done.
const AT_ONCE: usize = 16;

/// Does one thing after another.
pub(super) struct Clerk {
    opener: Opener,
    /// Away while it works; opened with the first work.
    database: Option<Database>,
    running: Option<JoinHandle<Worked>>,
    /// To be filed.
    whole: Vec<Whole>,
    /// What was whole already when this program began, and what an older one refused, is to be looked for.
    look: bool,
    /// The shelves are to be tidied.
    tidy: bool,
    /// Nothing is done until then: the database is away.
    rest: Option<Instant>,
    patience: Backoff,
}

enum Work {
    Look,
    File(Vec<Whole>),
    Tidy,
}

enum Done {
    Found(Vec<Whole>),
    Filed(Vec<Addressed>),
    Tidied,
}

struct Worked {
    database: Option<Database>,
    work: Work,
    outcome: Result<Done, HqError>,
}

impl Work {
    fn run(self, opener: Opener, database: Option<Database>) -> Worked {
        let mut database = match database.map_or_else(|| opener.beside(), Ok) {
            Ok(database) => database,
            Err(fault) => return Worked { database: None, work: self, outcome: Err(fault) },
        };
        let now = clock::now().wall;
        let outcome = match &self {
            Self::Look => database.hold_letters_again().and_then(|()| database.unfiled()).map(Done::Found),
            Self::File(whole) => database.file(whole.clone(), now).map(Done::Filed),
            Self::Tidy => database.tidy_shelves(now).map(|()| Done::Tidied),
        };
        Worked { database: Some(database), work: self, outcome }
    }
}

impl Clerk {
    pub fn new(opener: Opener) -> Self {
        Self {
            opener,
            database: None,
            running: None,
            whole: Vec::new(),
            look: true,
            tidy: false,
            rest: None,
            patience: Backoff::new(FIRST_REST, LONGEST_REST),
        }
    }

    /// Pictures that may be whole.
    pub fn file(&mut self, whole: Vec<Whole>) {
        for picture in whole {
            if self.whole.iter().any(|waiting| waiting.is_of_the_same(&picture)) {
                continue;
            }
            if self.whole.len() >= MOST {
                warn!(capture = picture.capture, "too many pictures wait to be filed; this one will be offered again");
                continue;
            }
            self.whole.push(picture);
        }
    }

    pub fn tidy(&mut self) {
        self.tidy = true;
    }

    /// Takes up the next thing, if there is one.
    pub fn begin(&mut self) {
        if self.running.is_some() || self.rest.is_some() {
            return;
        }
        let work = if std::mem::take(&mut self.look) {
            Work::Look
        } else if !self.whole.is_empty() {
            let many = self.whole.len().min(AT_ONCE);
            Work::File(self.whole.drain(..many).collect())
        } else if std::mem::take(&mut self.tidy) {
            Work::Tidy
        } else {
            return;
        };
        let (opener, database) = (self.opener.clone(), self.database.take());
        self.running = Some(tokio::task::spawn_blocking(move || work.run(opener, database)));
    }

    /// Waits for what is under way, and gives what is to be answered; for ever where nothing is. May be given up and called again.
    ///
    /// # Errors
    /// A database or disk that cannot be written.
    pub async fn answers(&mut self) -> Result<Vec<Addressed>, HqError> {
        if let Some(rest) = self.rest {
            sleep_until(rest).await;
            self.rest = None;
            return Ok(Vec::new());
        }
        match &mut self.running {
            Some(work) => {
                let worked = work.await;
                self.running = None;
                self.done(worked.map_err(|_| HqError::Stopped)?)
            }
            None => std::future::pending().await,
        }
    }

    fn done(&mut self, worked: Worked) -> Result<Vec<Addressed>, HqError> {
        let Worked { database, work, outcome } = worked;
        self.database = database;
        let answers = match outcome {
            Ok(Done::Found(whole)) => {
                self.file(whole);
                Vec::new()
            }
            Ok(Done::Filed(answers)) => answers,
            Ok(Done::Tidied) => Vec::new(),
            Err(fault) if fault.passes() => {
                let wait = self.patience.next(fastrand::f64());
                warn!(%fault, wait_ms = wait.as_millis(), "the database is away; what lies on the shelves waits");
                self.rest = Some(Instant::now() + wait);
                match work {
                    Work::Look => self.look = true,
                    Work::File(whole) => self.file(whole),
                    Work::Tidy => {}
                }
                return Ok(Vec::new());
            }
            // It comes up again.
            Err(fault) if fault.is_of_a_shelf() && matches!(work, Work::Tidy) => {
                warn!(%fault, "a shelf cannot be tidied now");
                Vec::new()
            }
            Err(fault) => return Err(fault),
        };
        self.patience.reset();
        Ok(answers)
    }

    /// Files what is whole before the end, though nobody can be told any more; what a shelf does not take now is filed by the next
    /// receiver.
    pub async fn settle(&mut self) -> Result<(), HqError> {
        (self.look, self.tidy) = (false, false);
        for _ in 0..=MOST.div_ceil(AT_ONCE) {
            self.begin();
            if self.running.is_none() {
                break;
            }
            self.answers().await?;
        }
        Ok(())
    }
}
