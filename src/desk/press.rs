//! Papers of reports are made in a process of their own that ends with its one report: laying out takes tens of megabytes that an
//! idle gateway must not keep, and a picture that breaks a decoder breaks nothing else. One is made at a time, and whoever
//! waits for a turn waits with empty hands: photographs are read once it has come ([`Press::turn`]).

use crate::report::order::{Answer, Form, Named, Order, OrderError, head, read};
use serde_json::Value;
use std::{
    future::pending,
    io,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// The program that lies beside the gateway's and the receiver's.
const PROGRAM: &str = "skinlink-paper";

/// A report takes half a second; a busy machine many times that.
const LIMIT: Duration = Duration::from_secs(20);

/// Whoever waited so long for a turn is told to come back; with [`LIMIT`] less than a request may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// Longest answer: PDF and picture of the largest report are a fifth of it.
const MOST_BACK: u64 = 48 << 20;

/// Makes papers of reports.
#[derive(Debug, Clone)]
pub struct Press(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    turn: Semaphore,
    held: AtomicU64,
}

/// One form of a report: its media type and bytes.
pub type Paper = (String, Vec<u8>);

#[derive(Debug, thiserror::Error)]
pub enum PressError {
    #[error("{program} cannot be started ({fault}); install the package again")]
    Start { program: String, fault: io::Error },
    #[error("other reports were before this one for {} s; ask again in a while", .0.as_secs())]
    Busy(Duration),
    #[error("{PROGRAM} took longer than {} s and was ended; ask again when the machine has less to do", .0.as_secs())]
    TimedOut(Duration),
    #[error("{PROGRAM} ended without an answer ({0}); ask again, and install the package again if it stays so")]
    Died(String),
    #[error("what {PROGRAM} was told or answered is no order: {0}")]
    Order(#[from] OrderError),
    /// It lives and says why not.
    #[error("{0}")]
    Refused(String),
}

impl Press {
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self(Arc::new(Inner { program, turn: Semaphore::new(1), held: AtomicU64::new(0) }))
    }

    /// The one beside the running program, or one folder up: examples and tests lie in a folder of their own. Says so once
    /// where it is not there: pages then offer no paper.
    #[must_use]
    pub fn beside() -> Self {
        // Of the first time: after an upgrade the system would name a file that is gone.
        static RUNNING: OnceLock<PathBuf> = OnceLock::new();
        let program = RUNNING.get_or_init(|| std::env::current_exe().unwrap_or_default());
        let places = program.ancestors().skip(1).take(2).map(|folder| folder.join(PROGRAM));
        let beside = program.with_file_name(PROGRAM);
        let press = Self::new(places.into_iter().find(|place| place.is_file()).unwrap_or(beside));
        if !press.is_there() {
            let program = press.0.program.display();
            tracing::warn!(
                "reports have their page and no paper: {program} is not there; install the package again (from the sources: \
                 cargo build --bins)"
            );
        }
        press
    }

    /// Whether the program is installed.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.program.is_file()
    }

    /// The most memory that one of its processes held so far, by their own word; bytes.
    #[must_use]
    pub fn most_held(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Waits until nobody else's report is being made. Cancelling gives the place in the line up.
    ///
    /// # Errors
    /// [`PressError::Start`] at once where the program is not there; [`PressError::Busy`] after eight seconds.
    pub async fn turn(&self) -> Result<Turn<'_>, PressError> {
        if !self.is_there() {
            let fault = io::ErrorKind::NotFound.into();
            return Err(PressError::Start { program: self.0.program.display().to_string(), fault });
        }
        let turn = timeout(PATIENCE, self.0.turn.acquire()).await;
        let held = turn.map_err(|_| PressError::Busy(PATIENCE))?.map_err(|_| PressError::Busy(PATIENCE))?;
        Ok(Turn { press: &self.0, _held: held })
    }
}

/// The press is this one's until dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    press: &'a Inner,
    _held: SemaphorePermit<'a>,
}

impl Turn<'_> {
    /// The report of `data` in each of `forms`. Cancelling ends the process; may be repeated with another turn.
    ///
    /// # Errors
    /// [`PressError`]; nothing was made then.
    pub async fn make(
        self,
        forms: Vec<Form>,
        data: Value,
        files: Vec<(String, Vec<u8>)>,
    ) -> Result<Vec<Paper>, PressError> {
        let named = files.iter().map(|(name, bytes)| Named::of(name, bytes)).collect();
        let head = head(&Order { forms, data, files: named })?;
        let order = std::iter::once(head).chain(files.into_iter().map(|(_, bytes)| bytes));
        let bytes = timeout(LIMIT, self.asked(order)).await.map_err(|_| PressError::TimedOut(LIMIT))??;
        let (answer, files) = read::<Answer>(&bytes)?;
        self.press.held.fetch_max(answer.held, Ordering::Relaxed);
        match answer.refused {
            Some(why) => Err(PressError::Refused(why)),
            None => {
                Ok(answer.files.iter().zip(files).map(|(named, bytes)| (named.name.clone(), bytes.to_vec())).collect())
            }
        }
    }

    /// Its whole answer to `order`, which is let go of piece by piece.
    async fn asked(&self, order: impl Iterator<Item = Vec<u8>>) -> Result<Vec<u8>, PressError> {
        let start = |fault| PressError::Start { program: self.press.program.display().to_string(), fault };
        let mut child = Command::new(&self.press.program)
            // Nothing of the gateway's surroundings is its business. Two threads: the smallest machine has no more, and each
            // keeps memory of its own.
            .env_clear()
            .envs([("RAYON_NUM_THREADS", "2"), ("MALLOC_ARENA_MAX", "2")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(start)?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(PressError::Died("without pipes".into()));
        };
        let said = async move {
            for piece in order {
                // It may have refused before it heard all.
                if input.write_all(&piece).await.is_err() {
                    break;
                }
            }
        };
        let mut answer = Vec::new();
        let mut output = output.take(MOST_BACK);
        // Whoever has answered in full need not hear the rest.
        let heard = tokio::select! {
            heard = output.read_to_end(&mut answer) => heard,
            () = async { said.await; pending().await } => Ok(0),
        };
        let died = |why: String| PressError::Died(why);
        heard.map_err(|fault| died(fault.to_string()))?;
        if answer.len() as u64 == MOST_BACK {
            return Err(OrderError::Long(answer.len()).into());
        }
        let status = child.wait().await.map_err(|fault| died(fault.to_string()))?;
        if status.success() { Ok(answer) } else { Err(died(status.to_string())) }
    }
}
