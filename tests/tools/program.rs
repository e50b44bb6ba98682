//! The program, run and watched.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

/// Every wait of these tests.
pub const LIMIT: Duration = Duration::from_secs(30);

pub fn skinlink(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

/// What it printed, and its exit code; it must end by itself.
pub fn ended(command: &mut Command) -> (i32, String, String) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let Output { status, stdout, stderr } = wait(child);
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!stderr.contains("panicked"), "{stderr}");
    (status.code().expect("it was not killed"), stdout, stderr)
}

/// Waits for a child within the limit.
pub fn wait(mut child: Child) -> Output {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > LIMIT {
            let _ = child.kill();
            panic!("it did not end within {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

/// A program in the background; ended when dropped.
pub struct Running(pub Child);

impl Running {
    /// A simulated device; returns once its port is there.
    pub fn device(arguments: &[&str], port: &Path) -> Self {
        let mut all = vec!["simulate"];
        all.extend(arguments);
        let mut command = skinlink(&all);
        let child = command.arg("--port").arg(port).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        appears(port);
        Self(child)
    }

    pub fn say(&mut self, line: &str) {
        let input = self.0.stdin.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub fn interrupt(&self) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), Signal::SIGINT).unwrap();
    }

    /// Reads what it prints until `wanted` has been printed; it is ended where that takes too long.
    pub fn until(&mut self, wanted: &str) -> String {
        let (done, watched) = mpsc::channel::<()>();
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let watchdog = std::thread::spawn(move || {
            if watched.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        });
        let text = self.read_until(wanted);
        drop(done);
        watchdog.join().unwrap();
        text.unwrap_or_else(|text| panic!("{wanted:?} was not printed within {LIMIT:?}: {text}"))
    }

    fn read_until(&mut self, wanted: &str) -> Result<String, String> {
        let out = self.0.stdout.as_mut().unwrap();
        let (mut text, mut byte) = (Vec::new(), [0]);
        while out.read(&mut byte).unwrap() == 1 {
            text.push(byte[0]);
            if text.ends_with(wanted.as_bytes()) {
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
        }
        Err(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn appears(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < LIMIT, "{} did not appear", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}
