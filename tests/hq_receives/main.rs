//! Headquarters' receiver against a real broker: what it stores, what it answers, what it refuses. The gateway's side is
//! driven by hand here, so that it can do what a sound gateway never would.

#[expect(dead_code, reason = "shared with the stories of the sync task")]
#[path = "../support/headquarters.rs"]
mod headquarters;

#[expect(dead_code, reason = "shared with the stories of the databases")]
#[path = "../support/postgres.rs"]
mod postgres;

mod events;
mod hand;
mod pictures;
mod refusals;

use headquarters::Headquarters;

/// Which database stands behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Sqlite,
    Postgres,
}

impl Side {
    pub(crate) async fn headquarters(self) -> Headquarters {
        match self {
            Self::Sqlite => Headquarters::start().await,
            Self::Postgres => {
                let mut headquarters = Headquarters::without_receiver().await;
                headquarters.database = postgres::database();
                headquarters.start_receiver();
                headquarters
            }
        }
    }
}

/// Every story is told on both sides of the database's trait.
macro_rules! on_both_sides {
    ($($room:ident: $($story:ident),* $(,)?;)*) => {
        mod sqlite { $($(#[tokio::test] async fn $story() { crate::$room::$story(crate::Side::Sqlite).await; })*)* }
        mod postgresql { $($(#[tokio::test] async fn $story() { crate::$room::$story(crate::Side::Postgres).await; })*)* }
    };
}

on_both_sides!(
    events:
        any_order_is_stored_and_the_prefix_is_what_is_acknowledged,
        holes_of_earlier_epochs_are_asked_for_passed_or_written_down_as_lost,
        the_same_key_under_another_id_is_an_alarm_and_the_same_event_again_is_not,
        a_withdrawal_on_its_way_wins_over_what_was_stored,
        what_no_one_keeps_any_longer_is_written_down_as_lost_and_passed,
        a_receiver_that_comes_back_says_where_everyone_stands,
        what_was_said_of_a_gateway_while_headquarters_was_away_is_heard_after_all;
    pictures:
        a_picture_with_lost_slices_completes_and_lies_there_bit_for_bit,
        a_picture_whose_digest_is_wrong_is_asked_for_again_and_then_refused,
        offers_that_make_no_sense_are_refused_with_a_reason;
    refusals:
        a_poisoned_event_in_the_middle_is_refused_and_passed,
        a_refusal_is_repeated_until_the_gateway_knows_of_it,
        what_an_older_receiver_refused_is_taken_when_a_newer_one_begins,
        a_batch_cut_at_any_byte_is_an_alarm_and_harms_nothing,
        a_gateway_of_another_store_is_neither_stored_nor_acknowledged,
        a_gateway_cannot_speak_for_another;
);
