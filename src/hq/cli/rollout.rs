//! `skinlink-hq rollout`: what the office's pages do, on the command line.

use super::{Records, ended, failed, there};
use crate::{
    clock,
    hq::{
        HqError,
        database::engine::Engine,
        office::audit,
        rollout::{self, Deed, plan::Stand},
    },
    report::Lang,
};
use clap::Subcommand;
use std::{collections::BTreeMap, process::ExitCode};

#[derive(Debug, Subcommand)]
pub(super) enum RolloutCommand {
    /// Start one; its pilot ring is reached at once
    Start {
        #[command(flatten)]
        from: Box<Records>,
        /// model/<id>, suggestions, treatments or settings
        slot: String,
        version: u64,
        /// A store of the pilot ring; may be given several times. Without it as many as rollouts.pilot says are drawn
        #[arg(long = "pilot", value_name = "STORE")]
        pilot: Vec<String>,
    },
    /// Show all
    List {
        #[command(flatten)]
        from: Box<Records>,
    },
    /// Show one: rings, stores, what happened
    Show {
        #[command(flatten)]
        from: Box<Records>,
        rollout: u64,
    },
    /// Reach no further ring until told to go on; what was reached stays
    Pause {
        #[command(flatten)]
        from: Box<Records>,
        rollout: u64,
    },
    /// Go to the next ring without waiting for proof
    Next {
        #[command(flatten)]
        from: Box<Records>,
        rollout: u64,
    },
    /// Go on after a pause
    Go {
        #[command(flatten)]
        from: Box<Records>,
        rollout: u64,
    },
    /// Halt one that is under way: no store may use it any more
    Halt {
        #[command(flatten)]
        from: Box<Records>,
        rollout: u64,
    },
    /// Take one back, also after it has finished: no store may use it any more
    Back {
        #[command(flatten)]
        from: Box<Records>,
        rollout: u64,
    },
}

impl RolloutCommand {
    pub fn run(self) -> ExitCode {
        match self {
            Self::Start { from, slot, version, pilot } => match from.with_rollouts() {
                Ok((place, settings)) => ended(there(&place).and_then(|()| {
                    let (who, now) = (audit::command_line(), clock::now().wall);
                    let begun = rollout::start(&mut *place.open()?, (&slot, version), &pilot, &settings, (&who, now))?;
                    println!("rollout {} of {} has begun, {} rings", begun.n, begun.name(), begun.rings);
                    Ok(())
                })),
                Err(wrong) => failed(2, &wrong),
            },
            Self::List { from } => reading(*from, list),
            Self::Show { from, rollout } => reading(*from, |engine| show(engine, rollout)),
            Self::Pause { from, rollout } => act(*from, rollout, Deed::Pause),
            Self::Next { from, rollout } => act(*from, rollout, Deed::Next),
            Self::Go { from, rollout } => act(*from, rollout, Deed::Go),
            Self::Halt { from, rollout } => act(*from, rollout, Deed::Halt),
            Self::Back { from, rollout } => act(*from, rollout, Deed::Back),
        }
    }
}

fn reading(from: Records, work: impl FnOnce(&mut dyn Engine) -> Result<(), HqError>) -> ExitCode {
    match from.place() {
        Ok(place) => ended(place.read_only().and_then(|mut engine| work(&mut *engine))),
        Err(wrong) => failed(2, &wrong),
    }
}

fn act(from: Records, n: u64, deed: Deed) -> ExitCode {
    match from.place() {
        Ok(place) => ended(there(&place).and_then(|()| {
            let who = audit::command_line();
            let now = rollout::act(&mut *place.open()?, (n, None), deed, (&who, clock::now().wall))?;
            println!("rollout {n} of {} is {}, ring {} of {}", now.name(), now.state, now.ring + 1, now.rings);
            Ok(())
        })),
        Err(wrong) => failed(2, &wrong),
    }
}

fn list(engine: &mut dyn Engine) -> Result<(), HqError> {
    for one in rollout::list(engine)? {
        println!(
            "{:4}  {:30} {:9} ring {} of {}  {}",
            one.n,
            one.name(),
            one.state,
            one.ring + 1,
            one.rings,
            one.changed
        );
    }
    Ok(())
}

fn show(engine: &mut dyn Engine, n: u64) -> Result<(), HqError> {
    let one = rollout::one(engine, n)?
        .ok_or_else(|| HqError::Rollout(format!("there is no rollout {n}; skinlink-hq rollout list shows all")))?;
    println!("rollout {n} of {}: {}, ring {} of {}", one.name(), one.state, one.ring + 1, one.rings);
    let seen = rollout::seen(engine, &one, clock::now().wall)?;
    let mut rings: BTreeMap<u32, BTreeMap<&str, usize>> = BTreeMap::new();
    for store in &seen.stores {
        let stand = match store.stand {
            Stand::Waits => "wait",
            Stand::Held { .. } => "hold it",
            Stand::Used { .. } => "use it",
            Stand::Refused { .. } => "refused it",
            Stand::Left => "left it",
        };
        *rings.entry(store.ring).or_default().entry(stand).or_default() += 1;
    }
    for (ring, stands) in &rings {
        let stands: Vec<String> = stands.iter().map(|(stand, many)| format!("{many} {stand}")).collect();
        println!("ring {}: {}", ring + 1, stands.join(", "));
    }
    for store in &seen.stores {
        if let Stand::Refused { reason } = &store.stand {
            println!("{}: {reason}", store.name);
        }
    }
    for step in rollout::happened(engine, n)? {
        let cause = step.cause.map(|cause| cause.sentence(Lang::En)).unwrap_or_default();
        println!("{}  {:12} {} (ring {})  {cause}", step.at, step.who, step.what, step.ring + 1);
    }
    Ok(())
}
