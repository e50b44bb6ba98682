//! Each story in a process of its own: the D-Bus library reads the system bus's address once, so that one process knows one
//! bus only.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Names the story inside its own process.
const INSIDE: &str = "SKINLINK_STORY";

/// Runs `tell` in a process of its own, whose system bus will be in the folder it is given.
pub fn alone(name: &str, tell: impl AsyncFnOnce(PathBuf)) {
    if env::var(INSIDE).as_deref() == Ok(name) {
        let address = env::var("DBUS_SYSTEM_BUS_ADDRESS").expect("set below");
        let socket = Path::new(address.trim_start_matches("unix:path="));
        let folder = socket.parent().expect("a socket in a folder").to_owned();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(tell(folder));
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = Command::new(env::current_exe().expect("this very program"))
        .args([name, "--exact", "--nocapture", "--include-ignored"])
        .env(INSIDE, name)
        .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}/bus", folder.path().display()))
        .stdin(Stdio::null())
        .output()
        .expect("the story starts");
    let (out, err) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success(), "{name}: {}\n{out}\n{err}", told.status);
    assert!(out.contains("1 passed"), "{name} was not told: {out}");
}
