//! One reading of the chain for all who look at it at the same time; none while nobody does.

use super::{
    board::{Board, Reader},
    books::{Away, Books},
};
use crate::clock;
use std::{
    sync::{Arc, Mutex as Held, PoisonError},
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// How old a board may be that is shown: with what a stream waits between two looks a second in all, which leaves another one
/// to a busy machine.
pub const FRESH: Duration = Duration::from_millis(450);

#[derive(Debug)]
pub struct Watch {
    books: Books,
    reader: Arc<Held<Reader>>,
    last: Mutex<Option<(Instant, Arc<Board>)>>,
}

impl Watch {
    #[must_use]
    pub fn new(books: Books, utc_offset_min: i32) -> Self {
        Self { books, reader: Arc::new(Held::new(Reader::new(utc_offset_min))), last: Mutex::default() }
    }

    /// The chain as it is now, at most [`FRESH`] ago. Who asks meanwhile gets the same.
    ///
    /// # Errors
    /// [`Away`] where the database is.
    pub async fn board(&self) -> Result<Arc<Board>, Away> {
        let mut last = self.last.lock().await;
        if let Some((at, board)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(board));
        }
        let (reader, at) = (Arc::clone(&self.reader), Instant::now());
        let board = self
            .books
            .ask(move |engine| reader.lock().unwrap_or_else(PoisonError::into_inner).read(engine, clock::now().wall));
        let board = Arc::new(board.await?);
        *last = Some((at, Arc::clone(&board)));
        Ok(board)
    }
}
