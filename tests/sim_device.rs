//! A simulated analyser on a real pseudo-terminal, opened by the gateway's own serial link: it is served, closed, opened
//! again, unplugged and plugged in, and its ledger says what it measured.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

use skinlink::{
    adapters::serial::SerialLink,
    domain::{Region, metric::MetricId, scan::Phase},
    ports::{Link, LinkError},
    protocol::{Event, Input, Output, Request, Session, Spec},
    sim::{Faults, LedgerLine, Setup, SimDevice, SimHandle, Simulated, Wire, serve},
};
use std::{fs, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Real time on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

fn spec(id: &str) -> Arc<Spec> {
    let path = format!("{}/firmware-protocols/{id}/protocol.toml", env!("CARGO_MANIFEST_DIR"));
    Arc::new(Spec::parse(id, &fs::read_to_string(path).unwrap()).unwrap())
}

fn metric(name: &str) -> MetricId {
    MetricId::new(name).unwrap()
}

/// The gateway's end: a session over a link.
struct Gateway {
    link: SerialLink,
    session: Session,
}

impl Gateway {
    async fn open(path: &Path, spec: &Arc<Spec>) -> Self {
        let line = spec.serial.as_ref().expect("a serial line");
        let link = timeout(LIMIT, async {
            loop {
                match SerialLink::open(path, line).await {
                    Ok(link) => return link,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        let link = link.await.expect("the pseudo-terminal can be opened within the limit");
        Self { link, session: Session::new(spec.clone(), Instant::now().into_std()) }
    }

    /// Runs until an event that `wanted` takes, confirming every measurement.
    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<Event, LinkError> {
        timeout(LIMIT, self.run(wanted)).await.expect("the event comes within the limit")
    }

    async fn run(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<Event, LinkError> {
        let mut buffer = [0; 256];
        loop {
            let wake = match self.session.poll_output() {
                Output::Transmit(bytes) => {
                    self.link.send(&bytes).await?;
                    continue;
                }
                Output::Event(event) => {
                    if let Event::Measured(measurement) = &event
                        && let Some(counter) = measurement.counter
                    {
                        self.session.handle_input(Instant::now().into_std(), Input::Confirmed(counter));
                    }
                    if wanted(&event) {
                        return Ok(event);
                    }
                    continue;
                }
                Output::WaitUntil(wake) => wake,
            };
            let input = tokio::select! {
                received = self.link.recv(&mut buffer) => Input::Bytes(&buffer[..received?]),
                () = sleep_until(wake.into()) => Input::Tick,
            };
            self.session.handle_input(Instant::now().into_std(), input);
        }
    }

    async fn measure(&mut self, token: u64, name: &str, region: Region) -> String {
        let request = Request { token, metric: metric(name), region };
        self.session.handle_input(Instant::now().into_std(), Input::Measure(request));
        let event = self.until(|event| match event {
            Event::Measured(measurement) => measurement.token == Some(token),
            Event::Refused { token: refused, .. } => *refused == Some(token),
            _ => false,
        });
        match event.await.unwrap() {
            Event::Measured(measurement) => measurement.values[0].value.to_string(),
            other => panic!("no value: {other:?}"),
        }
    }
}

fn identified(event: &Event) -> bool {
    matches!(event, Event::Identified(_))
}

/// Runs a story beside a served device.
async fn beside<F: Future<Output = ()>>(
    faults: Faults,
    story: impl FnOnce(std::path::PathBuf, SimHandle, Arc<Spec>) -> F,
) -> (Vec<LedgerLine>, String) {
    let folder = tempfile::tempdir().unwrap();
    let (path, ledger) = (folder.path().join("analyser"), folder.path().join("ledger.jsonl"));
    let spec = spec("derma-reference");
    let device = SimDevice::new(spec.clone(), Setup::new("DR-0417", 21), Instant::now().into_std());
    let (handle, simulated) = Simulated::new(device, Wire::new(faults, 1), Wire::new(faults, 2));
    let simulated = simulated.with_ledger_file(&ledger).unwrap();
    let stop = CancellationToken::new();
    let story = story(path.clone(), handle.clone(), spec);
    let told = async {
        story.await;
        let lines = handle.ledger().await.unwrap();
        stop.cancel();
        lines
    };
    let (served, lines) = tokio::join!(serve(&path, simulated, stop.clone()), told);
    served.unwrap();
    assert!(!path.exists() && fs::symlink_metadata(&path).is_err(), "the node is gone with the device");
    (lines, fs::read_to_string(&ledger).unwrap())
}

/// Waits until the simulator has put a fresh terminal under `path`.
async fn replaced(path: &Path, old: &Path) {
    let limit = Instant::now() + Duration::from_secs(15);
    while fs::read_link(path).is_ok_and(|target| target == old) {
        assert!(Instant::now() < limit, "the closed terminal was not replaced");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn it_is_served_closed_opened_again_unplugged_and_plugged_in() {
    let (lines, file) = beside(Faults::NONE, |path, handle, spec| async move {
        let mut gateway = Gateway::open(&path, &spec).await;
        let Event::Identified(identity) = gateway.until(identified).await.unwrap() else { unreachable!() };
        assert_eq!(identity.serial, "DR-0417");
        let first = gateway.measure(1, "moisture", Region::Nose).await;
        assert_eq!(handle.ledger().await.unwrap()[0].value, first);

        let old = fs::read_link(&path).unwrap();
        drop(gateway);
        // A gateway that opens at once may still get the old terminal, which then hangs up; a real one opens again.
        replaced(&path, &old).await;
        let mut gateway = Gateway::open(&path, &spec).await;
        gateway.until(identified).await.unwrap();
        handle.set_phase(Phase::After).await.unwrap();
        handle.press(metric("sebum"), Region::Chin).await.unwrap();
        let unasked = gateway.until(|event| matches!(event, Event::Measured(_))).await.unwrap();
        assert!(matches!(unasked, Event::Measured(measurement) if measurement.token.is_none()));

        handle.unplug().await.unwrap();
        let began = Instant::now();
        let gone = gateway.until(|_| false).await.unwrap_err();
        assert!(matches!(gone, LinkError::Gone(_)) && began.elapsed() < Duration::from_secs(8), "{gone}");
        drop(gateway);
        handle.plug_in().await.unwrap();
        let mut gateway = Gateway::open(&path, &spec).await;
        gateway.until(identified).await.unwrap();
        gateway.measure(2, "elasticity", Region::Chin).await;
    })
    .await;
    let metrics: Vec<_> = lines.iter().map(|line| (line.counter, line.metric.as_str(), line.phase.as_str())).collect();
    assert_eq!(metrics, [(1, "moisture", "before"), (2, "sebum", "after"), (3, "elasticity", "after")]);
    let written: Vec<LedgerLine> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(written, lines);
}

#[tokio::test]
async fn over_a_hostile_wire_on_a_real_terminal_each_value_is_the_device_s() {
    let (lines, _) = beside(Faults::HOSTILE, |path, handle, spec| async move {
        let mut gateway = Gateway::open(&path, &spec).await;
        gateway.until(identified).await.unwrap();
        for token in 1..=5 {
            let value = gateway.measure(token, "moisture", Region::Chin).await;
            let ledger = handle.ledger().await.unwrap();
            assert!(ledger.iter().any(|line| line.value == value), "{value} was never measured: {ledger:?}");
        }
    })
    .await;
    assert!(lines.len() >= 5);
}

/// A gateway was killed and the next one opened the line before the analyser had looked: that it was closed once stayed known
/// for ever, the analyser turned in a circle and heard nobody any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_closed_and_opened_at_once_does_not_turn_the_analyser_in_a_circle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("analyser");
    let device = SimDevice::new(spec("derma-reference"), Setup::new("DR-0417", 21), Instant::now().into_std());
    let (handle, simulated) = Simulated::new(device, Wire::sound(), Wire::sound());
    let stop = CancellationToken::new();
    let (served, stopped) = (path.clone(), stop.clone());
    #[expect(clippy::disallowed_methods, reason = "the test watches this task itself")]
    let analyser = tokio::spawn(async move { serve(&served, simulated, stopped).await });
    let open = || {
        let no_terminal_of_ours = nix::fcntl::OFlag::O_NOCTTY.bits();
        fs::File::options().read(true).write(true).custom_flags(no_terminal_of_ours).open(&path)
    };
    let heard = async || timeout(LIMIT, handle.ledger()).await.expect("the analyser hears").unwrap();
    heard().await;
    for _ in 0..50 {
        drop(open());
        // May find no terminal at all: then the analyser was faster.
        let again = open();
        heard().await;
        drop(again);
    }
    stop.cancel();
    timeout(LIMIT, analyser).await.expect("it ends").unwrap().unwrap();
}
