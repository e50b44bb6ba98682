//! Named tasks: the first that ends unasked stops all; then a bounded wait that names who is late.

use super::signals::Signals;
use std::{collections::HashMap, future::Future, time::Duration};
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Longest polite shutdown: a write on a slow disk, a publish under way. systemd's own limit is longer.
const GRACE: Duration = Duration::from_secs(8);

/// Why the daemon stopped other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the {task} task ended with a fault: {reason}")]
    Failed { task: String, reason: String },
    #[error("the {0} task ended by itself, which none should")]
    EndedEarly(String),
    #[error("gave up waiting {GRACE:?} for {}; what they had confirmed is safe", .0.join(", "))]
    Late(Vec<String>),
}

/// The running tasks by name.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, String>,
}

impl Tasks {
    /// Starts a task. It runs until `stop` is cancelled or its inbox closes.
    pub fn start(&mut self, name: impl Into<String>, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let id = self.set.spawn(task).id();
        self.names.insert(id, name.into());
    }

    /// Waits for a signal or the first fault, then stops everything and waits for it.
    ///
    /// # Errors
    /// The first fault, or the names of those who did not end in time.
    pub async fn run(mut self, stop: &CancellationToken, signals: &mut Signals) -> Result<(), Fault> {
        let early = tokio::select! {
            () = signals.stop_requested() => None,
            () = stop.cancelled() => None,
            ended = self.set.join_next_with_id() => ended,
        };
        // Where one of them asked for the stop, others may have ended before this was looked at.
        let unasked = !stop.is_cancelled();
        let fault = early.map(|ended| self.verdict(ended, unasked)).and_then(Result::err);
        stop.cancel();
        let drained = timeout(GRACE, self.drain()).await;
        match (fault, drained) {
            (Some(fault), _) => Err(fault),
            (None, Ok(result)) => result,
            (None, Err(_)) => {
                let mut late: Vec<String> = self.names.into_values().collect();
                late.sort();
                self.set.abort_all();
                Err(Fault::Late(late))
            }
        }
    }

    async fn drain(&mut self) -> Result<(), Fault> {
        let mut first = Ok(());
        while let Some(ended) = self.set.join_next_with_id().await {
            let verdict = self.verdict(ended, false);
            if first.is_ok() {
                first = verdict;
            }
        }
        first
    }

    fn verdict(&mut self, ended: Result<(Id, anyhow::Result<()>), JoinError>, unasked: bool) -> Result<(), Fault> {
        let (id, outcome) = match ended {
            Ok((id, Ok(()))) => (id, None),
            Ok((id, Err(error))) => (id, Some(format!("{error:#}"))),
            Err(error) => (error.id(), Some(error.to_string())),
        };
        let task = self.names.remove(&id).unwrap_or_else(|| "unnamed".to_owned());
        match outcome {
            Some(reason) => Err(Fault::Failed { task, reason }),
            None if unasked => Err(Fault::EndedEarly(task)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_fault_stops_all_and_is_named() {
        let stop = CancellationToken::new();
        let mut tasks = Tasks::default();
        let patient = stop.clone();
        tasks.start("patient", async move {
            patient.cancelled().await;
            Ok(())
        });
        tasks.start("hasty", async { anyhow::bail!("probe on fire") });
        let fault = tasks.run(&stop, &mut Signals::none()).await.unwrap_err();
        assert_eq!(fault.to_string(), "the hasty task ended with a fault: probe on fire");
        assert!(stop.is_cancelled());
    }

    /// The gateway began anew for a package, and took the first task that ended for a fault of the package.
    #[tokio::test(start_paused = true)]
    async fn a_stop_that_a_task_asks_for_is_no_fault_of_those_that_end_by_it() {
        for _ in 0..200 {
            let stop = CancellationToken::new();
            let mut tasks = Tasks::default();
            for name in ["one", "two", "three"] {
                let patient = stop.clone();
                tasks.start(name, async move {
                    patient.cancelled().await;
                    Ok(())
                });
            }
            let asks = stop.clone();
            tasks.start("asks", async move {
                tokio::task::yield_now().await;
                asks.cancel();
                Ok(())
            });
            tasks.run(&stop, &mut Signals::none()).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_end_in_time_is_named() {
        let stop = CancellationToken::new();
        let mut tasks = Tasks::default();
        tasks.start("deaf", std::future::pending());
        stop.cancel();
        let fault = tasks.run(&stop, &mut Signals::none()).await.unwrap_err();
        assert!(fault.to_string().contains("deaf"), "{fault}");
    }
}
