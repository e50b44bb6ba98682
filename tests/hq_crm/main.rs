//! Programs of the CRM at headquarters' door: what they read, what they write, and what they are told when they may not. Told on
//! both databases, over real HTTP.

#[macro_use]
#[path = "../support/both_databases.rs"]
mod both_databases;
#[expect(dead_code, reason = "shared with the stories of the databases")]
#[path = "../support/batches.rs"]
mod batches;
#[path = "../support/gateway.rs"]
#[expect(dead_code, reason = "shared with the stories of the wire")]
mod gateway;
#[path = "../support/headquarters.rs"]
#[expect(dead_code, reason = "shared with the stories of the wire")]
mod headquarters;
#[path = "../hq_reports/house.rs"]
#[expect(dead_code, reason = "shared with the stories of reports")]
mod house;
#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "shared with the stories of the databases")]
mod postgres;
#[expect(dead_code, reason = "shared with the store's own stories")]
#[path = "../store/salon.rs"]
#[expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]
mod salon;

mod birthdays;
mod care;
mod chain;
mod document;
mod example;
mod guests;
mod keys;
mod month;
mod orders;
mod reads;
mod webhook;
mod writes;

use both_databases::Side;

on_both_sides!(
    #[tokio::test(flavor = "multi_thread")]
    keys:
        a_key_opens_what_it_is_for_until_it_is_withdrawn,
        a_program_that_reads_a_visit_stands_once_a_day_in_the_audit,
        who_tries_keys_is_held_back_and_others_are_not;
    reads:
        a_program_that_reads_on_while_visits_arrive_misses_none_and_reads_none_twice,
        whoever_read_beyond_a_backup_is_told_so_however_late_it_asks,
        a_cursor_of_before_there_were_marks_holds_after_the_update,
        corrections_come_up_again_and_facts_made_again_do_not,
        a_visit_is_read_with_its_verdicts_and_error_bars,
        whoever_withdrew_or_was_erased_is_told_as_gone,
        of_whoever_never_agreed_no_program_hears_a_thing;
    writes:
        appointments_are_taken_whole_or_not_at_all,
        a_store_is_told_of_its_own_customers_of_the_next_seven_days;
    example:
        thirty_lines_of_python_read_a_stores_visit_and_book_an_appointment;
    orders:
        the_staff_of_a_store_is_written_whole_and_read_back,
        an_order_is_given_by_whoever_may_and_read_until_it_is_answered,
        what_the_crm_orders_is_done_by_a_daemon_and_answered;
    care:
        a_message_is_taken_answered_for_and_offered_once,
        who_has_not_agreed_is_looked_at_when_they_say_another_word,
        a_dead_message_is_seen_and_sent_again,
        messages_wait_for_no_gateway_that_is_retired,
        a_message_of_a_store_that_closed_lapses_in_its_time;
    birthdays:
        a_birthday_is_told_read_and_taken_away_by_whoever_may,
        an_erased_customers_birthday_goes_and_does_not_come_back,
        a_birthday_is_wished_once_a_year_whichever_card_it_was_told_of,
        a_birthday_waits_for_a_yes_and_lapses_after_three_days;
    month:
        a_month_of_visits_brings_every_message_once_and_none_without_consent;
    webhook:
        outages_and_a_receiver_killed_between_sending_and_noting_lose_nothing,
        a_dead_receiver_is_asked_now_and_then_and_not_by_every_message;
    document:
        no_made_up_call_brings_a_fault_or_an_undescribed_answer;
);
