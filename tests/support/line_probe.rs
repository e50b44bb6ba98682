//! A probe that talks in lines, written from its manual and not with our codec: what it misreads, our driver has said wrong.
//!
//! `W` who are you → `I,<serial>,<firmware>` · `G,<request>` measure → `M,<request>,<counter>,<value>` ·
//! `A,<counter>` the value is safe, no answer. Lines end in CR LF. A value that was not acknowledged comes again after the
//! next `W`.

use super::pty::Plug;
use skinlink::{
    adapters::{discovery::By, discovery::Discovery, serial::SerialLink},
    domain::{Region, metric::MetricId},
    ports::{LinkError, Opened},
    protocol::{Request, Spec},
    tasks::{
        device::{Device, DeviceHandle, DeviceState},
        observation::{self, Observation},
    },
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

const MANUAL: &str = r#"
schema = 1
id = "line-probe"
version = "1"
title = { zh = "测试探头", en = "Test probe" }
source = "its manual above"
[transport.serial]
baud = 115200
[framing]
kind = "delimited"
end = "\r\n"
separator = ","
[[message]]
name = "identity"
match = "I"
field = [{ role = "serial", width = "ascii" }, { role = "firmware", width = "ascii" }]
[[message]]
name = "moisture"
match = "M"
field = [{ role = "request", width = "digits" }, { role = "counter", width = "digits" }, { metric = "moisture", width = "decimal", unit = "%" }]
[[command]]
name = "who"
match = "W"
[[command]]
name = "measure"
match = "G"
field = [{ role = "request", width = "digits" }]
[[command]]
name = "acknowledge"
match = "A"
field = [{ role = "counter", width = "digits" }]
[[metric]]
id = "moisture"
[flow]
identify = [{ send = "who", reply = "identity", timeout_ms = 400, retries = 2 }]
acknowledge = "acknowledge"
[[flow.measure]]
metrics = ["moisture"]
steps = [{ send = "measure", reply = "moisture", timeout_ms = 1500, retries = 0 }]
"#;

/// Every wait of a test.
pub const LIMIT: Duration = Duration::from_secs(10);

pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
}

pub fn spec() -> Arc<Spec> {
    Arc::new(Spec::parse("line-probe", MANUAL).unwrap_or_else(|faults| panic!("{faults}")))
}

pub fn request(token: u64) -> Request {
    Request { token, metric: MetricId::new("moisture").expect("a name"), region: Region::LeftCheek }
}

/// How the probe's wire behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Clean,
    /// One byte at a time, with line noise between the lines.
    Crumbs,
    /// Takes a measuring command and says nothing.
    Thinking,
}

/// The probe itself, at its end of the cable. Ends when dropped, which pulls the cable.
pub struct Probe {
    work: JoinHandle<()>,
    /// Every line it was sent.
    pub heard: mpsc::UnboundedReceiver<String>,
    /// Lines it is to say by itself.
    pub say: mpsc::UnboundedSender<String>,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Probe {
    pub fn plug_in(name: &Path, serial: &str, wire: Wire) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let (say, mut to_say) = mpsc::unbounded_channel::<String>();
        let (mut plug, serial) = (Plug::insert(name), serial.to_owned());
        let work = tokio::spawn(async move {
            let (mut counter, mut kept) = (0_u64, Vec::<String>::new());
            let (mut pending, mut buffer) = (Vec::new(), [0; 256]);
            loop {
                let count = tokio::select! {
                    read = plug.wire.read(&mut buffer) => read.unwrap_or(0),
                    line = to_say.recv() => {
                        write(&mut plug, &line.expect("the probe's own end is held"), wire).await;
                        continue;
                    }
                };
                pending.extend_from_slice(&buffer[..count]);
                while let Some(at) = pending.windows(2).position(|pair| pair == b"\r\n") {
                    let line = String::from_utf8_lossy(&pending[..at]).into_owned();
                    pending.drain(..at + 2);
                    let columns: Vec<&str> = line.split(',').collect();
                    match columns.as_slice() {
                        ["W"] => {
                            write(&mut plug, &format!("I,{serial},1.0"), wire).await;
                            for line in &kept {
                                write(&mut plug, line, wire).await;
                            }
                        }
                        ["G", _] if wire == Wire::Thinking => {}
                        ["G", request] => {
                            counter += 1;
                            let line = format!("M,{request},{counter},35.2");
                            write(&mut plug, &line, wire).await;
                            kept.push(format!("M,0,{counter},35.2"));
                        }
                        ["A", safe] => kept.retain(|line| line.split(',').nth(2) != Some(safe)),
                        _ => {}
                    }
                    let _ = tell.send(line);
                }
            }
        });
        Self { work, heard, say }
    }

    /// Waits until it is sent a line.
    pub async fn hears(&mut self, wanted: &str) {
        soon(wanted, async { while self.heard.recv().await.expect("it listens") != wanted {} }).await;
    }

    /// Pulls its cable and waits until it is out.
    pub async fn pull(mut self) {
        self.work.abort();
        let _ = (&mut self.work).await;
    }
}

async fn write(plug: &mut Plug, line: &str, wire: Wire) {
    let text = format!("{line}\r\n");
    if wire != Wire::Crumbs {
        let _ = plug.wire.write_all(text.as_bytes()).await;
        return;
    }
    let _ = plug.wire.write_all(b"\x00\xFFM,,x\r\n").await;
    for byte in text.bytes() {
        let _ = plug.wire.write_all(&[byte]).await;
        // The crumbs are to arrive one by one, as over a slow bridge.
        sleep(Duration::from_millis(1)).await;
    }
}

/// The gateway's side: a device task on the real serial adapter.
pub struct Served {
    pub handle: DeviceHandle,
    pub stop: CancellationToken,
    task: JoinHandle<()>,
}

pub fn serve(name: &Path, station: mpsc::Sender<Observation>) -> Served {
    serve_as(spec(), name, station)
}

/// Serves what is plugged in as `name` by any protocol.
pub fn serve_as(spec: Arc<Spec>, name: &Path, station: mpsc::Sender<Observation>) -> Served {
    let (handle, device) = Device::new(Arc::clone(&spec), station);
    let (stop, name) = (CancellationToken::new(), name.to_owned());
    let task = tokio::spawn(device.run(move || open(Arc::clone(&spec), name.clone()), stop.clone()));
    Served { handle, stop, task }
}

async fn open(spec: Arc<Spec>, name: PathBuf) -> Result<Opened<SerialLink>, LinkError> {
    let found = Discovery::system().find(&By::Path(name), &[])?;
    let line = spec.serial.as_ref().expect("a serial line");
    let link = SerialLink::open(&found.node, line).await?;
    Ok(Opened { link, serial: found.serial, port: found.node.display().to_string(), wanted: None, signal_dbm: None })
}

impl Served {
    /// Waits for a state and gives it.
    pub async fn until(&self, what: &str, wanted: impl Fn(&DeviceState) -> bool) -> DeviceState {
        let mut state = self.handle.state();
        soon(what, async { state.wait_for(|state| wanted(state)).await.expect("the task runs").clone() }).await
    }

    /// Stops the task and waits for it.
    pub async fn end(self) {
        self.stop.cancel();
        soon("the end of the task", self.task).await.expect("the task does not panic");
    }
}

pub fn queue() -> (mpsc::Sender<Observation>, mpsc::Receiver<Observation>) {
    observation::queue()
}
