//! Ends a model's runs that take too long, from one thread that stands by for all of them: no run starts and ends a thread.

use ort::session::RunOptions;
use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::time::Instant;

/// Of one model; its thread ends with it.
pub(super) struct Watch {
    limit: Duration,
    post: Arc<Post>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Post {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    run: Option<Run>,
    /// The last run had to be ended.
    ended: bool,
    /// The thread waits for a run, not for a time.
    idle: bool,
    over: bool,
}

struct Run {
    until: Instant,
    options: Arc<RunOptions>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Watch {
    /// Gives every run `limit`.
    ///
    /// # Errors
    /// The system's, where it starts no thread.
    pub(super) fn start(limit: Duration) -> std::io::Result<Self> {
        let post = Arc::new(Post::default());
        let standing = Arc::clone(&post);
        let thread = thread::Builder::new().name("run-deadline".to_owned()).spawn(move || standing.stand())?;
        Ok(Self { limit, post, thread: Some(thread) })
    }

    /// A run with `options` begins.
    pub(super) fn begin(&self, options: &Arc<RunOptions>) {
        let mut state = self.post.state();
        state.run = Some(Run { until: Instant::now() + self.limit, options: Arc::clone(options) });
        state.ended = false;
        // A thread that waits for the time of an earlier run wakes before this one's is up, and looks again by itself.
        if state.idle {
            self.post.changed.notify_one();
        }
    }

    /// The run is over; whether it had to be ended.
    pub(super) fn end(&self) -> bool {
        let mut state = self.post.state();
        state.run = None;
        state.ended
    }
}

impl Post {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stand(&self) {
        let mut state = self.state();
        while !state.over {
            let left = state.run.as_ref().map(|run| run.until.saturating_duration_since(Instant::now()));
            state = match left {
                None => {
                    state.idle = true;
                    let mut state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.idle = false;
                    state
                }
                Some(Duration::ZERO) => {
                    state.ended = state.run.take().is_some_and(|run| run.options.terminate().is_ok());
                    state
                }
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.post.state().over = true;
        self.post.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It never panics; if it did, there is nothing left to end.
            let _ = thread.join();
        }
    }
}
