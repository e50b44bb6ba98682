//! All four forms of a visit with six photographs, from the stored pictures: page model, JSON, FHIR in this process; PDF and long
//! picture by the program that makes them, its start and its fonts included. `cargo bench --bench papers`.
//!
//! Each figure is the best and the middle of nine runs, with the time of all processors together (which other work on the machine
//! moves less) and the memory of the largest maker; the bars stand beside them.

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../tests/paper/sheets.rs"]
#[expect(dead_code, unused_imports, reason = "shared with the tests")]
mod sheets;

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};
use skinlink::{
    analysis::{derivative, door},
    desk::{self, Press},
    report::{Lang, fhir, order::Form, sheet::leaf},
    sync::{image_lane::Role, sheet::Sheet},
};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

const RUNS: usize = 9;

/// Milliseconds and bytes that all four forms may take.
const BARS: (f64, f64) = (600.0, 120e6);

/// A report picture as the store makes it.
fn derived(name: &str) -> Vec<u8> {
    let (view, phase) = name.split_once('-').expect("view and phase");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("target/demo-photos/{phase}/{view}.jpg"));
    let original = fs::read(&path).unwrap_or_else(|fault| panic!("{} (make setup): {fault}", path.display()));
    let admitted = door::admit(&original).expect("a photograph");
    derivative::derive(&admitted).expect("it can be decoded").report
}

fn made(runtime: &Runtime, press: &Press, sheet: &Sheet, pictures: &[(String, Vec<u8>)], forms: &[Form]) -> usize {
    let picture = async |name: String, _: Role| {
        let found = pictures.iter().find(|(known, _)| *known == name);
        Ok(found.map(|(_, bytes)| ("image/jpeg", bytes.clone())))
    };
    let made = runtime.block_on(desk::made(press, Lang::Zh, sheet, forms.to_vec(), picture)).expect("a report");
    made.iter().map(|(_, bytes)| bytes.len()).sum()
}

/// What this process and its children have used of the processors, milliseconds.
fn used() -> i64 {
    let of = |who| getrusage(who).map_or(0, |usage| (usage.user_time() + usage.system_time()).num_milliseconds());
    of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)
}

/// Best and middle.
fn timed(what: &str, mut work: impl FnMut() -> usize) -> Duration {
    let before = used();
    let mut runs: Vec<(Duration, usize)> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let bytes = work();
            (start.elapsed(), bytes)
        })
        .collect();
    runs.sort();
    let (best, middle, used) = (runs[0].0, runs[RUNS / 2].0, (used() - before) / RUNS as i64);
    println!(
        "{what}: best {:.0} ms, middle {:.0} ms, {used} ms of processor, {} bytes",
        ms(best),
        ms(middle),
        runs[0].1
    );
    middle
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn main() {
    let sheet = sheets::whole();
    let names = sheet.photographs.iter().flat_map(|pair| [pair.before.clone(), pair.after.clone()]).flatten();
    let pictures: Vec<(String, Vec<u8>)> = names.map(|name| (name.clone(), derived(&name))).collect();
    println!("{} photographs of {} bytes together", pictures.len(), pictures.iter().map(|p| p.1.len()).sum::<usize>());
    let press = Press::new(env!("CARGO_BIN_EXE_skinlink-paper").into());
    let runtime = Runtime::new().expect("a runtime");
    let data = || {
        let page = format!("{:?}", leaf(Lang::Zh, &sheet)).len();
        let json = serde_json::to_string(&sheet).expect("plain data").len();
        page + json + fhir::bundle(Lang::En, &sheet, 7).to_string().len()
    };
    timed("page model, JSON, FHIR", data);
    timed("PDF", || made(&runtime, &press, &sheet, &pictures, &[Form::Pdf]));
    timed("long picture", || made(&runtime, &press, &sheet, &pictures, &[Form::Picture]));
    let all =
        timed("all four forms", || data() + made(&runtime, &press, &sheet, &pictures, &[Form::Pdf, Form::Picture]));
    let largest = press.most_held() as f64;
    let statm = fs::read_to_string("/proc/self/statm").expect("this process");
    println!("of the bars: time {:.2}, memory {:.2} ({largest:.0} bytes)", ms(all) / BARS.0, largest / BARS.1);
    println!("this process holds {} pages", statm.split(' ').nth(1).unwrap_or_default());
}
