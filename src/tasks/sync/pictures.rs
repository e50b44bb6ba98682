//! The image lane, below the events: one picture at a time, offered, sent in the slices HQ misses or put at the address HQ
//! names, settled by HQ's word.
//! Whether it is still owed is looked up before every publish, so that a withdrawn consent stops it at the next slice.

use crate::{
    config::Sync,
    domain::CaptureId,
    faults,
    ports::{Parcel, Publish, UploadError, Uploader},
    seal,
    store::{OwedImage, Store, StoreError},
    sync::{
        image_lane::{Offer, SLICE, slices},
        pace::Pace,
        reply::ImageState,
        topic::{Address, Lane},
    },
};
use std::{
    collections::{HashSet, VecDeque},
    num::NonZeroU64,
    time::Duration,
};
use tokio::{task::JoinHandle, time::Instant};
use tracing::{info, warn};
use zeroize::Zeroizing;

/// Slices under way at once: enough to fill a slow line, few enough that an event never waits behind many.
const FLYING: usize = 4;

/// How long HQ may take from the last slice to its word before it is asked by a new offer.
const SETTLE: Duration = Duration::from_secs(2);

/// How often an upload is looked after: whether it is done, and whether the picture is still owed.
const LOOK_AFTER: Duration = Duration::from_millis(100);

/// How many owed pictures are looked through for the one under way: new report pictures go before it.
const LOOK_AT: usize = 256;

/// A picture that cannot be read is looked at again after twice the time each time, and at least so often.
const LONGEST_PUT_OFF: Duration = Duration::from_secs(3600);

pub(super) struct Pictures {
    current: Option<Current>,
    /// What cannot be read now: it must not stand before all others.
    put_off: Vec<PutOff>,
    /// Not before this; `None`: when the outbox changes.
    look_at: Option<Instant>,
    pace: Pace,
    rate: Option<NonZeroU64>,
    resend_after: Duration,
    /// Without one every picture goes in slices.
    uploader: Option<Uploader>,
}

struct PutOff {
    image: OwedImage,
    wait: Duration,
    until: Instant,
}

struct Current {
    image: OwedImage,
    stage: Stage,
}

enum Stage {
    ToOffer,
    /// Offered, or all slices sent: waits for HQ's word, then offers again.
    Waiting {
        again_at: Instant,
    },
    Sending {
        bytes: Vec<u8>,
        wanted: VecDeque<u32>,
        flying: HashSet<u64>,
    },
    Uploading(Upload),
}

/// Where HQ wants a picture.
pub(super) struct Wanted {
    pub name: String,
    pub url: String,
    pub authority: String,
    /// 64 hex digits.
    pub key: Zeroizing<String>,
}

/// An upload under way; given up when dropped.
struct Upload(JoinHandle<Result<(), UploadError>>);

impl Drop for Upload {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Pictures {
    pub fn new(sync: &Sync, uploader: Option<Uploader>) -> Self {
        let (pace, rate, resend_after) = (Pace::new(sync.image_rate), sync.image_rate, sync.resend_after);
        Self { current: None, put_off: Vec::new(), look_at: None, pace, rate, resend_after, uploader }
    }

    /// There may be something new.
    pub fn look_again(&mut self) {
        self.look_at = Some(Instant::now());
    }

    pub fn wake_at(&self) -> Option<Instant> {
        match self.current.as_ref().map(|current| &current.stage) {
            None => self.look_at,
            Some(Stage::ToOffer) => Some(Instant::now()),
            Some(Stage::Waiting { again_at }) => Some(*again_at),
            Some(Stage::Uploading(_)) => Some(Instant::now() + LOOK_AFTER),
            Some(Stage::Sending { wanted, flying, .. }) => (!wanted.is_empty() && flying.len() < FLYING)
                .then(|| self.pace.free_at().map_or_else(Instant::now, Instant::from_std)),
        }
    }

    /// The next publish of the lane, if it may send one now.
    pub async fn next(
        &mut self,
        store: &Store,
        address: &Address,
        token: u64,
        now: Instant,
    ) -> Result<Option<Publish>, StoreError> {
        if let Some(Current { stage: Stage::Waiting { again_at }, .. }) = &self.current
            && *again_at <= now
        {
            (self.current, self.look_at) = (None, Some(now));
        }
        if self.current.is_none() {
            if self.look_at.is_none_or(|at| at > now) {
                return Ok(None);
            }
            let image = self.choose(store, now).await?;
            self.current = image.map(|image| Current { image, stage: Stage::ToOffer });
        }
        if let Some(Current { stage: Stage::Uploading(upload), .. }) = &self.current {
            if upload.0.is_finished() {
                self.uploaded(now).await;
            } else {
                self.still_owed(store).await?;
                return Ok(None);
            }
        }
        let ready = match self.current.as_ref().map(|current| &current.stage) {
            Some(Stage::ToOffer) => true,
            Some(Stage::Sending { wanted, flying, .. }) => {
                !wanted.is_empty() && flying.len() < FLYING && self.pace.is_free(now.into_std())
            }
            Some(Stage::Waiting { .. } | Stage::Uploading(_)) | None => false,
        };
        if !ready || !self.still_owed(store).await? {
            return Ok(None);
        }
        Ok(self.current.as_ref().and_then(|current| current.publish(address, token)))
    }

