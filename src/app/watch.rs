//! `skinlink protocol try` and `skinlink devices record`: a device's line, live, until Ctrl-C. Waits for a device that is not
//! there, reads a protocol file again when it is saved, takes requests on standard input, and keeps what passed if asked to.

use super::{
    catalogue,
    live::{Line, Passed},
    print::{self, complain, say},
    rows::Layout,
    signals::Signals,
};
use crate::{
    adapters::{
        ble::{self, Air, Overheard, Pinned},
        serial::SerialLink,
    },
    cli::exit,
    clock,
    domain::{Region, metric::MetricId},
    ports::{Link, LinkError},
    protocol::{
        Request, Spec,
        air::Ble,
        bthome::Key,
        listing::Side,
        recording::{Head, Piece},
        spec::Serial,
    },
};
use anyhow::Context;
use std::{
    fs::{self, File},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    time::{Instant, interval, sleep},
};
use tokio_util::sync::CancellationToken;

/// How soon a device that came back, or a file that was saved, is noticed.
const LOOK: Duration = Duration::from_millis(300);

/// How the device is reached.
#[derive(Debug, Clone)]
pub enum Way {
    Line {
        port: PathBuf,
        serial: Serial,
    },
    Air {
        address: String,
        ble: Ble,
    },
    /// Only advertises: it is listened to and never connected.
    Heard {
        address: String,
        key: Option<Key>,
        spec: Arc<Spec>,
    },
}

/// A device to be watched.
#[derive(Debug)]
pub struct Watch {
    pub way: Way,
    pub spec: Option<Arc<Spec>>,
    /// Read again when it changes.
    pub file: Option<ProtocolFile>,
    pub recorder: Option<Recorder>,
    /// Ends by itself after this.
    pub limit: Option<Duration>,
    /// Tell the device that its values are safe, although nothing is kept.
    pub acknowledges: bool,
}

/// A protocol file that someone is writing.
#[derive(Debug)]
pub struct ProtocolFile {
    path: PathBuf,
    id: String,
    /// As it was read last. The text, not its time: an editor may save a file twice within one tick of the clock.
    seen: Option<String>,
}

impl ProtocolFile {
    /// `path` is a protocol file, a folder with one, or the id of a folder of `protocols`.
    #[must_use]
    pub fn find(path: &Path, protocols: &Path) -> Self {
        let candidates = [path.join("protocol.toml"), protocols.join(path).join("protocol.toml")];
        let path = candidates.into_iter().find(|file| file.is_file()).unwrap_or_else(|| path.to_owned());
        let folder = fs::canonicalize(&path).ok().and_then(|path| Some(path.parent()?.file_name()?.to_owned()));
        let id = folder.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self { path, id, seen: None }
    }

    /// Reads it; the error shows the lines that are wrong.
    ///
    /// # Errors
    /// Unreadable, or all that is wrong with it.
    pub fn read(&mut self) -> anyhow::Result<Arc<Spec>> {
        let text = catalogue::read(&self.path)?;
        let spec = Spec::parse_file(&self.path.display().to_string(), &self.id, &text);
        self.seen = Some(text);
        Ok(Arc::new(spec.map_err(|faults| anyhow::anyhow!("{}", faults.with_lines()))?))
    }

    fn is_stale(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| Some(&text) != self.seen.as_ref())
    }
}

/// Keeps what passes in a file, line by line: whatever happens then, it is there.
#[derive(Debug)]
pub struct Recorder {
    file: File,
    path: PathBuf,
    pieces: usize,
}

impl Recorder {
    /// Begins a new file; an old one is never written over.
    ///
    /// # Errors
    /// When there is one, or none can be made.
    pub fn begin(path: &Path, head: &Head) -> io::Result<Self> {
        let mut file = File::create_new(path)?;
        write!(file, "{head}")?;
        Ok(Self { file, path: path.to_owned(), pieces: 0 })
    }

    fn keep(&mut self, piece: &Piece) -> io::Result<()> {
        self.pieces += 1;
        self.file.write_all(format!("{piece}\n").as_bytes())
    }
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    understood: usize,
    not_understood: usize,
    bytes: usize,
}

/// Shows, and keeps, what passes.
struct Show {
    began: Instant,
    seen: Seen,
    /// The device sends again what is not acknowledged: its last frame is shown once.
    repeats: bool,
    last: Vec<u8>,
    recorder: Option<Recorder>,
    /// Not in the air: a pseudo-terminal can play it.
    on_a_line: bool,
    /// The device was there at least once.
    opened: bool,
    fault: Option<io::Error>,
}

