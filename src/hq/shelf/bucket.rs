//! Objects in a bucket that speaks S3. Every request is an address signed for a short time; rusty-s3 signs, reqwest carries.
//!
//! Calls wait for the answer and may be made from anywhere, so the requests run on a thread of their own.
//!
//! A store that takes connections and never answers, or a firewall that swallows them, must not hold up whoever asks for one
//! object after another: after one request in vain the others fail at once for a while ([`RESPITE`]).

use super::Shelf;
use crate::hq::HqError;
use reqwest::{Certificate, Client, Method, StatusCode};
use rusty_s3::{Bucket as Address, Credentials, S3Action as _, UrlStyle};
use std::{
    fmt, fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};
use tokio::{
    runtime::{self, Runtime},
    time::{Instant, timeout},
};

/// How long our own requests may take to begin; they are sent at once.
const OURS: Duration = Duration::from_secs(300);

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(3);

/// Until an answer begins; a body on its way there takes its time beside ([`SLOW`]).
const ANSWER: Duration = Duration::from_secs(10);

/// Bytes a second that a body is given time for, on its way there.
const SLOW: u64 = 64 * 1024;

/// How long one request may take: a picture of the largest size over a slow line, put there or fetched. A database ends a transaction in
/// which nothing was asked of it for a minute, and facts of archived months are made in one.
const PUT: Duration = Duration::from_secs(120);
const FETCHED: Duration = Duration::from_secs(45);

/// What took so long and failed was in vain: a refused connection costs nobody anything.
const LONG: Duration = Duration::from_secs(2);

/// So long after a request in vain nobody else waits for the object store.
const RESPITE: Duration = Duration::from_secs(30);

/// How to reach it.
#[derive(Debug, Clone)]
pub struct BucketSettings {
    /// `https://objects.example`; stores must reach it too.
    pub endpoint: String,
    pub bucket: String,
    pub region: String,
    /// Two lines: access key, secret key.
    pub credentials: PathBuf,
    /// Authority of its certificate, PEM; the only one trusted. `None`: for an endpoint without TLS on this machine.
    pub authority: Option<PathBuf>,
}

/// A bucket.
pub struct Bucket {
    address: Address,
    credentials: Credentials,
    client: Client,
    authority: Option<String>,
    /// When a request was in vain, and why; or when the one began that tries again.
    silent: Mutex<Option<(Instant, String)>>,
    /// Away only while this is dropped.
    runtime: Option<Arc<Runtime>>,
}

/// Leave to put one object there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub url: String,
    /// Authority of the address's certificate, PEM; empty without TLS.
    pub authority: String,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // The last one must not wait for its thread: it may be dropped where nobody may wait.
        if let Some(Ok(runtime)) = self.runtime.take().map(Arc::try_unwrap) {
            runtime.shutdown_background();
        }
    }
}

impl Bucket {
    /// Reads the credentials; says nothing to the object store yet.
    ///
    /// # Errors
    /// [`HqError::File`], or [`HqError::Objects`] with what is wrong in the settings.
    pub fn new(settings: &BucketSettings) -> Result<Self, HqError> {
        let BucketSettings { endpoint, bucket, region, credentials, authority } = settings;
        let read =
            |path: &PathBuf| fs::read_to_string(path).map_err(|source| HqError::File { path: path.clone(), source });
        let wrong = |reason: String| HqError::Objects { name: endpoint.clone(), reason };
        let url = endpoint.parse().map_err(|fault| wrong(format!("not an address: {fault}")))?;
        let address = Address::new(url, UrlStyle::Path, bucket.clone(), region.clone())
            .map_err(|fault| wrong(fault.to_string()))?;
        let secrets = read(credentials)?;
        let mut lines = secrets.lines().map(str::trim).filter(|line| !line.is_empty());
        let (Some(access), Some(secret), None) = (lines.next(), lines.next(), lines.next()) else {
            return Err(wrong(format!("{} does not hold two lines: access key, secret key", credentials.display())));
        };
        let authority = authority.as_ref().map(read).transpose()?;
        let mut client = Client::builder().connect_timeout(CONNECT).timeout(FETCHED).tls_built_in_root_certs(false);
        if let Some(pem) = &authority {
            let certificate = Certificate::from_pem(pem.as_bytes()).map_err(|fault| wrong(fault.to_string()))?;
            client = client.add_root_certificate(certificate);
        }
        let client = client.build().map_err(|fault| wrong(fault.to_string()))?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("objects")
            .enable_all()
            .build()
            .map_err(|fault| wrong(fault.to_string()))?;
        let credentials = Credentials::new(access, secret);
        let (silent, runtime) = (Mutex::default(), Some(Arc::new(runtime)));
        Ok(Self { address, credentials, client, authority, silent, runtime })
    }