    /// The first owed picture that is not put off; without one, looks again when the first of those may be tried.
    async fn choose(&mut self, store: &Store, now: Instant) -> Result<Option<OwedImage>, StoreError> {
        let owed = store.owed_images(self.put_off.len() + 1).await?;
        self.put_off.retain(|off| owed.contains(&off.image));
        let waits = |image: &OwedImage| self.put_off.iter().any(|off| off.image == *image && off.until > now);
        let next = owed.into_iter().find(|image| !waits(image));
        self.look_at = next.is_none().then(|| self.put_off.iter().map(|off| off.until).min()).flatten();
        Ok(next)
    }

    fn put_off(&mut self, image: OwedImage, now: Instant) {
        let before = self.put_off.iter().position(|off| off.image == image).map(|at| self.put_off.swap_remove(at));
        let wait = before.map_or(self.resend_after, |off| (off.wait * 2).min(LONGEST_PUT_OFF));
        self.put_off.push(PutOff { image, wait, until: now + wait });
    }

    async fn still_owed(&mut self, store: &Store) -> Result<bool, StoreError> {
        let Some(current) = &self.current else { return Ok(false) };
        if store.owed_images(LOOK_AT + self.put_off.len()).await?.contains(&current.image) {
            return Ok(true);
        }
        info!(capture = %current.image.capture, "a picture is no longer owed; its sending ends here");
        self.current = None;
        self.look_again();
        Ok(false)
    }

    /// `publish` was handed over.
    pub fn sent(&mut self, publish: &Publish, now: Instant) {
        let again_at = now + self.resend_after;
        let Some(current) = &mut self.current else { return };
        match &mut current.stage {
            Stage::ToOffer => {
                current.stage = Stage::Waiting { again_at };
                faults::point("sync.image.offered");
            }
            Stage::Sending { wanted, flying, .. } => {
                wanted.pop_front();
                flying.insert(publish.token);
                self.pace.spent(publish.payload.len(), now.into_std());
                faults::point("sync.image.slice_sent");
            }
            Stage::Waiting { .. } | Stage::Uploading(_) => {}
        }
    }

    /// The broker took the publish `token`; after the last slice HQ's word is awaited.
    pub fn taken(&mut self, token: u64, now: Instant) {
        let Some(current) = &mut self.current else { return };
        if let Stage::Sending { wanted, flying, .. } = &mut current.stage
            && flying.remove(&token)
            && wanted.is_empty()
            && flying.is_empty()
        {
            current.stage = Stage::Waiting { again_at: now + SETTLE };
        }
    }

    /// Something did not pass the broker: offered anew once HQ listens again.
    pub fn lost(&mut self) {
        self.current = None;
        self.look_again();
    }

    /// HQ's word on a picture.
    #[expect(clippy::too_many_arguments, reason = "the fields of the reply, and what to do it with")]
    pub async fn answered(
        &mut self,
        store: &Store,
        capture: &str,
        sha256: &str,
        state: ImageState,
        missing: &[(u32, u32)],
        reason: String,
        now: Instant,
    ) -> Result<(), StoreError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let OwedImage { capture: ours, role, bytes, sha256: digest, .. } = current.image.clone();
        if capture.parse::<CaptureId>() != Ok(ours) || (!sha256.is_empty() && sha256 != hex::encode(digest)) {
            return Ok(());
        }
        match state {
            ImageState::Verified => {
                faults::point("sync.image.verified");
                store.image_verified(ours, role).await?;
                faults::point("sync.image.settled");
                info!(capture = %ours, "HQ has the picture");
            }
            ImageState::Refused => {
                warn!(capture = %ours, reason, "HQ refuses the picture");
                store.image_refused(ours, role, reason).await?;
            }
            ImageState::Wanted => return self.wanted(store, missing, slices(bytes), now).await,
        }
        (self.current, self.look_at) = (None, Some(now));
        Ok(())
    }

