//! Command line of `skinlink-hq`. Exit codes: 0 done, 1 failed while running, 2 wrong arguments or configuration.

use super::{
    HqError, archive,
    archive::Month,
    config::{RawDatabase, RawHqConfig, ShelfSettings},
    database::{Database, Place},
    dead_letters, filing,
    images::Rules,
    records,
    shelf::Shelves,
    stores,
    tail::{self, TailOptions},
};
use clap::{Parser, Subcommand};
use std::{io::Write as _, path::PathBuf, process::ExitCode, sync::Arc};
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
    /// Show every store: when it was heard, what is here, what is missing
    Stores {
        #[command(flatten)]
        from: Records,
        /// JSON lines instead of text
        #[arg(long)]
        json: bool,
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
        /// report, derivative or original
        #[arg(long, default_value = "report")]
        role: String,
    },
}

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
    fn place(self) -> Result<Place, String> {
        self.both().map(|(place, _)| place)
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
    runtime.block_on(ended).unwrap_or_else(|fault| failed(1, &fault.to_string()))
}

async fn command(command: Command) -> ExitCode {
    let stop = match stop_on_signal() {
        Ok(stop) => stop,
        Err(fault) => return failed(1, &fault.to_string()),
    };
    match command {
        Command::Run { config, flags } => {
            let file = match config.as_deref().map(RawHqConfig::read).transpose() {
                Ok(file) => file.unwrap_or_default(),
                Err(fault) => return failed(2, &fault.to_string()),
            };
            match flags.or(file).resolve() {
                Ok(config) => ended(super::run(config, stop).await),
                Err(missing) => failed(2, &missing),
            }
        }
        Command::Tail { from, json, last, no_follow } => {
            let options = TailOptions { json, last, follow: !no_follow };
            match from.place() {
                Ok(place) => ended(tail::run(&place, options, &mut std::io::stdout(), stop).await),
                Err(wrong) => failed(2, &wrong),
            }
        }
        Command::Stores { from, json } => match from.place() {
            Ok(place) => ended(stores::print(&place, json, &mut std::io::stdout())),
            Err(wrong) => failed(2, &wrong),
        },
        Command::Rebuild { from } => match from.both() {
            Ok((place, shelves)) => ended(
                shelves
                    .open()
                    .and_then(|shelves| records::rebuild(&place, &shelves))
                    .map(|events| println!("{events} events read")),
            ),
            Err(wrong) => failed(2, &wrong),
        },
        Command::Schema => {
            print!("{}", records::schema_page::page());
            ExitCode::SUCCESS
        }
        Command::Contract => {
            println!("{:#}", crate::sync::contract::asyncapi());
            ExitCode::SUCCESS
        }
        Command::Replay { from, list: _, month: Some(month) } => with_shelves(from, |place, shelves| {
            let back = archive::bring_back(&mut *place.open()?, shelves, month)?;
            println!("{back} events are in the database again");
            Ok(())
        }),
        Command::Archive { from, before, show } => {
            with_shelves(from, |place, shelves| archived(place, shelves, before, show))
        }
        Command::Erase { from, store, customer } => with_shelves(from, |place, shelves| {
            let mut database = Database::with(place, Arc::clone(shelves), Rules::default())?;
            let receipt = database.erase(&store, &customer, crate::clock::now().wall)?;
            println!(
                "erased: {} ids, {} visits, {} events, {} pictures",
                receipt.customers, receipt.visits, receipt.events, receipt.pictures
            );
            Ok(())
        }),
        Command::Picture { from, gateway, capture, role } => {
            with_shelves(from, |place, shelves| picture(place, shelves, (&gateway, &capture, &role)))
        }
        Command::Replay { from, list, month: None } => match from.place() {
            Ok(place) if list => ended(dead_letters::print(&place, &mut std::io::stdout())),
            Ok(place) => ended(dead_letters::replay(&place, &mut std::io::stdout())),
            Err(wrong) => failed(2, &wrong),
        },
    }
}

/// Does `work` with database and shelves.
fn with_shelves(from: Records, work: impl FnOnce(&Place, &Arc<Shelves>) -> Result<(), HqError>) -> ExitCode {
    match from.both() {
        Ok((place, shelves)) => ended(shelves.open().and_then(|shelves| work(&place, &Arc::new(shelves)))),
        Err(wrong) => failed(2, &wrong),
    }
}

fn archived(place: &Place, shelves: &Shelves, before: Option<Month>, show: Option<Month>) -> Result<(), HqError> {
    let mut engine = place.open()?;
    let now = crate::clock::now().wall;
    if let Some(month) = show {
        return archive::show(&mut *engine, shelves, month, &mut std::io::stdout()).map(drop);
    }
    if let Some(before) = before {
        let moved = archive::archive(&mut *engine, shelves, before.min(Month::of(now)), now)?;
        println!("{moved} events moved");
    }
    for archive::Archived { month, segments, events, bytes } in archive::list(&mut *engine)? {
        println!("{month}  {events} events, {:.1} MB before packing, {segments} segments", bytes as f64 / 1e6);
    }
    Ok(())
}

fn picture(place: &Place, shelves: &Shelves, name: (&str, &str, &str)) -> Result<(), HqError> {
    let bytes = filing::open(&mut *place.read_only()?, shelves, name)?;
    let (gateway, capture, role) = name;
    let bytes = bytes.ok_or_else(|| HqError::Gone { name: format!("{role} of {capture} ({gateway})") })?;
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

/// A token that SIGTERM or SIGINT cancels.
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
