//! What headquarters has booked, taken in by the store: whose it is, what moves it, what it must not undo.

use crate::salon::{LIMIT, NAME, PHONE, Salon, open};
use skinlink::{
    clock,
    domain::{
        CustomerId, Timestamp,
        appointment::{Appointment, AppointmentState, Deed, Origin},
        customer::Customer,
    },
    store::{Comes, Expected, Store, StoreError, Taken},
    sync::agenda::{Entry, Held, Standing},
};

const BOOK: &str = "book-1";

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_unix_ms(clock::now().wall.unix_ms() + minutes * 60_000)
}

/// Booked for a person in an hour.
fn entry(id: &str, member: &str, phone: &str, name: &str) -> Entry {
    Entry {
        id: id.to_owned(),
        starts: at(60).to_string(),
        minutes: 60,
        state: Standing::Booked,
        service: "补水护理".to_owned(),
        staff: "b-07".to_owned(),
        station: String::new(),
        member: member.to_owned(),
        phone: phone.to_owned(),
        name: name.to_owned(),
    }
}

fn off(id: &str, state: Standing) -> Entry {
    let empty = String::new;
    let gone = Entry { service: empty(), staff: empty(), ..entry(id, "", "", "") };
    Entry { state, ..gone }
}

async fn take(store: &Store, changes: (u64, u64), entries: Vec<Entry>) -> Taken {
    store.take_agenda(BOOK.to_owned(), changes, entries).await.unwrap()
}

async fn day(store: &Store) -> Vec<Appointment> {
    store.appointments(at(-720), at(720)).await.unwrap()
}

async fn strangers(store: &Store) -> Vec<Expected> {
    store.expected(at(-720), at(720)).await.unwrap()
}

async fn another(store: &Store, name: &str, phone: &str) -> CustomerId {
    let id = clock::mint(CustomerId::from_bits);
    let customer =
        Customer { id, name: name.to_owned(), phone: phone.to_owned(), skin_type: String::new(), notes: String::new() };
    store.save_customer(customer, "staff-1".to_owned()).await.unwrap();
    id
}

/// The person of the salon, as headquarters names her.
fn hers(id: &str) -> Entry {
    entry(id, "", &PHONE[PHONE.len() - 4..], NAME)
}

#[tokio::test]
async fn a_booking_stands_in_the_day_of_whoever_is_meant_and_is_carried_along() {
    let salon = Salon::new().await;
    assert_eq!(salon.store.agenda_held().await.unwrap(), None);
    assert_eq!(take(&salon.store, (0, 1), vec![hers("crm-1")]).await, Taken::Written);
    let booked = day(&salon.store).await.remove(0);
    assert_eq!(
        (booked.customer, booked.state, booked.origin),
        (salon.customer, AppointmentState::Booked, Origin::Headquarters)
    );
    assert_eq!((booked.service.as_str(), booked.staff.as_str()), ("补水护理", "b-07"));
    // Said again, as a whole and in part: nothing twice.
    assert_eq!(take(&salon.store, (0, 1), vec![hers("crm-1")]).await, Taken::Held);
    let later = Entry { starts: at(90).to_string(), staff: "b-02".to_owned(), ..hers("crm-1") };
    assert_eq!(take(&salon.store, (0, 2), vec![later.clone()]).await, Taken::Written);
    let moved = day(&salon.store).await;
    assert_eq!((moved.len(), moved[0].id, moved[0].staff.as_str()), (1, booked.id, "b-02"));
    assert_eq!(moved[0].starts.to_string(), later.starts);
    assert_eq!(take(&salon.store, (2, 3), vec![off("crm-1", Standing::Cancelled)]).await, Taken::Written);
    assert_eq!(day(&salon.store).await[0].state, AppointmentState::Cancelled);
    // It survives a restart, and so does how far it is held.
    let salon = salon.reopened().await;
    let held = Held { book: BOOK.to_owned(), version: 3 };
    assert_eq!(salon.store.agenda_held().await.unwrap(), Some(held));
    assert_eq!(take(&salon.store, (3, 4), vec![hers("crm-1")]).await, Taken::Written);
    assert_eq!(day(&salon.store).await[0].state, AppointmentState::Booked, "booked again");
    assert_eq!(take(&salon.store, (4, 5), vec![off("crm-1", Standing::Moved)]).await, Taken::Written);
    assert_eq!(day(&salon.store).await[0].state, AppointmentState::Cancelled, "gone from this day");
    assert!(salon.store.verify_audit().await.unwrap().is_ok());
}

