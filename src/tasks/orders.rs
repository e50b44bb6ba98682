//! Does what headquarters wants done once, one order after the other, beside the line to it: an erasure waits for the disk and a look at
//! the machine for its devices, while events go on being sent. It decides nothing about whom: the store does, and keeps what was
//! answered. What is lost here, by a full queue or a kill, headquarters says again.

use crate::{
    clock,
    domain::{ClockState, CustomerId, OrderId, Stamp, Timestamp},
    ports::Checker,
    store::{Answered, Store, StoreError},
    sync::downlink::{Order, Outcome},
    tasks::{
        live::{Live, News},
        station::StationHandle,
    },
};
use std::fmt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Orders that wait; headquarters says some dozens at a time at most, and what finds no room it says again.
const QUEUE: usize = 64;

/// An order as it was said.
#[derive(Debug, Clone)]
pub struct Said {
    pub order: OrderId,
    pub until: Timestamp,
    pub what: Order,
}

impl Said {
    /// # Errors
    /// A sentence that says what this version does not understand.
    pub fn read(order: &str, until: &str, what: Order) -> Result<Self, String> {
        Ok(Self {
            order: order.parse().map_err(|fault| format!("order: {fault}"))?,
            until: until.parse().map_err(|fault| format!("until: {fault}"))?,
            what,
        })
    }
}

/// The way to [`Orders`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OrdersHandle(mpsc::Sender<Said>);

impl OrdersHandle {
    /// Puts an order into the queue, if there is room; never waits, since the line to headquarters must not.
    pub fn take(&self, said: Said) {
        if let Err(full) = self.0.try_send(said) {
            info!(%full, "an order finds no room; headquarters says it again");
        }
    }
}

/// The owner of what is being done.
pub struct Orders {
    store: Store,
    live: Live,
    /// Told when what they have in their chair may be gone.
    stations: Vec<StationHandle>,
    checker: Checker,
    inbox: mpsc::Receiver<Said>,
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders").finish_non_exhaustive()
    }
}

/// A task that does orders, and the way to it.
#[must_use]
pub fn orders(store: Store, live: Live, stations: Vec<StationHandle>, checker: Checker) -> (OrdersHandle, Orders) {
    let (sender, inbox) = mpsc::channel(QUEUE);
    (OrdersHandle(sender), Orders { store, live, stations, checker, inbox })
}

impl Orders {
    /// Runs until `stop`.
    ///
    /// # Errors
    /// [`StoreError::Stopped`]: without a store nothing can be done.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), StoreError> {
        loop {
            let said = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                said = self.inbox.recv() => said,
            };
            let Some(said) = said else { return Ok(()) };
            let (order, what) = (said.order, said.what.as_str());
            let obeyed = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                obeyed = self.obey(said) => obeyed,
            };
            match obeyed {
                Ok(Answered::Now(outcome)) => {
                    info!(%order, what, outcome = outcome.as_str(), "an order of HQ is answered")
                }
                Ok(Answered::Before) => {}
                Err(StoreError::Stopped) => return Err(StoreError::Stopped),
                Err(fault) => warn!(%order, what, %fault, "an order of HQ is not done yet; HQ says it again"),
            }
        }
    }

    async fn obey(&self, Said { order, until, what }: Said) -> Result<Answered, StoreError> {
        if self.store.order_is_answered(order).await? {
            return Ok(Answered::Before);
        }
        if is_too_late(until, clock::now()) {
            let words = format!("it came after {until}, by the clock of this gateway");
            return self.store.answer_order(order, until, Outcome::TooLate, words).await;
        }
        match what {
            Order::Erase { customer } => match customer.parse::<CustomerId>() {
                Ok(customer) => {
                    let done = self.store.erase_by_order(order, until, customer).await?;
                    self.customers_changed().await;
                    Ok(done)
                }
                Err(_) => self.no_id(order, until, &customer).await,
            },
            Order::Merge { stays, gone } => match (stays.parse(), gone.parse()) {
                (Ok(stays), Ok(gone)) => {
                    let done = self.store.merge_by_order(order, until, stays, gone).await?;
                    self.customers_changed().await;
                    Ok(done)
                }
                (Err(_), _) => self.no_id(order, until, &stays).await,
                (_, Err(_)) => self.no_id(order, until, &gone).await,
            },
            Order::Check {} => {
                let (outcome, words) = match self.checker.look().await {
                    Ok(found) => (Outcome::Done, found),
                    Err(why) => (Outcome::Refused, why),
                };
                self.store.answer_order(order, until, outcome, words).await
            }
        }
    }

    async fn no_id(&self, order: OrderId, until: Timestamp, text: &str) -> Result<Answered, StoreError> {
        let text: String = text.chars().take(60).collect();
        let words = format!("{text:?} is no id of a customer; give it as it stands in the records");
        self.store.answer_order(order, until, Outcome::Refused, words).await
    }

    /// Whoever has the customer in the chair, or on a page, sees what there is now.
    async fn customers_changed(&self) {
        for station in &self.stations {
            station.changed().await;
        }
        self.live.publish(News::Day {}).await;
    }
}

