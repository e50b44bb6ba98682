//! The inference process as a test sees it, and skin drawn for it.

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
    answers: mpsc::Receiver<Option<Reply>>,
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
        let onnxruntime = library.display().to_string();
        self.ask(&Request::Setup { onnxruntime, memory_mib }, &[regions().as_bytes()])
    }

    /// `None` when the process ended instead of answering.
    pub fn ask(&mut self, request: &Request, parts: &[&[u8]]) -> Option<Reply> {
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
        self.ask(&Request::Activate { folder: folder.display().to_string() }, &[])
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

    pub fn ended(&mut self) -> ExitStatus {
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

fn answer(output: &mut impl Read) -> Option<Reply> {
    let mut prefix = [0; PREFIX];
    output.read_exact(&mut prefix).ok()?;
    let Prefix { header, .. } = Prefix::parse(prefix).expect("the process speaks in frames");
    let mut bytes = vec![0; header];
    output.read_exact(&mut bytes).ok()?;
    Some(job::parse_header(&bytes).expect("the process answers in the words of the job"))
}

/// A left cheek at 13 px/mm, drawn from a seed: light, texture, moles and pores.
pub struct Skin {
    canvas: Vec<f32>,
    pub pores: Vec<(f64, f64)>,
}

/// Canvas and picture size; the anchors stand where a left view has them at 13 px/mm.
pub const SIZE: [usize; 2] = [1100, 1350];
pub const ANCHORS: [[f64; 2]; 2] = [[280.0, 200.0], [280.0, 1110.0]];

/// How a picture of a skin was taken.
#[derive(Clone, Copy)]
pub struct Shot {
    pub degrees: f64,
    pub size: f64,
    pub shift: [f64; 2],
    pub gain: f64,
    pub noise: f64,
    pub seed: u64,
}

pub const STILL: Shot = Shot { degrees: 0.0, size: 1.0, shift: [0.0, 0.0], gain: 1.0, noise: 1.0, seed: 1 };

impl Skin {
    /// Without the first `removed` of its pores.
    pub fn new(seed: u64, removed: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let [width, height] = SIZE;
        let mut canvas = vec![150.0_f32; width * height];
        let mut blot = |x: f64, y: f64, sigma: f64, depth: f64| {
            let reach = (3.0 * sigma) as i64;
            for row in (y as i64 - reach).max(0)..(y as i64 + reach).min(height as i64) {
                for column in (x as i64 - reach).max(0)..(x as i64 + reach).min(width as i64) {
                    let squared = (column as f64 - x).powi(2) + (row as f64 - y).powi(2);
                    canvas[row as usize * width + column as usize] -=
                        (depth * (-0.5 * squared / sigma.powi(2)).exp()) as f32;
                }
            }
        };
        let mut place = || (random.f64() * width as f64, random.f64() * height as f64, random.f64(), random.f64());
        for (count, sigma, depth) in [(40, 90.0, 14.0), (500, 14.0, 5.0), (9_000, 3.5, 3.0), (25, 7.0, 30.0)] {
            for _ in 0..count {
                let (x, y, a, b) = place();
                blot(x, y, sigma * (0.7 + 0.6 * a), depth * (2.0 * b - 0.7));
            }
        }
        let mut pores: Vec<(f64, f64)> = Vec::new();
        while pores.len() < 4_000 {
            let (x, y, a, b) = place();
            let near = |p: &(f64, f64)| (p.0 - x).powi(2) + (p.1 - y).powi(2) < 100.0;
            if !pores.iter().any(near) {
                if pores.len() >= removed {
                    blot(x, y, 1.5 + 0.6 * a, 18.0 + 16.0 * b);
                }
                pores.push((x, y));
            }
        }
        Self { canvas, pores }
    }

    /// PNG bytes of a picture of it.
    pub fn taken(&self, shot: Shot) -> Vec<u8> {
        let [width, height] = SIZE;
        let mut random = fastrand::Rng::with_seed(shot.seed);
        let (sin, cos) = shot.degrees.to_radians().sin_cos();
        let middle = [width as f64 / 2.0, height as f64 / 2.0];
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                let (dx, dy) = (x as f64 - middle[0] - shot.shift[0], y as f64 - middle[1] - shot.shift[1]);
                let at = [(cos * dx + sin * dy) / shot.size + middle[0], (cos * dy - sin * dx) / shot.size + middle[1]];
                let noise: f64 = (0..4).map(|_| random.f64() - 0.5).sum::<f64>() * shot.noise * 1.73;
                let value = self.between(at) * shot.gain + noise;
                for tint in [1.15, 1.0, 0.85] {
                    rgb.push((value * tint).round().clamp(0.0, 255.0) as u8);
                }
            }
        }
        png(width as u32, height as u32, &rgb)
    }

    fn between(&self, [x, y]: [f64; 2]) -> f64 {
        let [width, height] = SIZE;
        let (x, y) = (x.clamp(0.0, width as f64 - 1.001), y.clamp(0.0, height as f64 - 1.001));
        let (left, top) = (x as usize, y as usize);
        let (fx, fy) = (x - left as f64, y - top as f64);
        let at = |x: usize, y: usize| f64::from(self.canvas[y.min(height - 1) * width + x.min(width - 1)]);
        let upper = at(left, top) * (1.0 - fx) + at(left + 1, top) * fx;
        let lower = at(left, top + 1) * (1.0 - fx) + at(left + 1, top + 1) * fx;
        upper * (1.0 - fy) + lower * fy
    }
}

pub fn png(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    use image::{ExtendedColorType, ImageEncoder, codecs::png};
    let mut bytes = Vec::new();
    let encoder = png::PngEncoder::new_with_quality(&mut bytes, png::CompressionType::Fast, png::FilterType::NoFilter);
    encoder.write_image(rgb, width, height, ExtendedColorType::Rgb8).expect("into memory");
    bytes
}
