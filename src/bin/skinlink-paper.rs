//! Makes one report on paper, and ends: an order on standard input, its answer on standard output
//! ([`skinlink::report::order`]). Started by the gateway and by headquarters' receiver; takes no argument.

use nix::sys::resource::{Resource, setrlimit};
use skinlink::report::order::{Answer, Form, Named, Order, head, read};
use skinlink_paper::{Fonts, Made};
use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

/// Address space: several times what the largest report takes.
const MEMORY: u64 = 1 << 30;

/// Whoever started it waits less long.
const SECONDS: u64 = 60;

/// Longest order.
const MOST: u64 = 64 << 20;

fn main() -> ExitCode {
    match answered() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("skinlink-paper: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answered() -> Result<(), Box<dyn std::error::Error>> {
    setrlimit(Resource::RLIMIT_AS, MEMORY, MEMORY)?;
    setrlimit(Resource::RLIMIT_CPU, SECONDS, SECONDS)?;
    // A core file would hold a customer's pictures.
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    let mut bytes = Vec::new();
    io::stdin().lock().take(MOST).read_to_end(&mut bytes)?;
    let (order, files) = read::<Order>(&bytes)?;
    let files: Vec<(String, Vec<u8>)> =
        order.files.iter().zip(files).map(|(named, bytes)| (named.name.clone(), bytes.to_vec())).collect();
    drop(bytes);
    let (answer, made) = match made(&order, &files) {
        Ok(made) => {
            let named = made.iter().map(|one| Named::of(one.kind, &one.bytes)).collect();
            (Answer { refused: None, files: named, held: held() }, made)
        }
        Err(fault) => (Answer { refused: Some(fault.to_string()), files: Vec::new(), held: held() }, Vec::new()),
    };
    let mut out = io::stdout().lock();
    out.write_all(&head(&answer)?)?;
    for one in &made {
        out.write_all(&one.bytes)?;
    }
    Ok(out.flush()?)
}

/// The most memory this process held; bytes. Not `getrusage`, which counts what its parent held when it began.
fn held() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn made(order: &Order, files: &[(String, Vec<u8>)]) -> Result<Vec<Made>, skinlink_paper::Fault> {
    let fonts = Fonts::of(&folder());
    let paper = skinlink_paper::Order { data: &order.data, pictures: files };
    let form = |form: &Form| match form {
        Form::Pdf => skinlink_paper::Form::Pdf,
        Form::Picture => skinlink_paper::Form::Picture,
    };
    order.forms.iter().map(|one| skinlink_paper::make(&fonts, form(one), paper)).collect()
}

/// Where the fonts lie: as the package installs them, or as `scripts/setup.sh` makes them beside a development build.
fn folder() -> PathBuf {
    let program = env::current_exe().and_then(fs::canonicalize).unwrap_or_default();
    let beside = program.parent().map(PathBuf::from).unwrap_or_default();
    let places = ["../share/skinlink/fonts", "../fonts", "fonts"].map(|place| beside.join(place));
    let found = places.iter().find(|place| place.join("sans-regular.otf").is_file());
    found.unwrap_or(&places[0]).clone()
}