/// What begins beyond what is held would leave a hole that nobody notices; another book begins with its first change.
#[tokio::test]
async fn a_part_with_a_hole_before_it_is_not_taken_and_another_book_takes_the_place_of_the_old_one() {
    let salon = Salon::new().await;
    assert_eq!(take(&salon.store, (4, 5), vec![hers("crm-1")]).await, Taken::Gap);
    assert!(day(&salon.store).await.is_empty());
    take(&salon.store, (0, 2), vec![hers("crm-1"), entry("crm-2", "B7", "", "赵一")]).await;
    assert_eq!(take(&salon.store, (3, 5), vec![hers("crm-3")]).await, Taken::Gap);
    let other = |changes, entries| salon.store.take_agenda("book-2".to_owned(), changes, entries);
    assert_eq!(
        other((1, 9), vec![hers("crm-3")]).await.unwrap(),
        Taken::Gap,
        "of another book, and not from its beginning"
    );
    assert_eq!((day(&salon.store).await.len(), strangers(&salon.store).await.len()), (1, 1));
    assert_eq!(other((0, 9), vec![hers("crm-3")]).await.unwrap(), Taken::Written);
    let states: Vec<_> = day(&salon.store).await.into_iter().map(|one| one.state).collect();
    assert_eq!(states, [AppointmentState::Cancelled, AppointmentState::Booked]);
    assert!(strangers(&salon.store).await.is_empty(), "nobody books the other one any more");
}

/// A person who sits in the chair was called off by a late word, and stood twice in the day.
#[tokio::test]
async fn whoever_has_come_stays_whatever_headquarters_says_afterwards() {
    let salon = Salon::new().await;
    take(&salon.store, (0, 1), vec![hers("crm-1")]).await;
    let id = day(&salon.store).await[0].id;
    let act = async |deed| salon.store.set_appointment(id, deed, "staff-1".to_owned()).await.unwrap().state;
    act(Deed::Arrive).await;
    take(&salon.store, (1, 2), vec![off("crm-1", Standing::Cancelled)]).await;
    assert_eq!(day(&salon.store).await[0].state, AppointmentState::Waiting);
    // A slip of the finger: it was another one who came. Then it is as headquarters says.
    assert_eq!(act(Deed::Undo).await, AppointmentState::Cancelled);
    assert_eq!(act(Deed::Arrive).await, AppointmentState::Waiting, "she came after all");
    let visit = salon.visit().await;
    let later = Entry { starts: at(300).to_string(), ..hers("crm-1") };
    for (changes, entry) in
        [((2, 3), later), ((3, 4), entry("crm-1", "C9", "", "赵一")), ((4, 5), off("crm-1", Standing::Moved))]
    {
        take(&salon.store, changes, vec![entry]).await;
        let now = day(&salon.store).await;
        assert_eq!((now.len(), now[0].visit, now[0].customer), (1, Some(visit), salon.customer));
    }
    assert!(strangers(&salon.store).await.is_empty());
}

