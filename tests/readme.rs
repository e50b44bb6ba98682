//! The README keeps its word: the analyser in ten lines is a protocol file that loads, its commands are there.

use skinlink::{
    adapters::pki::{Authority, Use, Validity},
    clock,
    domain::Timestamp,
    protocol::Spec,
};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

#[test]
fn the_analyser_in_ten_lines_loads() {
    let readme = include_str!("../README.md");
    let toml: Vec<&str> = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [file] = toml[..] else { panic!("the README shows one protocol file, found {}", toml.len()) };
    assert!(file.lines().count() <= 10, "ten lines were promised, there are {}", file.lines().count());
    let spec = Spec::parse("my-pen", file).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(spec.metrics[0].id.as_str(), "moisture");
}

/// Every command that the README names exists.
#[test]
fn every_command_of_the_table_is_understood() {
    use clap::CommandFactory;
    let commands = skinlink::cli::Cli::command();
    for row in include_str!("../README.md").lines().filter(|line| line.starts_with("| `skinlink ")) {
        let name = row.trim_start_matches("| `skinlink ").split([' ', '`']).next().unwrap_or_default();
        assert!(commands.find_subcommand(name).is_some(), "{row}");
    }
}

/// `make hq` begins this script: headquarters is up, its contract is served, its stores can be asked for, and Ctrl-C ends all of it.
/// Where it was tried a month ago it said so too, while the broker let nobody in: the certificates were too old.
#[test]
fn a_headquarters_on_this_machine_starts_and_ends() {
    let home = tempfile::tempdir().expect("a folder");
    // Where the database's own user can reach it.
    let database = tempfile::Builder::new().prefix("skinlink-hq-").tempdir_in("/var/tmp").expect("a folder");
    let pki = home.path().join("pki");
    fs::create_dir_all(&pki).expect("a folder");
    let month = 30 * 86_400_000;
    let validity = Validity::days(Timestamp::from_unix_ms(clock::now().wall.unix_ms() - month - 3_600_000), 30);
    let authority = Authority::new("an authority of last month", validity).expect("an authority");
    authority.issue(&pki, "broker", Use::Server(&["localhost", "127.0.0.1"]), validity).expect("a leaf");
    for name in ["hq-1", "sh-001-g1"] {
        authority.issue(&pki, name, Use::Client, validity).expect("a leaf");
    }
    let [broker, listen] = [(); 2].map(|()| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("a bound port").port()
    });
    let program = Path::new(env!("CARGO_BIN_EXE_skinlink-hq"));
    let script = Command::new("scripts/hq.sh")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("HQ_HOME", home.path())
        .env("HQ_DATABASE_HOME", database.path())
        .env("HQ_BROKER_PORT", broker.to_string())
        .env("HQ_LISTEN", format!("127.0.0.1:{listen}"))
        .env("HQ_BIN", program.parent().expect("its folder"))
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("it starts");
    let mut script = Script(script);
    let mut said = BufReader::new(script.0.stdout.take().expect("its words")).lines().map_while(Result::ok);
    let up = said.by_ref().find(|line| line.contains("headquarters is up"));
    let logs = || {
        let logs = ["postgres.log", "broker.log", "receiver.log"].map(|log| fs::read_to_string(home.path().join(log)));
        format!("{logs:?}")
    };
    assert!(up.is_some(), "{}", logs());
    let heard = fs::read_to_string(home.path().join("receiver.log")).expect("its log");
    assert!(heard.contains("connected to the broker"), "{}", logs());
    let stores = Command::new(program).arg("stores").arg("--config").arg(home.path().join("hq.toml")).output();
    let stores = stores.expect("it runs");
    assert!(stores.status.success(), "{}", String::from_utf8_lossy(&stores.stderr));
    let mut page = String::new();
    let mut line = TcpStream::connect(("127.0.0.1", listen)).expect("the contract is served");
    line.write_all(b"GET /contract/tables.md HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        .expect("it is asked");
    line.read_to_string(&mut page).expect("it answers");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("visits"), "{page}");
    drop(script);
    assert!(TcpStream::connect(("127.0.0.1", broker)).is_err(), "the broker ended too");
}

/// Ends as by Ctrl-C, also when the story ends early.
struct Script(Child);

impl Drop for Script {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).expect("a process id"));
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGINT);
        let _ = self.0.wait();
    }
}
