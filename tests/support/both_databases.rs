//! Stories of headquarters that stand in rooms of their own, each told on both databases.

/// Which database stands behind headquarters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Sqlite,
    Postgres,
}

/// Every story is told on both sides of the database's trait, by a test of the kind that is named first.
macro_rules! on_both_sides {
    (#[$test:meta] $($room:ident: $($story:ident),* $(,)?;)*) => {
        mod sqlite { $($(#[$test] async fn $story() { crate::$room::$story(crate::Side::Sqlite).await; })*)* }
        mod postgresql { $($(#[$test] async fn $story() { crate::$room::$story(crate::Side::Postgres).await; })*)* }
    };
}
