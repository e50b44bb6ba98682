//! The inference process under a limit of memory, asked for the gates of one picture after another, and how much it ever took.

use skinlink::analysis::job::{self, PREFIX, Placed, Prefix, Reply, Request};
use std::{
    fs,
    io::{Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

pub struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Worker {
    pub fn with_memory(mib: u32) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_skinlink"))
            .arg("worker")
            .env("ORT_DISABLE_TELEMETRY", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut worker = Self { child, input, output };
        let library = std::env::var("SKINLINK_ONNXRUNTIME").unwrap_or_else(|_| {
            super::root().join("target/onnxruntime/libonnxruntime.so.1.28.0").display().to_string()
        });
        let regions = fs::read(super::root().join("config/face-regions.toml")).unwrap();
        let ready = worker.ask(&Request::Setup { onnxruntime: library, memory_mib: mib }, &[&regions]);
        assert!(matches!(ready, Some(Reply::Ready { .. })), "{ready:?}");
        worker
    }

    /// `None` when the process ended instead of answering.
    pub fn ask(&mut self, request: &Request, parts: &[&[u8]]) -> Option<Reply> {
        self.input.write_all(&job::head(request, parts).unwrap()).ok()?;
        for part in parts {
            self.input.write_all(part).ok()?;
        }
        let mut prefix = [0; PREFIX];
        self.output.read_exact(&mut prefix).ok()?;
        let mut bytes = vec![0; Prefix::parse(prefix).unwrap().header];
        self.output.read_exact(&mut bytes).ok()?;
        Some(job::parse_header(&bytes).unwrap())
    }

    pub fn gate(&mut self, view: &str, picture: &[u8]) -> Option<Reply> {
        let anchors = if view == "front" { [[30.0, 30.0], [90.0, 32.0]] } else { [[0.0, 0.0], [50.0, 0.0]] };
        self.ask(&Request::Gate { view: view.into(), shot: Placed { anchors, nose: None }, before: None }, &[picture])
    }

    /// Most memory it ever held, MiB.
    pub fn peak_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
