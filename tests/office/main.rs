//! Headquarters' own people: how they log in, what they may see, what is written down of it, and whether the pages say how the
//! chain is. Both databases, a real mosquitto where the whole program runs, a real browser for what is looked at.

#[macro_use]
#[path = "../support/both_databases.rs"]
mod both_databases;
#[path = "../web/browser/driver.rs"]
#[expect(dead_code, reason = "shared with the stores' own pages")]
mod driver;
#[path = "../support/headquarters.rs"]
#[expect(dead_code, reason = "shared with the stories of the wire")]
mod headquarters;
#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "shared with the stories of the databases")]
mod postgres;
#[path = "../support/skipped.rs"]
mod skipped;

mod commands;
mod figures;
mod house;
mod log_in;
mod looks;
mod metrics;
mod orders;
mod pages;
mod program;
mod retired;
mod rollout_windows;
mod rollouts;
mod stores;

use both_databases::Side;

on_both_sides!(
    #[tokio::test(flavor = "multi_thread")]
    log_in:
        whoever_logs_in_gets_a_session_that_ends_with_the_log_out,
        a_wrong_password_is_slowed_down_and_a_stranger_cannot_tell_who_exists,
        whoever_tries_a_name_all_day_keeps_its_owner_out_of_no_browser_of_hers,
        a_session_ends_unused_after_half_a_day_and_with_a_new_password,
        a_foreign_page_can_neither_log_anybody_in_nor_out;
    looks:
        each_role_sees_its_own_pages_and_each_person_their_own_stores,
        every_look_at_a_visit_stands_in_an_audit_that_shows_when_it_was_changed,
        what_the_terminal_and_programs_did_is_read_in_three_languages,
        an_audit_is_followed_from_where_it_was_whole_last,
        a_visit_is_shown_as_it_stands_after_its_corrections,
        a_visit_of_whoever_does_not_agree_is_neither_listed_nor_shown;
    figures:
        a_store_that_goes_away_and_comes_back_is_shown_with_what_is_known_of_it,
        records_are_held_against_the_promise_of_five_minutes,
        what_customers_said_runs_out_after_a_day_and_after_three,
        words_that_no_store_has_taken_run_out_as_well,
        a_busy_stores_page_is_read_again_now_and_then,
        a_page_that_keeps_its_visits_is_sent_the_rest,
        only_time_that_was_watched_counts_as_online_or_away;
    orders:
        a_customer_is_erased_by_whoever_looks_after_data_protection,
        no_erasure_is_ordered_of_a_store_that_closed,
        whoever_never_agreed_to_share_is_erased_by_her_id,
        a_gateway_is_checked_by_whoever_keeps_it_running;
    metrics:
        prometheus_reads_the_same_figures_with_its_token_alone,
        what_prometheus_reads_is_what_the_page_shows;
    rollouts:
        whoever_runs_the_fleet_rolls_out_and_takes_back_and_the_others_look,
        a_stores_page_says_what_is_rolled_out_there,
        a_package_of_a_stranger_another_chain_or_another_day_is_not_taken_in,
        a_headquarters_that_forgot_a_halt_halts_again_and_one_that_hears_nothing_decides_nothing,
        a_ring_begins_once_however_many_receivers_look,
        stores_that_took_it_and_fell_silent_halt_it;
    retired:
        a_store_whose_machine_was_replaced_is_online_once_the_old_one_is_retired,
        a_ring_is_proven_without_a_gateway_that_is_retired,
        no_package_is_blamed_for_a_gateway_that_comes_back;
    program:
        a_whole_headquarters_shows_stores_that_come_over_the_broker;
);
