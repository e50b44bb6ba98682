//! A device listened to and spoken to while people look: `protocol try` and `devices record`. Runs a protocol session over a
//! link and hands everything that passes to whoever shows or keeps it.

use crate::{
    ports::{Link, LinkError},
    protocol::{
        Event, Input, Output, Request, Session, Spec,
        listing::{Listing, Row, Side},
    },
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep_until;

/// A line of text that stops in the middle is shown after this, not only when the next one begins.
const SHOW_AFTER: Duration = Duration::from_millis(700);

/// What passed on the line.
#[derive(Debug)]
pub enum Passed {
    /// As it came or went, cut anywhere.
    Bytes(Side, Vec<u8>),
    /// Bytes with what they mean.
    Row(Side, Row),
    /// What the gateway makes of it.
    Event(Event),
    /// Nothing is known of these bytes: there is no protocol.
    Raw(Side, Vec<u8>),
}

/// One open line.
#[derive(Debug)]
pub struct Line<L> {
    link: L,
    session: Option<Session>,
    listings: Option<[Listing; 2]>,
    /// Nothing is kept here: a device that is told that its value is safe would forget it.
    acknowledges: bool,
    /// A frame that pauses longer is given up; lines wait for their end.
    gap: Option<Duration>,
    last: Instant,
}

impl<L: Link> Line<L> {
    /// Without `spec` it only listens. Values are acknowledged only where `acknowledges`: the device forgets them then.
    #[must_use]
    pub fn new(link: L, spec: Option<&Arc<Spec>>, acknowledges: bool) -> Self {
        let listings = spec.map(|spec| [Side::Device, Side::Gateway].map(|side| Listing::new(Arc::clone(spec), side)));
        let session = spec.map(|spec| Session::new(Arc::clone(spec), now()));
        let gap = spec.filter(|spec| !spec.framing.is_text()).map(|spec| spec.framing.gap);
        Self { link, session, listings, acknowledges, gap, last: now() }
    }

    /// Goes on with another reading of the same line: the file has changed. The conversation begins anew.
    #[must_use]
    pub fn with_spec(self, spec: &Arc<Spec>) -> Self {
        Self::new(self.link, Some(spec), self.acknowledges)
    }

    /// Asks for a value, as the station would.
    pub fn measure(&mut self, request: Request) {
        if let Some(session) = &mut self.session {
            session.handle_input(now(), Input::Measure(request));
        }
    }

    /// Waits until something passes, and hands it to `show`. A cancelled call may have lost what it was sending.
    ///
    /// # Errors
    /// When the link breaks; what had begun was shown before.
    pub async fn next(&mut self, show: &mut impl FnMut(Passed)) -> Result<(), LinkError> {
        let mut buffer = [0; 4096];
        let wake = self.settle(show).await?;
        let received = tokio::select! {
            received = self.link.recv(&mut buffer) => Some(received),
            () = sleep_until(wake.into()) => None,
        };
        match received {
            Some(Ok(count)) => self.take(Side::Device, &buffer[..count], show),
            Some(Err(error)) => {
                self.quiet(show);
                return Err(error);
            }
            None if now() >= self.last + self.gap.unwrap_or(SHOW_AFTER) => self.quiet(show),
            None => {}
        }
        if let Some(session) = &mut self.session {
            let input = match received {
                Some(Ok(count)) => Input::Bytes(&buffer[..count]),
                _ => Input::Tick,
            };
            session.handle_input(now(), input);
        }
        Ok(())
    }

    /// What had begun and will not end.
    pub fn quiet(&mut self, show: &mut impl FnMut(Passed)) {
        for (side, listing) in [Side::Device, Side::Gateway].into_iter().zip(self.listings.iter_mut().flatten()) {
            listing.quiet().into_iter().for_each(|row| show(Passed::Row(side, row)));
        }
    }

    /// Lets the session do all it has to do; says when it wants to be woken.
    async fn settle(&mut self, show: &mut impl FnMut(Passed)) -> Result<Instant, LinkError> {
        let begun = self.listings.iter().flatten().any(Listing::is_waiting);
        let look = if begun { self.last + self.gap.unwrap_or(SHOW_AFTER) } else { now() + Duration::from_secs(60) };
        loop {
            let Some(session) = &mut self.session else { return Ok(look) };
            match session.poll_output() {
                Output::Transmit(bytes) => {
                    self.link.send(&bytes).await?;
                    self.take(Side::Gateway, &bytes, show);
                }
                Output::Event(event) => {
                    if let Event::Measured(measured) = &event
                        && let Some(counter) = measured.counter.filter(|_| self.acknowledges)
                    {
                        session.handle_input(now(), Input::Confirmed(counter));
                    }
                    show(Passed::Event(event));
                }
                Output::WaitUntil(wake) => return Ok(wake.min(look)),
            }
        }
    }

    fn take(&mut self, side: Side, bytes: &[u8], show: &mut impl FnMut(Passed)) {
        // Cut as the session cuts: what stopped before the pause is over.
        if self.gap.is_some_and(|gap| now() >= self.last + gap) {
            self.quiet(show);
        }
        self.last = now();
        show(Passed::Bytes(side, bytes.to_vec()));
        match &mut self.listings {
            None => show(Passed::Raw(side, bytes.to_vec())),
            Some([device, gateway]) => {
                let listing = if side == Side::Device { &mut *device } else { gateway };
                for row in listing.feed(bytes) {
                    if let (Side::Gateway, Ok(command)) = (side, &row.meaning) {
                        device.asked(&command.name);
                    }
                    show(Passed::Row(side, row));
                }
            }
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
