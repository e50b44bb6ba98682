//! Packs the guest and starts it.

use std::{
    env, fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// What `scripts/setup.sh` has made, and the second memory disk behind it.
pub struct Lab {
    folder: TempDir,
    kernel: PathBuf,
}

/// A guest that runs; ends with its value.
pub struct Guest {
    story: &'static str,
    machine: Child,
    /// Reads its console from the start: one that is not emptied stands still.
    reader: Option<JoinHandle<String>>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.machine.kill();
        let _ = self.machine.wait();
    }
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The gateway, this test, their libraries, the protocols and the configuration, behind the kernel's own memory disk.
pub fn pack() -> Lab {
    let test = env::current_exe().expect("this very program");
    let made = test.ancestors().nth(3).expect("<target>/<profile>/deps/<test>").join("ble-lab");
    let (kernel, base) = (made.join("vmlinux"), made.join("base.cpio"));
    assert!(kernel.exists() && base.exists(), "{} is not complete: `make setup` makes it", made.display());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = folder.path().join("disk");
    let own = folder.path().join("own");
    let part = |to: &str, from: &Path| format!("{to}={}", from.display());
    let packed = Command::new(project().join("tests/ble-lab/guest.py"))
        .arg("pack")
        .arg(&own)
        .arg(part("lab/skinlink", Path::new(env!("CARGO_BIN_EXE_skinlink"))))
        .arg(part("lab/story", &test))
        .arg(part("lab/protocols", &project().join("firmware-protocols")))
        .arg(part("lab/config", &project().join("config")))
        .status()
        .expect("python3 is installed (scripts/setup.sh does that)");
    assert!(packed.success(), "the guest cannot be packed");
    let both = [fs::read(base).expect("the memory disk"), fs::read(own).expect("just packed")].concat();
    fs::write(disk, both).expect("room for the memory disk");
    Lab { folder, kernel }
}

impl Guest {
    /// Starts a machine with these settings on its kernel's command line, where its first process finds them.
    pub fn start(lab: &Lab, story: &'static str, settings: &str) -> Self {
        // Without the self tests of the kernel's ciphers it starts three seconds earlier.
        let line = format!("console=ttyS0 quiet panic=-1 nokaslr mitigations=off cryptomgr.notests {settings}");
        let mut machine = Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1", "-m", "1024"])
            .args(["-display", "none", "-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"])
            .arg("-kernel")
            .arg(&lab.kernel)
            .arg("-initrd")
            .arg(lab.folder.path().join("disk"))
            .args(["-append", &line])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system-x86 is installed (scripts/setup.sh does that)");
        let mut console = machine.stdout.take().expect("its console");
        let reader = thread::spawn(move || {
            let mut said = Vec::new();
            // A machine that is killed has said what it has said.
            let _ = console.read_to_end(&mut said);
            String::from_utf8_lossy(&said).replace('\r', "")
        });
        Self { story, machine, reader: Some(reader) }
    }

    /// All that it says until it switches itself off, which it does before `until`.
    pub fn wait(mut self, until: Instant) -> String {
        let over = loop {
            if self.machine.try_wait().expect("our own process").is_some() {
                break true;
            }
            if Instant::now() > until {
                let _ = self.machine.kill();
                break false;
            }
            thread::sleep(Duration::from_millis(100));
        };
        let said = self.reader.take().expect("waited for once").join().expect("reads");
        assert!(over, "{} is not over in time:\n{said}", self.story);
        said
    }
}
