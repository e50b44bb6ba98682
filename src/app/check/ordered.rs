//! The same look on headquarters' order: by a process of its own, as somebody at the machine would, so that neither its waits nor a
//! fault in a library reach the gateway. What it prints is the answer, cut to what one event carries.

use super::{super::runtime, Row, State};
use crate::{
    ports::Checker,
    sync::package::{Holding, Stand},
    tasks::packages::PackagesHandle,
};
use std::{path::PathBuf, process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

/// Models are tried against their golden sets, and devices in the air are listened for, on a slow machine: minutes at most.
const LONGEST: Duration = Duration::from_secs(300);

/// Bytes of the answer as JSON text within JSON: it doubles quotes, and the event must fit a publish.
const MOST: usize = 48 * 1024;

/// Bytes of one row's texts: a path or a driver may say anything.
const ROW: usize = 2_000;

/// Looks by this very program, with the installer's configuration. What headquarters has rolled out lies over it and is a row for each
/// package, as the running gateway tells it.
pub fn checker(config: PathBuf, packages: Option<PackagesHandle>) -> Checker {
    Checker::new(move || {
        let (config, packages) = (config.clone(), packages.clone());
        Box::pin(async move {
            let rolled_out = packages.map(|packages| packages.held()).unwrap_or_default();
            look(config, rolled_out.iter().map(row)).await
        })
    })
}

fn row(holding: &Holding) -> Row {
    let what = format!("{} {}", holding.slot, holding.version);
    match holding.stand {
        Stand::Used => match holding.failed.filter(|failed| *failed > 0) {
            Some(failed) => {
                let measured = holding.measured.unwrap_or_default();
                let found = format!("rolled out and in use; {measured} photographs measured, {failed} failed");
                Row::notice(&what, found, "see the page of its rollout")
            }
            None => Row::good(&what, "rolled out and in use"),
        },
        Stand::Held => Row::good(&what, "rolled out; in use as soon as nothing is under way that it would disturb"),
        Stand::Left => Row::good(&what, "was in use and is withdrawn"),
        Stand::Refused => {
            let found = format!("rolled out and refused: {}", holding.reason);
            Row::notice(&what, found, "what was used before goes on; roll out a version that this gateway can take")
        }
    }
}

async fn look(config: PathBuf, rolled_out: impl Iterator<Item = Row>) -> Result<String, String> {
    let program = runtime::program().map_err(|fault| format!("this program is not where it was: {fault}"))?;
    let mut command = Command::new(program);
    command.args(["--log", "error", "check", "--json", "--config"]).arg(&config).stdin(Stdio::null());
    let run = timeout(LONGEST, command.kill_on_drop(true).output()).await;
    let output = run
        .map_err(|_| format!("skinlink check took longer than {} s; run it at the machine", LONGEST.as_secs()))?
        .map_err(|fault| format!("skinlink check cannot be started: {fault}; run it at the machine"))?;
    let mut rows: Vec<Row> = serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: String = said.lines().last().unwrap_or_default().chars().take(400).collect();
        format!("skinlink check gave no table ({last}); run it at the machine")
    })?;
    rows.extend(rolled_out);
    Ok(fitted(rows))
}

/// The rows as JSON within [`MOST`]: what is good goes first, the last of it before the first.
fn fitted(mut rows: Vec<Row>) -> String {
    for row in &mut rows {
        for text in [&mut row.what, &mut row.found, &mut row.remedy] {
            text.truncate(text.floor_char_boundary(ROW));
        }
    }
    let text = |rows: &[Row]| serde_json::to_string(rows).unwrap_or_default();
    // As it will stand in the event.
    let length = |rows: &[Row]| serde_json::to_string(&text(rows)).map_or(0, |text| text.len());
    let mut left_out = 0;
    while length(&rows) > MOST {
        rows.retain(|row| row.what != LEFT_OUT);
        let least = rows.iter().rposition(|row| row.state == State::Good).or(rows.len().checked_sub(1));
        let Some(least) = least else { break };
        rows.remove(least);
        left_out += 1;
        let found = format!("{left_out} more rows, for which this answer has no room");
        rows.push(Row::notice(LEFT_OUT, found, "run skinlink check at the machine"));
    }
    text(&rows)
}

const LEFT_OUT: &str = "left out";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_an_event_and_keeps_what_is_wrong() {
        let usual = vec![Row::good("clock", "synchronised"), Row::fault("disk", "full \"up\"", "free some space")];
        let read: Vec<Row> = serde_json::from_str(&fitted(usual.clone())).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&usual).unwrap());
        let row = |n: usize| {
            let found = format!("{n} {}", "\"霜\\".repeat(900));
            if n.is_multiple_of(9) { Row::fault("device", found, "look") } else { Row::good("device", found) }
        };
        let fitted = fitted((0..80).map(row).collect());
        assert!(serde_json::to_string(&fitted).unwrap().len() <= MOST);
        let read: Vec<Row> = serde_json::from_str(&fitted).unwrap();
        let faults = read.iter().filter(|row| row.state == State::Fault).count();
        assert_eq!((faults, read.last().unwrap().what.as_str()), (9, LEFT_OUT));
        // Nothing but faults, and more of them than there is room for.
        let faults = super::fitted((0..80).map(|n| row(n * 9)).collect());
        assert!(serde_json::to_string(&faults).unwrap().len() <= MOST);
        let read: Vec<Row> = serde_json::from_str(&faults).unwrap();
        assert!(read.len() > 5 && read.iter().filter(|row| row.what == LEFT_OUT).count() == 1, "{}", read.len());
    }
}