impl Show {
    fn passed(&mut self, passed: Passed) {
        let (at, layout) = (self.began.elapsed(), Layout::of_terminal());
        match passed {
            Passed::Bytes(from, bytes) => {
                self.seen.bytes += bytes.len();
                let kept = self.recorder.as_mut().map(|recorder| recorder.keep(&Piece { at, from, bytes }));
                self.fault = self.fault.take().or(kept.and_then(Result::err));
            }
            Passed::Row(side, row) => {
                let count = if row.meaning.is_ok() { &mut self.seen.understood } else { &mut self.seen.not_understood };
                *count += usize::from(side == Side::Device);
                let again = self.repeats && side == Side::Device && row.meaning.is_ok() && row.bytes == self.last;
                if again {
                    say!("{}", layout.again(at));
                } else {
                    say!("{}", layout.row(at, side, &row));
                }
                if side == Side::Device && row.meaning.is_ok() {
                    self.last = row.bytes;
                }
            }
            Passed::Raw(side, bytes) => say!("{}", layout.raw(at, side, &bytes)),
            Passed::Event(event) => {
                if let Some(text) = layout.event(at, &event) {
                    say!("{text}");
                }
            }
        }
    }

    fn note(&self, text: &str) {
        say!("{}", Layout::of_terminal().note(self.began.elapsed(), text));
    }
}

impl Watch {
    /// Watches until Ctrl-C, the limit, or the end of the reader.
    ///
    /// # Errors
    /// When the recording cannot be written any more.
    pub async fn run(mut self) -> anyhow::Result<u8> {
        let mut signals = Signals::install()?;
        let mut show = Show {
            began: Instant::now(),
            seen: Seen::default(),
            repeats: self.spec.as_ref().is_some_and(|spec| spec.flow.acknowledge.is_some()),
            last: Vec::new(),
            recorder: self.recorder.take(),
            on_a_line: matches!(self.way, Way::Line { .. }),
            opened: false,
            fault: None,
        };
        let limit = self.limit;
        let ended = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let (air, owner) = ble::air();
        // While one handle is held it ends only when it is told to.
        let held = air.clone();
        let stop = CancellationToken::new();
        let mut owner = pin!(owner.run(stop.clone()));
        let mut over = false;
        tokio::select! {
            () = signals.stop_requested() => {}
            () = ended => over = true,
            // Does nothing until a device in the air is wanted.
            () = &mut owner => {}
            broken = self.watch(air, &mut show) => broken?,
        }
        stop.cancel();
        drop(held);
        // It lets go of the device, so that it is free for others.
        owner.await;
        summary(&show);
        // Whoever waits for a script's answer wants to know that nothing was looked at.
        Ok(if over && !show.opened { exit::FAULT } else { exit::OK })
    }

    async fn watch(&mut self, air: Air, show: &mut Show) -> anyhow::Result<()> {
        match self.way.clone() {
            Way::Line { port, serial } => {
                let open = format!("= {} is open at {} baud", port.display(), serial.baud);
                let link = || async { SerialLink::open(&port, &serial).await };
                self.watch_by(link, &open, show).await
            }
            Way::Air { address, ble } => {
                let open = format!("= {address} is connected");
                let mut opener = ble::opener(air, Pinned { address: Some(address), ble });
                let link = || {
                    let opening = opener();
                    async { opening.await.map(|opened| opened.link) }
                };
                self.watch_by(link, &open, show).await
            }
            Way::Heard { address, key, spec } => {
                let open = format!("= {address} is heard");
                let mut listen = ble::listener(air, Overheard { address, key, spec });
                let link = || {
                    let hearing = listen();
                    async { hearing.await.map(|opened| opened.link) }
                };
                self.watch_by(link, &open, show).await
            }
        }
    }

    /// Ends only with a fault of the recording.
    async fn watch_by<L: Link, F>(
        &mut self,
        mut link: impl FnMut() -> F,
        open: &str,
        show: &mut Show,
    ) -> anyhow::Result<()>
    where
        F: Future<Output = Result<L, LinkError>>,
    {
        let mut input = Input::open().await;
        let mut told = String::new();
        loop {
            match link().await {
                Ok(link) => {
                    told.clear();
                    show.opened = true;
                    show.note(open);
                    let lost = self.converse(link, show, &mut input).await?;
                    tell(show, &mut told, &lost);
                }
                Err(fault) => tell(show, &mut told, &fault),
            }
            sleep(LOOK).await;
        }
    }

