//! Devices that share no code with us (`independent_device.py`, bytes put together by hand) against the real device task: what
//! our decoder and our encoder get wrong in the same way, a simulator made of them cannot show.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic and starts what it watches")]

use skinlink::{
    adapters::discovery::{By, Discovery},
    app::recognise::{Opener, Recognise},
    domain::{Region, metric::MetricId},
    protocol::{Event, NoValue, Request, Spec},
    tasks::{
        device::{Device, DeviceHandle},
        observation::{self, Observation},
    },
};
use std::{fs, path::Path, process::Stdio, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::{Mutex, mpsc::Receiver},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(20);

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
}

/// The device as a process of its own, and the gateway's task that serves it.
struct Table {
    _folder: tempfile::TempDir,
    _device: Child,
    says: Lines<BufReader<ChildStdout>>,
    handle: DeviceHandle,
    inbox: Receiver<Observation>,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Table {
    async fn set(kind: &str, protocol: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(root.join("firmware-protocols").join(protocol).join("protocol.toml")).unwrap();
        let spec = Arc::new(Spec::parse(protocol, &text).unwrap_or_else(|faults| panic!("{faults}")));
        let folder = tempfile::tempdir().unwrap();
        let port = folder.path().join("port");
        let mut device = Command::new("python3")
            .arg(root.join("tests/independent_device.py"))
            .arg(kind)
            .arg(&port)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python3 is installed by make setup");
        let mut says = BufReader::new(device.stdout.take().unwrap()).lines();
        assert_eq!(soon("ready", says.next_line()).await.unwrap().as_deref(), Some("ready"));
        let (sender, inbox) = observation::queue();
        let (handle, task) = Device::new(Arc::clone(&spec), sender);
        let (discovery, wanted) = (Discovery::system(), By::Path(port));
        let line = spec.serial.clone().expect("a serial line");
        let what = Recognise { discovery, wanted, others: Vec::new(), line, spec };
        let opener = Arc::new(Mutex::new(Opener::new(what, None)));
        let stop = CancellationToken::new();
        let open = move || {
            let opener = Arc::clone(&opener);
            async move { opener.lock().await.open().await }
        };
        let task = tokio::spawn(task.run(open, stop.clone()));
        let mut state = handle.state();
        soon("connected", state.wait_for(|state| state.connected)).await.unwrap();
        Self { _folder: folder, _device: device, says, handle, inbox, task, stop }
    }

    /// Asks for a value: as text, or why there is none. Everything is confirmed.
    async fn measure(&mut self, token: u64, metric: &str) -> Result<String, NoValue> {
        let request = Request { token, metric: MetricId::new(metric).unwrap(), region: Region::Chin };
        soon("ask", self.handle.measure(request)).await.unwrap();
        soon("an answer", async {
            loop {
                match self.inbox.recv().await.unwrap().event {
                    Event::Measured(measured) if measured.token == Some(token) => {
                        self.handle.confirm(measured.counter.unwrap()).await;
                        return Ok(measured.values[0].value.to_string());
                    }
                    Event::Refused { token: Some(found), reason, .. } if found == token => return Err(reason),
                    _ => {}
                }
            }
        })
        .await
    }

    /// The next line the device prints that begins so; a frame that is wrong in its eyes fails the test.
    async fn hears(&mut self, begins: &str) -> String {
        soon(begins, async {
            loop {
                let line = self.says.next_line().await.unwrap().expect("the device runs");
                assert!(!line.starts_with("wrong"), "the device does not understand us: {line}");
                if line.starts_with(begins) {
                    return line;
                }
            }
        })
        .await
    }

    async fn end(self) {
        self.stop.cancel();
        soon("the end", self.task).await.unwrap();
    }
}

#[tokio::test]
async fn the_reference_analyser_by_hand_and_ours_mean_the_same() {
    let mut table = Table::set("derma", "derma-reference").await;
    let who = table.handle.identity().unwrap();
    assert_eq!((who.serial.as_str(), who.probe.as_str(), who.firmware.as_str()), ("IND-0417", "P-22", "9.1"));
    for (token, metric) in (1..).zip(["moisture", "sebum", "elasticity", "moisture", "elasticity", "sebum"]) {
        let value = table.measure(token, metric).await.unwrap();
        assert_eq!(table.hears("sent").await, format!("sent {metric} {value}"));
        assert_eq!(table.hears("safe").await, format!("safe {token}"), "its own number comes back");
    }
    table.end().await;
}

#[tokio::test]
async fn the_pen_by_hand_and_ours_mean_the_same_past_its_last_number() {
    let mut table = Table::set("pen", "moist-line").await;
    let mut values = Vec::new();
    for token in 1..=5 {
        let answer = table.measure(token, "moisture").await;
        if let Ok(value) = &answer {
            assert_eq!(table.hears("sent").await, format!("sent moisture {value}"));
        }
        values.push(answer.unwrap_or_else(|reason| reason.to_string()));
    }
    assert_eq!(values, ["41.7", "40.0", "35.2", "absent", "41.7"], "9998, 9999, 0000, …");
    table.end().await;
}
