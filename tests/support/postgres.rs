//! A real PostgreSQL server from the system's packages, in a temporary folder, reached over a Unix socket. It ends, and its
//! folder goes, when the pipe to it closes: also when the test program was killed. The server refuses to run as root, so root
//! lends it the user `nobody`.

use skinlink::hq::database::{Place, engine::Engine};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// One line a command on its standard input, one line an answer.
const KEEPER: &str = r#"
bin=$1 folder=$2
shift 2
start() {
    "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off -c max_connections=200 "$@" \
        >>"$folder/log" 2>&1 &
    server=$!
    until "$bin/pg_isready" -q -h "$folder" -U hq; do
        kill -0 $server || { cat "$folder/log" >&2; exit 1; }
        sleep 0.05
    done
    echo up
}
"$bin/initdb" -D "$folder/data" -U hq -A trust -E UTF8 --no-locale --no-sync >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
start "$@"
while read -r order; do
    case $order in
        stop) kill -INT $server; wait $server; echo down ;;
        kill) kill -QUIT $server; wait $server; echo down ;;
        start) start "$@" ;;
    esac
done
kill -INT $server; wait $server
rm -rf "$folder"
"#;

const NOBODY: u32 = 65534;

/// A running server.
pub struct Server {
    folder: PathBuf,
    port: u16,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    keeper: Child,
    databases: AtomicU32,
}

impl Server {
    /// A server of the test's own, that may be stopped and started.
    pub fn start() -> Self {
        Self::start_with(5432, |_| Vec::new())
    }

    /// On another port; `prepare` puts files into the folder and gives more of the server's own options.
    pub fn start_with(port: u16, prepare: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::Builder::new().prefix("skinlink-pg-").tempdir().expect("a folder").keep();
        let mut command = Command::new("sh");
        let options = prepare(&folder);
        command.args(["-c", KEEPER, "keeper"]).arg(programs()).arg(&folder).args(options);
        command.env("PGPORT", port.to_string());
        if fs::metadata("/proc/self").expect("proc is mounted").uid() == 0 {
            let files = fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path());
            for path in files.chain([folder.clone()]) {
                chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
            }
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut keeper =
            command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell runs");
        let (orders, answers) = (keeper.stdin.take(), keeper.stdout.take());
        let (orders, answers) = (orders.expect("a pipe"), BufReader::new(answers.expect("a pipe")));
        let mut server = Self { folder, port, orders, answers, keeper, databases: AtomicU32::new(0) };
        server.answered("up");
        server
    }

    /// A fresh, empty database.
    pub fn database(&self) -> Place {
        self.fresh().parse().expect("an address")
    }

    /// Address of a fresh, empty database.
    pub fn fresh(&self) -> String {
        let name = format!("chain{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = Command::new(programs().join("createdb"))
            .args(["-U", "hq", "-p", &self.port.to_string(), "-h"])
            .arg(&self.folder)
            .arg(&name)
            .output()
            .expect("createdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let socket = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://hq@{socket}:{}/{name}", self.port)
    }

    /// Address of a copy of a database, as a backup that was brought back; nobody may be connected to it.
    pub fn copy_of(&self, url: &str) -> String {
        let from = url.rsplit('/').next().expect("a name");
        let name = format!("chain{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = Command::new(programs().join("createdb"))
            .args(["-U", "hq", "-p", &self.port.to_string(), "-T", from, "-h"])
            .arg(&self.folder)
            .arg(&name)
            .output()
            .expect("createdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        format!("{}/{name}", url.rsplit_once('/').expect("an address").0)
    }

    /// Ends it as an operator would (`stop`, connections are cut off) or as a crash would (`kill`); `start` brings it back.
    pub fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("the keeper listens");
        self.answered(if order == "start" { "up" } else { "down" });
    }

    fn answered(&mut self, wanted: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the keeper answers");
        assert_eq!(line.trim(), wanted, "PostgreSQL; its log: {:?}", fs::read_to_string(self.folder.join("log")));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The keeper sees the pipe close when this is gone.
        let _ = self.keeper.try_wait();
    }
}

/// A fresh database on the server that all tests of this program share.
pub fn database() -> Place {
    static SHARED: OnceLock<Mutex<Server>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Mutex::new(Server::start()));
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner).database()
}

/// Waits until so many others wait for a lock in this database, or until `over`.
pub fn until_they_wait(engine: &mut dyn Engine, others: i64, over: impl Fn() -> bool) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..500 {
        let waiting: i64 = engine.query(sql, &[]).expect("it answers")[0].get(0).expect("a number");
        if waiting >= others || over() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("nobody waits");
}

/// Where the server's programs lie: the newest version that is installed.
pub fn programs() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed (scripts/setup.sh)");
        let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        let newest = versions.filter_map(|entry| Some(entry.ok()?.path())).max_by_key(version).expect("a version");
        newest.join("bin")
    })
}