    async fn converse<L: Link>(&mut self, link: L, show: &mut Show, input: &mut Input) -> anyhow::Result<LinkError> {
        let mut line = Line::new(link, self.spec.as_ref(), self.acknowledges);
        let (mut look, mut token) = (interval(LOOK), 0);
        loop {
            let step = {
                let mut passed = |passed| show.passed(passed);
                tokio::select! {
                    passed = line.next(&mut passed) => Step::Passed(passed),
                    text = input.next() => Step::Asked(text),
                    _ = look.tick() => Step::Look,
                }
            };
            if let Some(fault) = show.fault.take() {
                let path =
                    show.recorder.as_ref().map(|recorder| recorder.path.display().to_string()).unwrap_or_default();
                return Err(fault).with_context(|| format!("cannot write {path}"));
            }
            match (step, &self.spec) {
                (Step::Passed(Err(lost)), _) => return Ok(lost),
                (Step::Asked(text), Some(spec)) => {
                    token += 1;
                    match request(&text, spec, token) {
                        Ok(request) => line.measure(request),
                        Err(why) => show.note(&why),
                    }
                }
                (Step::Look, _) => {
                    if let Some(spec) = self.reread(show) {
                        line = line.with_spec(&spec);
                    }
                }
                _ => {}
            }
        }
    }

    /// The protocol file again, if it has been saved and is sound.
    fn reread(&mut self, show: &Show) -> Option<Arc<Spec>> {
        let file = self.file.as_mut().filter(|file| file.is_stale())?;
        match file.read() {
            Ok(spec) => {
                show.note("= the file was read again");
                self.spec = Some(Arc::clone(&spec));
                Some(spec)
            }
            Err(wrong) => {
                complain(&format!("{wrong}\nthe file is not sound; what was read before goes on"));
                None
            }
        }
    }
}

/// What there is to do next.
enum Step {
    Passed(Result<(), LinkError>),
    Asked(String),
    Look,
}

/// Tells a fault once, in both languages, and that it waits.
fn tell(show: &Show, told: &mut String, fault: &LinkError) {
    let text = fault.to_string();
    if *told != text {
        let advice = fault.advice();
        show.note(&format!("✗ {text}"));
        show.note(&format!("  {} {}", advice.zh, advice.en));
        show.note("  waiting for it; Ctrl-C ends");
        *told = text;
    }
}

fn summary(show: &Show) {
    if io::stdout().is_terminal() {
        // Below the ^C that the terminal shows.
        print::line("");
    }
    let Seen { understood, not_understood, bytes } = show.seen;
    say!(
        "{understood} frames understood, {not_understood} not, {bytes} bytes in {:.1} s",
        show.began.elapsed().as_secs_f64()
    );
    if let Some(recorder) = &show.recorder {
        let path = recorder.path.display();
        let play = if show.on_a_line { format!("; play it: skinlink simulate --replay {path}") } else { String::new() };
        say!("{} pieces in {path}; read it again: skinlink protocol replay {path}{play}", recorder.pieces);
    }
}

/// `moisture left_cheek` or `measure moisture`.
fn request(line: &str, spec: &Spec, token: u64) -> Result<Request, String> {
    let askable: Vec<&str> =
        spec.flow.measure.iter().flat_map(|measure| &measure.metrics).map(MetricId::as_str).collect();
    let help = || {
        let known =
            if askable.is_empty() { "nothing: it measures by its own button".to_owned() } else { askable.join(", ") };
        format!("write a metric and, if you like, a region: \"moisture left_cheek\"; it can be asked for {known}")
    };
    let mut words = line.split_whitespace().filter(|word| *word != "measure");
    let metric = words.next().filter(|metric| askable.contains(metric)).ok_or_else(help)?;
    let region = words.next().map_or(Ok(Region::LeftCheek), str::parse).map_err(|unknown| unknown.to_string())?;
    let metric = MetricId::new(metric).map_err(|wrong| wrong.to_string())?;
    Ok(Request { token, metric, region })
}

/// Lines of standard input; where there are none it waits for ever.
struct Input(Option<Lines<BufReader<tokio::fs::File>>>);

impl Input {
    async fn open() -> Self {
        Self(tokio::fs::File::open("/dev/stdin").await.ok().map(|file| BufReader::new(file).lines()))
    }

    /// Cancel-safe.
    async fn next(&mut self) -> String {
        loop {
            match &mut self.0 {
                None => std::future::pending::<()>().await,
                Some(lines) => match lines.next_line().await {
                    Ok(Some(line)) if line.trim().is_empty() => {}
                    Ok(Some(line)) => return line,
                    _ => self.0 = None,
                },
            }
        }
    }
}

/// The head of a recording that begins now. In the air there is no rate: 0.
#[must_use]
pub fn head(spec: Option<&Spec>, way: &Way) -> Head {
    let (port, baud) = match way {
        Way::Line { port, serial } => (port.display().to_string(), serial.baud),
        Way::Air { address, .. } | Way::Heard { address, .. } => (address.clone(), 0),
    };
    Head {
        protocol: spec.map(|spec| format!("{} {}", spec.id, spec.version)).unwrap_or_default(),
        baud,
        port,
        began: clock::now().wall.to_string(),
    }
}
