//! Command line of `skinlink-hq`. Exit codes: 0 done, 1 failed while running, 2 wrong arguments or configuration.

use super::{
    HqError, agenda, alarms, archive,
    archive::Month,
    config::{RawDatabase, RawHqConfig, RolloutSettings, ShelfSettings},
    database::{self, Database, Erased, Place, engine::Engine},
    dead_letters, filing,
    images::Rules,
    office, records,
    shelf::Shelves,
    tail::{self, TailOptions},
    unheard,
};
use clap::{Parser, Subcommand};
use std::{io::Write as _, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Receives what the salons' gateways send, stores it, and says so.
#[derive(Debug, Parser)]
#[command(name = "skinlink-hq", version)]
pub struct Cli {
    /// What to log, such as `info` or `skinlink=debug`; goes to the standard error
    #[arg(long, global = true, default_value = "info", env = "SKINLINK_LOG")]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive until stopped
    Run {
        /// TOML file; flags win over it
        #[arg(long)]
        config: Option<PathBuf>,
        #[command(flatten)]
        flags: Box<RawHqConfig>,
    },
    /// Print what arrives, one line an event
    Tail {
        #[command(flatten)]
        from: Records,
        /// JSON lines instead of text
        #[arg(long)]
        json: bool,
        /// Begin this many events before the newest
        #[arg(long, default_value_t = 20)]
        last: u64,
        /// End after what is there
        #[arg(long)]
        no_follow: bool,
    },
    /// Show every store: when it was heard, what is here, what is missing; or take a gateway out of use
    Stores {
        #[command(flatten)]
        from: Box<Records>,
        /// JSON lines instead of text
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        what: Option<StoresCommand>,
    },
    /// Make the tables people query again from the raw events
    Rebuild {
        #[command(flatten)]
        from: Records,
    },
    /// Print the page that describes those tables (docs/hq-schema.md)
    Schema,
    /// Print the contract with gateways and with programs that listen: an AsyncAPI 3 document
    Contract,
    /// Hold the dead letters against today's rules again; what passes now is taken
    Replay {
        #[command(flatten)]
        from: Records,
        /// Only show them
        #[arg(long)]
        list: bool,
        /// Instead: put the bodies of an archived month (2026-03) back into the database
        #[arg(long, conflicts_with = "list")]
        month: Option<Month>,
    },
    /// Move the bodies of old months from the database to the shelf; without --before show what is there
    Archive {
        #[command(flatten)]
        from: Records,
        /// Every whole month before this one (2026-03), which must be over
        #[arg(long)]
        before: Option<Month>,
        /// Print the events of an archived month, one JSON line each
        #[arg(long, conflicts_with = "before")]
        show: Option<Month>,
    },
    /// Show what customers said on their reports here and no store has taken yet, and what to do about it
    Words {
        #[command(flatten)]
        from: Records,
        /// Take this one out: a person has seen to it
        #[arg(long, value_name = "ID")]
        done: Option<String>,
    },
    /// Show what went wrong and was written down: unreadable messages, moved gateways, lost events
    Alarms {
        #[command(flatten)]
        from: Records,
        /// Take this one out: a person has seen to it
        #[arg(long, value_name = "N")]
        done: Option<u64>,
    },
    /// Appointments that go down to a store
    Agenda {
        #[command(subcommand)]
        what: AgendaCommand,
    },
    /// Messages of care on their way to whoever sends them
    Care {
        #[command(subcommand)]
        what: CareCommand,
    },
    /// Keys by which programs of the CRM come in
    Keys {
        #[command(subcommand)]
        what: KeysCommand,
    },
    /// What is rolled out to the stores: keys, signed packages
    Package {
        #[command(subcommand)]
        what: PackageCommand,
    },
    /// Rollouts of packages in rings
    Rollout {
        #[command(subcommand)]
        what: RolloutCommand,
    },
    /// Who of headquarters' own people may log in to its pages
    People {
        #[command(flatten)]
        from: Records,
        #[command(subcommand)]
        what: office::commands::What,
    },
    /// Erase a person of a store at headquarters: pictures, numbers, raw events, archived months
    Erase {
        #[command(flatten)]
        from: Records,
        #[arg(long)]
        store: String,
        /// Any id of the person
        #[arg(long)]
        customer: String,
    },
    /// Write one picture to the standard output, opened
    Picture {
        #[command(flatten)]
        from: Records,
        #[arg(long)]
        gateway: String,
        #[arg(long)]
        capture: String,
        /// report, derivative, original, or one of a pair: pair_before, pair_after, change1 to change6
        #[arg(long, default_value = "report")]
        role: String,
    },
}

#[derive(Debug, Subcommand)]
enum AgendaCommand {
    /// Take in new and changed appointments from a file of the CRM (docs/hq-crm.md); all of it or nothing
    Put {
        #[command(flatten)]
        from: Box<Records>,
        #[arg(long)]
        store: String,
        /// The file names all that is booked from now on: what it does not name is called off
        #[arg(long)]
        whole: bool,
        /// JSON; - reads the standard input
        file: PathBuf,
    },
    /// Show what is booked at a store and how far its gateways hold it; names no person
    List {
        #[command(flatten)]
        from: Box<Records>,
        #[arg(long)]
        store: String,
    },
}

impl AgendaCommand {
    fn run(self) -> ExitCode {
        match self {
            Self::Put { from, store, whole, file } => match from.place() {
                Ok(place) => ended(
                    there(&place)
                        .and_then(|()| agenda::put_file(&place, (&store, &file), whole, &mut std::io::stdout())),
                ),
                Err(wrong) => failed(2, &wrong),
            },
            Self::List { from, store } => match from.place() {
                Ok(place) => ended(agenda::print(&place, &store, &mut std::io::stdout())),
                Err(wrong) => failed(2, &wrong),
            },
        }
    }
}

mod care;
mod keys;
mod package;
mod rollout;
mod stores;

use care::CareCommand;
use keys::KeysCommand;
use package::PackageCommand;
use rollout::RolloutCommand;
use stores::StoresCommand;

/// Where the records are: by the receiver's own file, or by flags.
#[derive(Debug, clap::Args)]
struct Records {
    /// The receiver's TOML file; flags win over it
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: RawDatabase,
}

impl Records {
    /// These where they are named, else `other`'s.
    fn or(self, other: Self) -> Self {
        Self { config: self.config.or(other.config), flags: self.flags.or(other.flags) }
    }

    /// The database alone: what reads no object needs no shelf.
    fn place(self) -> Result<Place, String> {
        let file = self.config.as_deref().map(RawHqConfig::read).transpose().map_err(|fault| fault.to_string())?;
        self.flags.or(file.unwrap_or_default().database).resolve()
    }

    /// The database, and `[rollouts]` of the file.
    fn with_rollouts(self) -> Result<(Place, RolloutSettings), String> {
        let file = self.config.as_deref().map(RawHqConfig::read).transpose().map_err(|fault| fault.to_string())?;
        let RawHqConfig { database, rollouts, .. } = file.unwrap_or_default();
        let rollouts =
            rollouts.ok_or("missing: [rollouts] with chain and keys; give the receiver's file as --config")?;
        Ok((self.flags.or(database).resolve()?, rollouts.resolve()?))
    }

    /// The database, and where the shelves are: in the folder of the data, else beside the SQLite file.
    fn both(self) -> Result<(Place, ShelfSettings), String> {
        let file = self.config.as_deref().map(RawHqConfig::read).transpose().map_err(|fault| fault.to_string())?;
        let RawHqConfig { database, objects, .. } = file.unwrap_or_default();
        let raw = self.flags.or(database);
        let (data, key) = (raw.data.clone(), raw.chain_key_file.clone());
        let place = raw.resolve()?;
        let data = data.or_else(|| match &place {
            Place::Sqlite(file) => file.parent().map(std::path::Path::to_owned),
            Place::Postgres(_) => None,
        });
        let data = data.ok_or("missing: data; give it in the file or as --data")?;
        Ok((place, ShelfSettings::new(data, key, objects.as_ref())?))
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_new(&cli.log).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(fault) => return failed(1, &fault.to_string()),
    };
    // On a worker: it reads the connection itself, while the thread of `block_on` would have to be woken for each message.
    let ended = runtime.spawn(command(cli.command));
    let code = runtime.block_on(ended).unwrap_or_else(|fault| failed(1, &fault.to_string()));
    // A shelf that does not answer keeps a thread; nothing that counts is under way on it any more.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn command(command: Command) -> ExitCode {
    match command {
        Command::Run { config, flags } => {
            let file = match config.as_deref().map(RawHqConfig::read).transpose() {
                Ok(file) => file.unwrap_or_default(),
                Err(fault) => return failed(2, &fault.to_string()),
            };
            match flags.or(file).resolve() {
                Ok(config) => match stop_on_signal() {
                    Ok(stop) => ended(super::run(config, stop).await),
                    Err(fault) => failed(1, &fault.to_string()),
                },
                Err(missing) => failed(2, &missing),
            }
        }
        Command::Tail { from, json, last, no_follow } => {
            let options = TailOptions { json, last, follow: !no_follow };
            match from.place() {
                Ok(place) => match stop_on_signal() {
                    Ok(stop) => ended(tail::run(&place, options, &mut std::io::stdout(), stop).await),
                    Err(fault) => failed(1, &fault.to_string()),
                },
                Err(wrong) => failed(2, &wrong),
            }
        }
        Command::Stores { from, json, what } => stores::run(*from, json, what),
        Command::Rebuild { from } => with_shelves(from, |place, shelves| {
            let events = records::rebuild(place, shelves)?;
            println!("{events} events read");
            Ok(())
        }),
        Command::Schema => {
            print!("{}", records::schema_page::page());
            ExitCode::SUCCESS
        }
        Command::Contract => {
            println!("{:#}", crate::sync::contract::asyncapi());
            ExitCode::SUCCESS
        }
        Command::Replay { from, list: _, month: Some(month) } => with_shelves(from, |place, shelves| {
            let back = archive::bring_back(&mut *open(place, shelves)?, shelves, month)?;
            println!("{back} events are in the database again");
            Ok(())
        }),
        Command::Archive { from, before, show } => {
            with_shelves(from, |place, shelves| archived(place, shelves, before, show))
        }
        Command::Words { from, done } => match from.place() {
            Ok(place) => ended(match done {
                None => unheard::print(&place, &mut std::io::stdout()),
                Some(feedback) => there(&place).and_then(|()| unheard::done(&place, &feedback, &mut std::io::stdout())),
            }),
            Err(wrong) => failed(2, &wrong),
        },
        Command::Alarms { from, done } => match from.place() {
            Ok(place) => ended(match done {
                None => alarms::print(&place, &mut std::io::stdout()),
                Some(n) => there(&place).and_then(|()| alarms::done(&place, n, &mut std::io::stdout())),
            }),
            Err(wrong) => failed(2, &wrong),
        },
        Command::Agenda { what } => what.run(),
        Command::Care { what } => what.run(),
        Command::Keys { what } => what.run(),
        Command::Package { what } => what.run(),
        Command::Rollout { what } => what.run(),
        Command::People { from, what } => match from.place() {
            Ok(place) => ended(there(&place).and_then(|()| what.run(&place, &mut std::io::stdout()))),
            Err(wrong) => failed(2, &wrong),
        },
        Command::Erase { from, store, customer } => with_shelves(from, |place, shelves| {
            let mut database = Database::with(place, Arc::clone(shelves), Rules::default())?;
            let Erased { receipt, left } = database.erase(&store, &customer, crate::clock::now().wall)?;
            println!(
                "erased: {} ids, {} visits, {} events, {} pictures{}",
                receipt.customers,
                receipt.visits,
                receipt.events,
                receipt.pictures,
                if receipt.birthdays > 0 { ", a birthday" } else { "" }
            );
            let waits = "what was sealed on a shelf before is read without erased persons from now on, and waits to be written anew";
            left.into_iter().next().map_or(Ok(()), |fault| Err(HqError::Left { waits, fault: Box::new(fault) }))
        }),
        Command::Picture { from, gateway, capture, role } => {
            with_shelves(from, |place, shelves| picture(place, shelves, (&gateway, &capture, &role)))
        }
        Command::Replay { from, list, month: None } => match from.place() {
            Ok(place) if list => ended(dead_letters::print(&place, &mut std::io::stdout())),
            Ok(place) => ended(there(&place).and_then(|()| dead_letters::replay(&place, &mut std::io::stdout()))),
            Err(wrong) => failed(2, &wrong),
        },
    }
}

/// Opens the database to write, once the chain's key is known to be its own: what were sealed with another one, nobody could
/// open again.
fn open(place: &Place, shelves: &Shelves) -> Result<Box<dyn Engine>, HqError> {
    let mut engine = place.open()?;
    database::know_the_key(&mut *engine, shelves)?;
    Ok(engine)
}

/// Opens the database to read: nothing in it is brought up to date.
fn read(place: &Place, shelves: &Shelves) -> Result<Box<dyn Engine>, HqError> {
    let mut engine = place.read_only()?;
    database::is_of_the_key(&mut *engine, shelves)?;
    Ok(engine)
}

/// Whoever sees what is customers' stands in the audit before it is shown.
fn noted(engine: &mut dyn Engine, what: &str, about: &str) -> Result<(), HqError> {
    office::sessions::looked(engine, &office::audit::command_line(), what, about, crate::clock::now().wall)
}

/// Does `work` with database and shelves.
fn with_shelves(from: Records, work: impl FnOnce(&Place, &Arc<Shelves>) -> Result<(), HqError>) -> ExitCode {
    let (place, shelves) = match from.both() {
        Ok(both) => both,
        Err(wrong) => return failed(2, &wrong),
    };
    ended(there(&place).and_then(|()| work(&place, &Arc::new(shelves.open()?))))
}

/// A receiver was here: a mistyped place is not made into an empty database.
fn there(place: &Place) -> Result<(), HqError> {
    match place.read_only() {
        Err(HqError::Older { .. }) => Ok(()),
        other => other.map(drop),
    }
}

fn archived(place: &Place, shelves: &Shelves, before: Option<Month>, show: Option<Month>) -> Result<(), HqError> {
    if let Some(month) = show {
        let mut engine = open(place, shelves)?;
        noted(&mut *engine, "month shown", &month.to_string())?;
        return archive::show(&mut *engine, shelves, month, &mut std::io::stdout()).map(drop);
    }
    let mut engine = if before.is_some() { open(place, shelves)? } else { read(place, shelves)? };
    if let Some(before) = before {
        let now = crate::clock::now().wall;
        let moved = archive::archive(&mut *engine, shelves, before.min(Month::of(now)), now)?;
        println!("{moved} events moved");
    }
    for archive::Archived { month, segments, events, bytes } in archive::list(&mut *engine)? {
        println!("{month}  {events} events, {:.1} MB before packing, {segments} segments", bytes as f64 / 1e6);
    }
    Ok(())
}

fn picture(place: &Place, shelves: &Shelves, name: (&str, &str, &str)) -> Result<(), HqError> {
    let mut engine = open(place, shelves)?;
    let (gateway, capture, role) = name;
    let name_of_it = format!("{role} of {capture} ({gateway})");
    if !filing::is_verified(&mut *engine, name)? {
        return Err(HqError::NoPicture { name: name_of_it });
    }
    let bytes = filing::open(&mut *engine, shelves, name)?.ok_or(HqError::Gone { name: name_of_it })?;
    noted(&mut *engine, "picture opened", &[gateway, capture, role].join(" "))?;
    let _ = std::io::stdout().write_all(&bytes);
    Ok(())
}

fn ended(outcome: Result<(), HqError>) -> ExitCode {
    outcome.map_or_else(|fault| failed(1, &fault.to_string()), |()| ExitCode::SUCCESS)
}

fn failed(code: u8, reason: &str) -> ExitCode {
    eprintln!("skinlink-hq: {reason}");
    ExitCode::from(code)
}

/// A token that SIGTERM or SIGINT cancels: of what runs until it is told to end. Any other command ends at once by them, as people expect.
#[expect(clippy::disallowed_methods, reason = "a composition root; the task lives as long as the process")]
fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        token.cancel();
    });
    Ok(stop)
}
