//! The inference process as a test sees it.

use skinlink::analysis::job::{self, PREFIX, Prefix, Reply, Request};
use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

/// For one answer, on a machine that builds at the same time.
pub const LIMIT: Duration = Duration::from_secs(120);

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// ONNX Runtime as `make setup` leaves it.
pub fn library() -> PathBuf {
    let path = std::env::var_os("SKINLINK_ONNXRUNTIME")
        .map_or_else(|| root().join("target/onnxruntime/libonnxruntime.so.1.28.0"), PathBuf::from);
    assert!(
        path.exists(),
        "{} is missing: run `make setup`, or name the library in SKINLINK_ONNXRUNTIME",
        path.display()
    );
    path
}

pub fn regions() -> String {
    std::fs::read_to_string(root().join("config/face-regions.toml")).expect("part of the repository")
}

/// `skinlink worker`, spoken to without the gateway.
pub struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    answers: mpsc::Receiver<Option<(Reply, Vec<Vec<u8>>)>>,
}

impl Worker {
    /// Not yet set up.
    pub fn bare() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_skinlink"))
            .arg("worker")
            .env("ORT_DISABLE_TELEMETRY", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let mut output = child.stdout.take().expect("piped");
        let (send, answers) = mpsc::channel();
        std::thread::spawn(move || while send.send(answer(&mut output)).is_ok() {});
        Self { input: child.stdin.take(), child, answers }
    }

    pub fn set_up() -> Self {
        let mut worker = Self::bare();
        let reply = worker.set_up_with(&library(), 3072);
        assert!(matches!(reply, Some(Reply::Ready { .. })), "{reply:?}");
        worker
    }

    pub fn set_up_with(&mut self, library: &Path, memory_mib: u32) -> Option<Reply> {
        self.set_up_for(library, memory_mib, &regions())
    }

    /// With other regions than the project's.
    pub fn set_up_for(&mut self, library: &Path, memory_mib: u32, regions: &str) -> Option<Reply> {
        let onnxruntime = library.display().to_string();
        self.ask(&Request::Setup { onnxruntime, memory_mib }, &[regions.as_bytes()])
    }

    /// `None` when the process ended instead of answering.
    pub fn ask(&mut self, request: &Request, parts: &[&[u8]]) -> Option<Reply> {
        self.ask_for_parts(request, parts).map(|(reply, _)| reply)
    }

    /// The same with the answer's parts.
    pub fn ask_for_parts(&mut self, request: &Request, parts: &[&[u8]]) -> Option<(Reply, Vec<Vec<u8>>)> {
        self.send(&[&job::head(request, parts).expect("a sound request")[..], &parts.concat()].concat());
        self.answers.recv_timeout(LIMIT).expect("an answer or an end within the limit")
    }

    /// The sentence of a refusal; fails on any other answer.
    pub fn refusal(&mut self, request: &Request, parts: &[&[u8]]) -> String {
        match self.ask(request, parts) {
            Some(Reply::Failed { reason }) => reason,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    pub fn activate(&mut self, folder: &Path) -> Option<Reply> {
        self.ask(&Request::Activate { folder: folder.display().to_string(), pinned: None }, &[])
    }

    /// Bytes as they are; a process that ended already does not matter here.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.input.as_mut().expect("not hung up").write_all(bytes);
    }

    /// Closes the pipe and waits for the end.
    pub fn hang_up(mut self) -> ExitStatus {
        self.input = None;
        self.ended()
    }

    fn ended(&mut self) -> ExitStatus {
        assert_eq!(self.answers.recv_timeout(LIMIT), Ok(None), "it ends without a word");
        self.child.wait().expect("a child of ours")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(output: &mut impl Read) -> Option<(Reply, Vec<Vec<u8>>)> {
    let mut prefix = [0; PREFIX];
    output.read_exact(&mut prefix).ok()?;
    let Prefix { header, parts } = Prefix::parse(prefix).expect("the process speaks in frames");
    let mut lengths = vec![0; 4 * parts];
    output.read_exact(&mut lengths).ok()?;
    let lengths = Prefix::part_lengths(&lengths).expect("parts within the limits");
    let mut bytes = vec![0; header];
    output.read_exact(&mut bytes).ok()?;
    let reply = job::parse_header(&bytes).expect("the process answers in the words of the job");
    let mut parts = Vec::new();
    for length in lengths {
        let mut part = vec![0; length];
        output.read_exact(&mut part).ok()?;
        parts.push(part);
    }
    Some((reply, parts))
}
