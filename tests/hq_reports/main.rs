//! A customer's report under its link: in the store and, under the same token, at headquarters; what the customer says there
//! goes down to the store. With a real store, a real mosquitto, and both databases behind headquarters.

#[macro_use]
#[path = "../support/both_databases.rs"]
mod both_databases;
#[path = "../support/gateway.rs"]
#[expect(dead_code, reason = "shared with the stories of the wire")]
mod gateway;
#[path = "../support/headquarters.rs"]
#[expect(dead_code, reason = "shared with the stories of the wire")]
mod headquarters;
#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "shared with the stories of the databases")]
mod postgres;
#[expect(dead_code, reason = "shared with the store's own stories")]
#[path = "../store/salon.rs"]
#[expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]
mod salon;

mod agenda;
mod bounds;
mod house;
mod later;
mod links;
mod pairs;
mod sheet;
mod words;

use both_databases::Side;

on_both_sides!(
    #[tokio::test]
    agenda:
        what_the_crm_books_stands_in_the_stores_day;
    links:
        a_report_opens_in_the_store_and_at_headquarters_and_closes_with_its_consent,
        tokens_that_open_nothing_are_told_from_one_another_by_nobody,
        headquarters_is_told_only_what_was_agreed_to,
        a_closed_report_does_not_open_while_facts_are_made_again,
        a_report_is_away_and_not_gone_while_its_facts_are_made_again,
        a_picture_that_its_shelf_does_not_give_keeps_no_report_from_being_read,
        a_silent_store_and_a_struck_out_visit_close_their_reports;
    words:
        what_was_said_while_the_store_was_away_comes_down_once,
        a_withdrawal_on_the_page_closes_the_report_everywhere,
        what_was_said_in_the_store_comes_up_and_is_followed_until_it_is_solved,
        an_erased_customer_leaves_neither_report_nor_words;
    bounds:
        of_one_visit_only_so_much_is_taken_but_a_withdrawal_always;
    pairs:
        pictures_of_a_pair_are_shown_where_they_are_and_only_while_they_may_be,
        pictures_that_are_not_at_headquarters_leave_the_photographs_as_taken;
    sheet:
        how_each_step_was_done_comes_up_with_the_visit_and_goes_with_the_customer;
    later:
        a_withdrawal_closes_all_reports_of_the_customer_and_stays_when_the_line_breaks_in_its_middle,
        a_late_no_does_not_undo_a_yes_that_was_said_after_it,
        photographs_are_shown_only_while_they_may_be_shared,
        hours_count_from_when_the_customer_said_it,
        earlier_visits_are_opened_at_headquarters_as_in_the_store,
        words_of_staff_and_words_that_wait_go_up_only_while_numbers_are_shared,
        what_no_store_can_take_is_shown_to_a_person_and_does_not_stay_for_ever;
);
