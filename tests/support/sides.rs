//! Both databases that headquarters can stand on: each story is told on either.

use super::postgres;
use skinlink::hq::database::Place;
use std::path::Path;

#[derive(Debug, Clone, Copy)]
pub enum Side {
    Sqlite,
    Postgres,
}

impl Side {
    /// An empty database of this side; what lies in files lies in `folder`.
    pub fn place(self, folder: &Path) -> Place {
        match self {
            Self::Sqlite => Place::in_folder(folder),
            Self::Postgres => postgres::database(),
        }
    }
}

/// Makes a test of each story on each side; the stories take a [`Side`].
macro_rules! on_both_sides {
    ($($story:ident),* $(,)?) => {
        mod sqlite { $(#[test] fn $story() { super::$story($crate::sides::Side::Sqlite); })* }
        mod postgresql { $(#[test] fn $story() { super::$story($crate::sides::Side::Postgres); })* }
    };
}