/// Where two records may be meant, a person says which; nobody stands in the day twice, and nobody is made twice.
#[tokio::test]
async fn never_two_and_never_guessed() {
    let salon = Salon::new().await;
    let end = &PHONE[PHONE.len() - 4..];
    let twin = another(&salon.store, NAME, &format!("1380000{end}")).await;
    take(&salon.store, (0, 2), vec![hers("crm-1"), entry("crm-2", "N-1", "4321", "Neu Gast")]).await;
    assert!(day(&salon.store).await.is_empty());
    let waiting = strangers(&salon.store).await;
    let (twins, new) = waiting.iter().partition::<Vec<_>, _>(|one| !one.perhaps.is_empty());
    let mut perhaps: Vec<CustomerId> = twins[0].perhaps.iter().map(|one| one.id).collect();
    perhaps.sort_unstable();
    let mut both = vec![salon.customer, twin];
    both.sort_unstable();
    assert_eq!(perhaps, both);
    let welcome = async |id, comes| salon.store.welcome(id, comes, "staff-1".to_owned()).await;
    assert!(matches!(welcome(twins[0].id, Comes::AsTold).await, Err(StoreError::WhoIsIt(_))));
    assert_eq!(welcome(twins[0].id, Comes::This(twin)).await.unwrap(), twin);
    assert!(matches!(welcome(twins[0].id, Comes::New).await, Err(StoreError::WrongState { .. })), "another tablet");
    // Somebody new is made once, with what headquarters says of them, and known from then on.
    let made = welcome(new[0].id, Comes::AsTold).await.unwrap();
    let record = salon.store.record(made).await.unwrap();
    assert_eq!(
        (record.customer.name.as_str(), record.customer.phone.as_str(), record.card.member.as_str()),
        ("Neu Gast", "4321", "N-1")
    );
    take(&salon.store, (2, 3), vec![entry("crm-3", "N-1", "", "")]).await;
    assert_eq!(day(&salon.store).await.iter().filter(|one| one.customer == made).count(), 2);
    assert!(strangers(&salon.store).await.is_empty());
    assert_eq!(salon.store.find_customers("Neu Gast".to_owned(), 9).await.unwrap().len(), 1);
    // The twin whom a person chose has no number to learn; the other one was left alone.
    assert_eq!(salon.store.card(salon.customer).await.unwrap().member, "");
}

/// Headquarters names another person under the same appointment: it goes over to them, as long as nobody came on it.
#[tokio::test]
async fn an_appointment_changes_hands_while_nobody_has_come() {
    let salon = Salon::new().await;
    let zhao = another(&salon.store, "赵一", "13700007777").await;
    take(&salon.store, (0, 1), vec![hers("crm-1")]).await;
    take(&salon.store, (1, 2), vec![entry("crm-1", "", "7777", "赵一")]).await;
    let owners: Vec<_> = day(&salon.store).await.into_iter().map(|one| one.customer).collect();
    assert_eq!(owners, [zhao]);
    take(&salon.store, (2, 3), vec![entry("crm-1", "Z-9", "", "Niemand Hier")]).await;
    assert!(day(&salon.store).await.is_empty());
    assert_eq!(strangers(&salon.store).await.len(), 1);
    take(&salon.store, (3, 4), vec![off("crm-1", Standing::Cancelled)]).await;
    assert!(strangers(&salon.store).await.is_empty());
}

/// Two entries joined are one person, whatever headquarters knows of either.
#[tokio::test]
async fn joined_entries_are_one_person_and_erasure_takes_the_booking_along() {
    let salon = Salon::new().await;
    let other = another(&salon.store, "Zhang W.", "13900002222").await;
    salon.store.join_customers(salon.customer, other, None, "staff-1".to_owned()).await.unwrap();
    take(&salon.store, (0, 2), vec![hers("crm-1"), entry("crm-2", "", "2222", "Zhang W.")]).await;
    let owners: Vec<_> = day(&salon.store).await.into_iter().map(|one| one.customer).collect();
    assert_eq!(owners, [salon.customer, salon.customer]);
    salon.store.erase_customer(salon.customer, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();
    assert!(day(&salon.store).await.is_empty());
    assert!(strangers(&salon.store).await.is_empty());
    let Salon { folder, store, .. } = salon;
    assert!(store.close(LIMIT).await);
    assert!(strangers(&open(&folder)).await.is_empty());
}