/// Only by a clock that is set by others: headquarters says nothing after its time, and what it said does not wait at the broker, so a
/// doubtful clock must not keep an erasure from being done.
fn is_too_late(until: Timestamp, now: Stamp) -> bool {
    now.clock == ClockState::Synced && now.wall > until
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock,
        domain::{BootId, EventId},
        store::store_for_test,
        sync::payload::Answer,
        tasks::live::live,
    };
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    /// A look at the machine takes its time, and headquarters says the order again meanwhile: one look, one answer. What is no id is
    /// refused, and nothing waits for what this version cannot read.
    #[tokio::test]
    async fn an_order_that_takes_its_time_is_done_once_however_often_it_is_said() {
        let (_folder, store) = store_for_test();
        let looks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&looks);
        let checker = Checker::new(move || {
            let counted = Arc::clone(&counted);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                counted.fetch_add(1, Ordering::Relaxed);
                Ok("[]".to_owned())
            })
        });
        let (live, ring) = live("run");
        let (handle, doer) = orders(store.clone(), live, Vec::new(), checker);
        let stop = CancellationToken::new();
        let id = || clock::mint(OrderId::from_bits);
        let until = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 86_400_000);
        let (check, wrong) = (id(), id());
        assert!(Said::read("7", &until.to_string(), Order::Check {}).is_err());
        for _ in 0..20 {
            handle.take(Said { order: check, until, what: Order::Check {} });
        }
        handle.take(Said { order: wrong, until, what: Order::Erase { customer: "Zhang".to_owned() } });
        let answered = async {
            while !store.order_is_answered(wrong).await.unwrap() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            stop.cancel();
        };
        let ended = async { tokio::join!(doer.run(stop.clone()), answered).0 };
        let ended = tokio::select! {
            ended = tokio::time::timeout(Duration::from_secs(30), ended) => ended.expect("answered in time"),
            () = ring.run() => panic!("the news end before the orders"),
        };
        assert!(ended.is_ok());
        let told = store.unacknowledged(0, 100, usize::MAX).await.unwrap();
        let data = |body: &str| {
            let event: crate::sync::envelope::Event = serde_json::from_str(body).unwrap();
            assert!(event.id.parse::<EventId>().is_ok());
            serde_json::from_str::<Answer>(event.data.get()).unwrap()
        };
        let answers: Vec<Answer> = told.iter().map(|(_, body)| data(body)).collect();
        let outcomes: Vec<Outcome> = answers.iter().map(|answer| answer.outcome).collect();
        assert_eq!((outcomes, looks.load(Ordering::Relaxed)), (vec![Outcome::Done, Outcome::Refused], 1));
        assert!(answers[1].words.contains("no id of a customer"), "{answers:?}");
    }

    #[test]
    fn only_a_clock_that_others_set_says_that_it_is_too_late() {
        let at =
            |ms, clock| Stamp { boot: BootId::from_bits(1), monotonic_ns: 1, wall: Timestamp::from_unix_ms(ms), clock };
        let until = Timestamp::from_unix_ms(1_000);
        assert!(is_too_late(until, at(1_001, ClockState::Synced)));
        assert!(!is_too_late(until, at(1_000, ClockState::Synced)));
        for clock in [ClockState::Holdover, ClockState::Unset] {
            assert!(!is_too_late(until, at(9_000_000, clock)), "{clock:?}");
        }
    }
}
