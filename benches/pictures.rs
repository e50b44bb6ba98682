//! One photograph through the inference process, from the bytes on its way in to the scores on their way out: the quality gates
//! alone, a pair, and the whole analysis, with how much memory the process ever held. `cargo bench --bench pictures`.
//!
//! A twelve-megapixel JPEG: the demonstration's rendered face, photographed once more at 3000 × 4000 in another size. Each figure is
//! the best and the middle of nine runs; they mean something on a machine that does nothing else.

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder, imageops::FilterType};
use skinlink::analysis::job::{self, PREFIX, Placed, Prefix, Reply, Request};
use std::{
    fs,
    io::{Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

const RUNS: usize = 9;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Worker {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_skinlink"))
            .arg("worker")
            .env("ORT_DISABLE_TELEMETRY", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built for this bench");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut worker = Self { child, input, output };
        let library = root().join("target/onnxruntime/libonnxruntime.so.1.28.0").display().to_string();
        let regions = fs::read(root().join("config/face-regions.toml")).expect("part of the repository");
        worker.ask(&Request::Setup { onnxruntime: library, memory_mib: 3072 }, &[&regions]);
        let folder = root().join("models/pores-dog").display().to_string();
        worker.ask(&Request::Activate { folder }, &[]);
        worker
    }

    fn ask(&mut self, request: &Request, parts: &[&[u8]]) -> Reply {
        self.input.write_all(&job::head(request, parts).expect("a sound request")).expect("it listens");
        for part in parts {
            self.input.write_all(part).expect("it listens");
        }
        let mut prefix = [0; PREFIX];
        self.output.read_exact(&mut prefix).expect("it answers");
        let mut bytes = vec![0; Prefix::parse(prefix).expect("a frame").header];
        self.output.read_exact(&mut bytes).expect("it answers");
        let reply = job::parse_header(&bytes).expect("a reply");
        assert!(!matches!(reply, Reply::Failed { .. }), "{reply:?}");
        reply
    }

    fn peak_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it lives");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("every process has one");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A view of the demonstration's customer at twelve megapixels, with its anchors.
fn photograph(phase: &str, view: &str) -> (Vec<u8>, [[f64; 2]; 2]) {
    let folder = root().join("target/demo-photos");
    let small = image::open(folder.join(format!("{phase}/{view}.jpg"))).expect("run `make setup`").into_rgb8();
    let planted: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("planted.json")).expect("beside them")).expect("JSON");
    let photo = planted["photos"]
        .as_array()
        .and_then(|photos| photos.iter().find(|photo| photo["phase"] == phase && photo["view"] == view));
    let anchors: [[f64; 2]; 2] =
        serde_json::from_value(photo.expect("every view of every phase")["anchors"].clone()).expect("two places");
    let (width, height) = (3000_u32, 4000_u32);
    let large = image::imageops::resize(&small, width, height, FilterType::CatmullRom);
    let scale = [f64::from(width) / f64::from(small.width()), f64::from(height) / f64::from(small.height())];
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 92)
        .write_image(&large, width, height, ExtendedColorType::Rgb8)
        .expect("into memory");
    (bytes, anchors.map(|[x, y]| [x * scale[0], y * scale[1]]))
}

fn timed(name: &str, mut work: impl FnMut()) {
    work();
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!(
        "{name:<44} best {:>7.0} ms, middle {:>7.0} ms",
        times[0].as_secs_f64() * 1e3,
        times[RUNS / 2].as_secs_f64() * 1e3
    );
}

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    for view in ["front", "left"] {
        let (before, before_anchors) = photograph("before", view);
        let (after, after_anchors) = photograph("after", view);
        println!("{view}: 3000 × 4000, {} kB", before.len() / 1000);
        let mut worker = Worker::start();
        println!("{:<44} {} MiB", "the process with its model, idle", worker.peak_mib());
        let place = |anchors| Placed { anchors, nose: None };
        timed("quality gates", || {
            worker.ask(&Request::Gate { view: view.into(), shot: place(before_anchors), before: None }, &[&before]);
        });
        timed("whole analysis", || {
            let camera = String::new();
            worker.ask(&Request::Measure { view: view.into(), anchors: before_anchors, camera }, &[&before]);
        });
        println!("{:<44} {} MiB", "most memory it ever held so far", worker.peak_mib());
        timed("quality gates of an after picture", || {
            let request =
                Request::Gate { view: view.into(), shot: place(after_anchors), before: Some(place(before_anchors)) };
            worker.ask(&request, &[&after, &before]);
        });
        timed("paired measures", || {
            worker.ask(&Request::Paired { view: view.into(), before_anchors, after_anchors }, &[&before, &after]);
        });
        println!("{:<44} {} MiB", "most memory it ever held", worker.peak_mib());
    }
}
