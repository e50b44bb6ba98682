//! `skinlink-hq people`: who may log in. Passwords come from a file or from the keys, never from the command line, where every
//! user of the machine could read them.

use super::{
    audit,
    people::{self, Reach, Role},
};
use crate::{
    clock,
    hq::{HqError, database::Place},
};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _, Write},
    path::{Path, PathBuf},
    sync::Once,
};
use tokio::signal::unix::{SignalKind, signal};

/// What is to be done.
#[derive(Debug, clap::Subcommand)]
pub enum What {
    /// Let someone in
    Add {
        /// What they log in with: a-z, 0-9, -
        name: String,
        /// analyst, operator (of the fleet; sees no visit), protection (of data; sees the audit) or administrator
        #[arg(long)]
        role: Role,
        /// Stores they see: all, or sh-001,sh-002
        #[arg(long)]
        stores: Reach,
        /// File whose first line is the password; without it, it is asked for
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Show everybody
    List,
    /// Set a new password; whoever was logged in with the old one is not any more, who is kept out stays so
    Password {
        name: String,
        /// File whose first line is the password; without it, it is asked for
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Give someone another role, and other stores where they are named; whoever is logged in logs in again
    Role {
        name: String,
        /// analyst, operator, protection or administrator
        #[arg(long)]
        role: Role,
        /// Stores they see: all, or sh-001,sh-002; without it, those they saw
        #[arg(long)]
        stores: Option<Reach>,
    },
    /// Keep someone out from now on
    Disable { name: String },
    /// Let someone in again who was kept out, with the password they had
    Enable { name: String },
    /// Follow the whole audit, row by row: whether anything in it was changed or taken out
    Verify,
}

impl What {
    /// # Errors
    /// [`HqError::People`] with what to do; a file that cannot be read; the database's.
    pub fn run(self, place: &Place, out: &mut impl Write) -> Result<(), HqError> {
        let now = clock::now().wall;
        match self {
            Self::Add { name, role, stores, password_file } => {
                let secret = secret(password_file.as_deref())?;
                people::add(&mut *place.open()?, (&name, role, &stores), &secret, now)?;
                let _ = writeln!(out, "{name} may log in as {role}, stores: {stores}");
            }
            Self::List => {
                for one in people::list(&mut *place.open()?)? {
                    let state = if one.active { "" } else { "  disabled" };
                    let _ = writeln!(out, "{:20} {:14} {}{state}", one.name, one.role, one.reach);
                }
            }
            Self::Password { name, password_file } => {
                let secret = secret(password_file.as_deref())?;
                let out_still = people::set_password(&mut *place.open()?, &name, &secret, now)?;
                let still = format!("; {name} is kept out still: skinlink-hq people enable {name} lets them in");
                let _ = writeln!(out, "{name}: the new password holds{}", if out_still { still.as_str() } else { "" });
            }
            Self::Role { name, role, stores } => {
                let stores = people::set_role(&mut *place.open()?, &name, (role, stores), now)?;
                let _ = writeln!(out, "{name} is {role} now, stores: {stores}");
            }
            Self::Enable { name } => {
                people::enable(&mut *place.open()?, &name, now)?;
                let _ = writeln!(out, "{name} may log in again");
            }
            Self::Disable { name } => {
                people::disable(&mut *place.open()?, &name, now)?;
                let _ = writeln!(out, "{name} is kept out");
            }
            Self::Verify => match audit::verify(&mut *place.open()?)? {
                Ok(rows) => {
                    let _ = writeln!(out, "{rows} rows; the chain is whole");
                }
                Err(row) => {
                    return Err(HqError::People(format!(
                        "the audit breaks at row {row}: it was changed or taken out; hold people_audit against a backup from before"
                    )));
                }
            },
        }
        Ok(())
    }
}

fn secret(file: Option<&Path>) -> Result<String, HqError> {
    let Some(file) = file else { return asked() };
    let text = fs::read_to_string(file).map_err(|source| HqError::File { path: file.to_owned(), source })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Asked for twice, unseen.
fn asked() -> Result<String, HqError> {
    if !io::stdin().is_terminal() {
        return Err(HqError::People("there is no terminal to ask for the password; give --password-file".to_owned()));
    }
    let first = unseen("password: ")?;
    if first == unseen("once more: ")? {
        return Ok(first);
    }
    Err(HqError::People("the two are not the same; nothing was changed".to_owned()))
}

/// From the first question on Ctrl-C and SIGTERM end the program at once, and the terminal shows again what is typed. On a thread of its own:
/// whoever asks holds up the runtime until there is an answer.
fn shown_again_by_a_signal(shown: &Termios) {
    static WATCHED: Once = Once::new();
    let shown = shown.clone();
    WATCHED.call_once(move || {
        let wait = async {
            let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            io::Result::Ok(())
        };
        let watch = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            if runtime.and_then(|runtime| runtime.block_on(wait)).is_ok() {
                let _ = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &shown);
                eprintln!();
                std::process::exit(130);
            }
        };
        // Without it a signal ends the program as ever, and the terminal stays without its echo.
        let _ = std::thread::Builder::new().name("signals".into()).spawn(watch);
    });
}

/// One line from the terminal, which does not show it.
pub(in crate::hq) fn unseen(question: &str) -> Result<String, HqError> {
    let fault = |source: io::Error| HqError::File { path: "/dev/stdin".into(), source };
    let stdin = io::stdin();
    let shown = tcgetattr(&stdin).map_err(|fault_| fault(fault_.into()))?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden).map_err(|fault_| fault(fault_.into()))?;
    // What is typed before the keys are unseen is dropped: nobody is asked before.
    eprint!("{question}");
    shown_again_by_a_signal(&shown);
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    let _ = tcsetattr(&stdin, SetArg::TCSAFLUSH, &shown);
    eprintln!();
    read.map_err(fault)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