    async fn wanted(
        &mut self,
        store: &Store,
        missing: &[(u32, u32)],
        count: u32,
        now: Instant,
    ) -> Result<(), StoreError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if let Stage::Sending { .. } | Stage::Uploading(_) = current.stage {
            // The answer to an older offer; what it names is under way.
            return Ok(());
        }
        let wanted: VecDeque<u32> =
            missing.iter().flat_map(|(first, last)| *first..=(*last).min(count.saturating_sub(1))).collect();
        if wanted.is_empty() {
            current.stage = Stage::Waiting { again_at: now + SETTLE };
            return Ok(());
        }
        if let Some(bytes) = self.read(store, now).await?
            && let Some(current) = &mut self.current
        {
            current.stage = Stage::Sending { bytes, wanted, flying: HashSet::new() };
            faults::point("sync.image.wanted");
        }
        Ok(())
    }

    /// HQ wants the picture of this capture at an address.
    pub async fn wanted_at(
        &mut self,
        store: &Store,
        (capture, sha256): (&str, &str),
        to: Wanted,
        now: Instant,
    ) -> Result<(), StoreError> {
        let Some(Current { image, stage }) = &self.current else { return Ok(()) };
        let meant = capture.parse() == Ok(image.capture) && sha256 == hex::encode(image.sha256);
        let mut key = Zeroizing::new([0_u8; 32]);
        let (Some(uploader), Ok(())) = (self.uploader.clone(), hex::decode_to_slice(&*to.key, key.as_mut())) else {
            return Ok(());
        };
        if !meant || matches!(stage, Stage::Uploading(_) | Stage::Sending { .. }) || !self.still_owed(store).await? {
            return Ok(());
        }
        let Some(bytes) = self.read(store, now).await? else { return Ok(()) };
        let bytes = seal::seal(&key, to.name.as_bytes(), &bytes);
        let Wanted { url, authority, .. } = to;
        let upload = uploader.put(Parcel { url, authority, bytes, rate: self.rate.map(NonZeroU64::get) });
        if let Some(current) = &mut self.current {
            current.stage = Stage::Uploading(start(upload));
            faults::point("sync.image.wanted");
        }
        Ok(())
    }

    /// It is there, and HQ is told by a new offer; or it is not, and HQ is asked again a little later.
    async fn uploaded(&mut self, now: Instant) {
        let Some(Current { stage: Stage::Uploading(upload), image }) = &mut self.current else { return };
        let outcome = (&mut upload.0).await;
        let capture = image.capture;
        let stage = match outcome {
            Ok(Ok(())) => Stage::ToOffer,
            fault => {
                let fault = match fault {
                    Ok(Err(fault)) => fault.to_string(),
                    fault => format!("{fault:?}"),
                };
                warn!(%capture, fault, "a picture did not reach the object store; it is offered again");
                Stage::Waiting { again_at: now + self.resend_after }
            }
        };
        if let Some(current) = &mut self.current {
            current.stage = stage;
        }
    }

    /// The bytes of the picture under way. `None`: they cannot be read, and it is no longer under way.
    async fn read(&mut self, store: &Store, now: Instant) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(image) = self.current.as_ref().map(|current| current.image.clone()) else { return Ok(None) };
        let OwedImage { capture, role, bytes: length, .. } = image;
        match store.picture_bytes(capture, role).await {
            Ok(bytes) if bytes.len() as u64 == length => Ok(Some(bytes)),
            outcome => {
                // Erased meanwhile, or the file is damaged for good: it must not stand before all others for ever.
                let for_good = matches!(&outcome, Ok(_) | Err(StoreError::Erased | StoreError::Picture { .. }));
                let fault = outcome.err().map_or_else(|| "its length is wrong".to_owned(), |fault| fault.to_string());
                warn!(%capture, fault, for_good, "cannot send a picture");
                if for_good {
                    store.image_refused(capture, role, format!("not readable at the store: {fault}")).await?;
                } else {
                    self.put_off(image, now);
                }
                (self.current, self.look_at) = (None, Some(now));
                Ok(None)
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "given up with the picture: see Upload")]
fn start(upload: impl Future<Output = Result<(), UploadError>> + Send + 'static) -> Upload {
    Upload(tokio::spawn(upload))
}

impl Current {
    fn publish(&self, address: &Address, token: u64) -> Option<Publish> {
        let capture = self.image.capture.to_string();
        let (lane, payload) = match &self.stage {
            Stage::ToOffer => (Lane::Offer { capture }, self.offer()),
            Stage::Sending { bytes, wanted, .. } => {
                let index = *wanted.front()?;
                let start = index as usize * SLICE as usize;
                let end = bytes.len().min(start + SLICE as usize);
                (Lane::Chunk { capture, index }, bytes.get(start..end)?.to_vec())
            }
            Stage::Waiting { .. } | Stage::Uploading(_) => return None,
        };
        Some(Publish { token, topic: address.topic(&lane), payload, retain: false })
    }

    fn offer(&self) -> Vec<u8> {
        let OwedImage { capture, visit, role, format, bytes, sha256 } = &self.image;
        let offer = Offer {
            capture: capture.to_string(),
            visit: visit.to_string(),
            role: *role,
            format: format.as_str().to_owned(),
            bytes: *bytes,
            slice_bytes: SLICE,
            slices: slices(*bytes),
            sha256: hex::encode(sha256),
        };
        serde_json::to_vec(&offer).expect("an offer is text and numbers")
    }
}