    /// An address at which one object may be put until `lasting` is over, and nothing else done.
    #[must_use]
    pub fn grant(&self, name: &str, lasting: Duration) -> Grant {
        let url = self.address.put_object(Some(&self.credentials), name).sign(lasting).to_string();
        Grant { url, authority: self.authority.clone().unwrap_or_default() }
    }

    fn ask(&self, method: Method, name: &str, body: Option<Vec<u8>>) -> Result<(StatusCode, Vec<u8>), HqError> {
        let failed = |reason: String| HqError::Objects { name: name.to_owned(), reason };
        if let Some(reason) = self.is_silent() {
            return Err(failed(reason));
        }
        let begun = Instant::now();
        let answer = self.asked(method, name, body)?;
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        match &answer {
            Err(reason) if begun.elapsed() >= LONG => *silent = Some((Instant::now(), reason.clone())),
            _ => *silent = None,
        }
        answer.map_err(failed)
    }

    /// Why nobody is to wait for it now. One who asks when the respite is over tries for all others.
    fn is_silent(&self) -> Option<String> {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, reason) = silent.as_mut()?;
        if since.elapsed() < RESPITE {
            return Some(format!("not asked, since it gave no answer a moment ago: {reason}"));
        }
        *since = Instant::now();
        None
    }

    /// The answer, or why there is none.
    fn asked(
        &self,
        method: Method,
        name: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Result<(StatusCode, Vec<u8>), String>, HqError> {
        let (address, signed) = (&self.address, Some(&self.credentials));
        let url = match method {
            Method::PUT => address.put_object(signed, name).sign(OURS),
            Method::DELETE => address.delete_object(signed, name).sign(OURS),
            _ => address.get_object(signed, name).sign(OURS),
        };
        let request = self.client.request(method, url);
        let patience = ANSWER + Duration::from_secs(body.as_ref().map_or(0, |body| body.len() as u64 / SLOW));
        let request = match body {
            Some(bytes) => request.timeout(PUT).header("content-length", bytes.len()).body(bytes),
            None => request,
        };
        let (tell, told) = mpsc::sync_channel(1);
        let runtime = self.runtime.as_ref().ok_or(HqError::Stopped)?;
        runtime.spawn(async move {
            // The address holds a signature: it is for nobody's log.
            let said = |fault: reqwest::Error| fault.without_url().to_string();
            let answer = async {
                let none = |_| format!("no answer within {} s", patience.as_secs());
                let answer = timeout(patience, request.send()).await.map_err(none)?.map_err(said)?;
                Ok((answer.status(), answer.bytes().await.map_err(said)?.to_vec()))
            };
            let _ = tell.send(answer.await);
        });
        told.recv().map_err(|_| HqError::Stopped)
    }

    fn refused(name: &str, status: StatusCode, body: &[u8]) -> HqError {
        let said: String = String::from_utf8_lossy(body).chars().take(300).collect();
        HqError::Objects { name: name.to_owned(), reason: format!("the object store says {status}: {said}") }
    }
}

/// Whether the object itself is absent, in the store's own words. A 404 may as well mean that the bucket is gone, or come from
/// whatever answers under a wrong address: that takes nothing off the shelf.
fn is_no_object(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::NOT_FOUND && String::from_utf8_lossy(body).contains("<Code>NoSuchKey</Code>")
}

impl Shelf for Bucket {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), HqError> {
        match self.ask(Method::PUT, name, Some(bytes.to_vec()))? {
            (status, _) if status.is_success() => Ok(()),
            (status, body) => Err(Self::refused(name, status, &body)),
        }
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, HqError> {
        match self.ask(Method::GET, name, None)? {
            (status, body) if is_no_object(status, &body) => Ok(None),
            (status, body) if status.is_success() => Ok(Some(body)),
            (status, body) => Err(Self::refused(name, status, &body)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), HqError> {
        match self.ask(Method::DELETE, name, None)? {
            (status, body) if status.is_success() || is_no_object(status, &body) => Ok(()),
            (status, body) => Err(Self::refused(name, status, &body)),
        }
    }
}
