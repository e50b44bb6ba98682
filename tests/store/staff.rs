//! Who works here by headquarters' word: taken whole, PINs stay the store's, and somebody who can let others in always stays.

use crate::salon::Salon;
use skinlink::{
    clock,
    domain::{
        Timestamp,
        staff::{Person, Role},
    },
    store::{Member, Store, StoreError, TakenStaff},
    sync::{
        agenda::Held,
        downlink::{Colleague, Duty},
    },
};
use std::collections::BTreeMap;

fn colleague(id: &str, name: &str, role: Duty) -> Colleague {
    Colleague { id: id.to_owned(), name: name.to_owned(), role }
}

fn person(id: &str, name: &str, role: Role) -> Person {
    Person { id: id.to_owned(), name: name.to_owned(), role }
}

async fn add(store: &Store, id: &str, name: &str, role: Role) {
    store.add_person(person(id, name, role), "a digest".to_owned(), "m-01".to_owned()).await.unwrap();
}

async fn take(store: &Store, version: u64, people: &[Colleague]) -> TakenStaff {
    store.take_staff("book-1".to_owned(), version, people.to_vec()).await.unwrap()
}

/// Number, name, role, whether headquarters named them, whether they have a PIN.
async fn here(store: &Store) -> Vec<(String, String, Role, bool, bool)> {
    let line = |Member { person, from_hq, has_pin }| (person.id, person.name, person.role, from_hq, has_pin);
    store.members().await.unwrap().into_iter().map(line).collect()
}

async fn log_in(store: &Store, id: &str, digest: u8) {
    let now = clock::now().wall;
    let ends = Timestamp::from_unix_ms(now.unix_ms() + 3_600_000);
    store.begin_session(id.to_owned(), [digest; 32], now, ends).await.unwrap();
}

async fn is_in(store: &Store, digest: u8) -> bool {
    let now = clock::now().wall;
    store.session([digest; 32], now, Timestamp::from_unix_ms(0)).await.unwrap().is_some()
}

#[tokio::test]
async fn whom_headquarters_names_works_here_once_the_manager_has_set_a_pin() {
    let salon = Salon::new().await;
    let store = &salon.store;
    add(store, "m-01", "陈宇", Role::Manager).await;
    add(store, "b-02", "本店的", Role::Beautician).await;
    assert_eq!(store.staff_held().await.unwrap(), None);
    let list = [colleague("b-07", "林晓", Duty::Beautician), colleague("t-01", "技师", Duty::Technician)];
    assert_eq!(take(store, 3, &list).await, TakenStaff::Written);
    assert_eq!(take(store, 3, &list).await, TakenStaff::Held, "said again");
    assert_eq!(take(store, 2, &[]).await, TakenStaff::Held, "an older word that comes late");
    assert_eq!(store.staff_held().await.unwrap(), Some(Held { book: "book-1".to_owned(), version: 3 }));
    let all = here(store).await;
    assert_eq!(all.len(), 4);
    assert_eq!(all[2], ("b-07".to_owned(), "林晓".to_owned(), Role::Beautician, true, false));
    // Name and role are headquarters', the PIN is set here.
    let renamed = store.change_person(person("b-07", "别的", Role::Beautician), None, "m-01".to_owned()).await;
    assert!(matches!(renamed, Err(StoreError::Refused(_))), "{renamed:?}");
    let same = person("b-07", "林晓", Role::Beautician);
    store.change_person(same, Some("a digest".to_owned()), "m-01".to_owned()).await.unwrap();
    log_in(store, "b-07", 7).await;
    // Renamed: nothing else of hers changes. Made a technician: what she has open may show customers, so it ends.
    take(store, 4, &[colleague("b-07", "林晓晓", Duty::Beautician)]).await;
    assert!(is_in(store, 7).await);
    assert_eq!(here(store).await.last().unwrap(), &("b-07".into(), "林晓晓".into(), Role::Beautician, true, true));
    assert_eq!(here(store).await.len(), 3, "the technician is not named any more");
    take(store, 5, &[colleague("b-07", "林晓晓", Duty::Technician)]).await;
    assert!(!is_in(store, 7).await);
    log_in(store, "b-07", 8).await;
    // Gone from the list: gone from the store, and whom the store entered itself is as before.
    take(store, 6, &[]).await;
    assert!(!is_in(store, 8).await);
    let left = here(store).await;
    assert_eq!(left.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), ["m-01", "b-02"]);
    assert!(left.iter().all(|one| !one.3 && one.4), "{left:?}");
    // Back again: without the old PIN. Another book, after headquarters was restored, is taken from its first number on.
    let other = store.take_staff("book-2".to_owned(), 1, vec![colleague("b-07", "林晓", Duty::Beautician)]).await;
    assert_eq!(other.unwrap(), TakenStaff::Written);
    assert_eq!(here(store).await.last().unwrap(), &("b-07".into(), "林晓".into(), Role::Beautician, true, false));
    assert!(store.verify_audit().await.unwrap().is_ok());
}

/// A badge has one owner in the chain: whoever bears the number here is who headquarters means.
#[tokio::test]
async fn the_same_number_is_the_same_person_and_keeps_the_pin() {
    let salon = Salon::new().await;
    let store = &salon.store;
    add(store, "m-01", "陈宇", Role::Manager).await;
    add(store, "b-07", "小林", Role::Beautician).await;
    log_in(store, "b-07", 7).await;
    take(store, 1, &[colleague("b-07", "林晓", Duty::Beautician)]).await;
    assert_eq!(here(store).await[1], ("b-07".into(), "林晓".into(), Role::Beautician, true, true));
    assert!(is_in(store, 7).await, "she goes on working");
    // Let go here while headquarters goes on naming her: she stays away, also when the list changes; named anew she is back.
    store.retire_person("b-07".to_owned(), "m-01".to_owned()).await.unwrap();
    let both = [colleague("b-07", "林晓", Duty::Beautician), colleague("b-09", "新人", Duty::Beautician)];
    take(store, 2, &both).await;
    assert_eq!(here(store).await.iter().map(|one| one.0.clone()).collect::<Vec<_>>(), ["m-01", "b-09"]);
    take(store, 3, &both[1..]).await;
    take(store, 4, &both).await;
    assert_eq!(here(store).await[1], ("b-07".into(), "林晓".into(), Role::Beautician, true, false));
    // One strange row keeps nobody away.
    take(store, 5, &[colleague("hq", "总部", Duty::Manager), both[0].clone(), colleague("B 1", "x", Duty::Manager)])
        .await;
    assert_eq!(here(store).await.iter().map(|one| one.0.clone()).collect::<Vec<_>>(), ["m-01", "b-07"]);
}

/// A fresh store is told its staff before anybody has a PIN: the machine's own screen stays open, or nobody would ever get in.
#[tokio::test]
async fn a_store_without_a_pin_stays_open_until_its_manager_has_one() {
    let salon = Salon::new().await;
    let store = &salon.store;
    let list = [colleague("m-01", "陈宇", Duty::Manager), colleague("b-07", "林晓", Duty::Beautician)];
    take(store, 1, &list).await;
    assert!(!store.has_staff().await.unwrap());
    let first =
        store.change_person(person("b-07", "林晓", Role::Beautician), Some("d".to_owned()), "".to_owned()).await;
    assert!(matches!(first, Err(StoreError::Refused(_))), "the first PIN is a manager's: {first:?}");
    assert!(!store.has_staff().await.unwrap(), "and nothing of it was written");
    let manager = person("m-01", "陈宇", Role::Manager);
    store.change_person(manager, Some("d".to_owned()), "".to_owned()).await.unwrap();
    assert!(store.has_staff().await.unwrap());
    let retired = store.retire_person("m-01".to_owned(), "m-01".to_owned()).await;
    assert!(matches!(retired, Err(StoreError::Refused(_))), "{retired:?}");
}

/// Headquarters takes the only manager off its list by mistake: she stays, it can read so, and as soon as another manager has a PIN
/// she goes.
#[tokio::test]
async fn the_last_manager_who_can_log_in_stays_until_there_is_another() {
    let salon = Salon::new().await;
    let store = &salon.store;
    add(store, "m-01", "陈宇", Role::Manager).await;
    take(store, 1, &[colleague("m-01", "陈宇", Duty::Manager)]).await;
    log_in(store, "m-01", 1).await;
    for (version, list) in [
        (2, vec![]),
        (3, vec![colleague("m-01", "陈宇", Duty::Beautician)]),
        (4, vec![colleague("m-02", "许静", Duty::Manager)]),
    ] {
        assert_eq!(take(store, version, &list).await, TakenStaff::Written);
        assert_eq!(here(store).await[0], ("m-01".into(), "陈宇".into(), Role::Manager, true, true), "{version}");
        assert_eq!(store.staff_kept().await.unwrap(), ["m-01"], "{version}");
        assert_eq!(store.staff_held().await.unwrap().map(|held| held.version), Some(version));
    }
    assert!(is_in(store, 1).await);
    store.set_pin("m-02".to_owned(), "d".to_owned(), "m-01".to_owned()).await.unwrap();
    assert_eq!(here(store).await, [("m-02".into(), "许静".into(), Role::Manager, true, true)]);
    assert!(!is_in(store, 1).await && store.staff_kept().await.unwrap().is_empty());
    // Of two who go at once one stays, rather the one who is still of the house.
    take(store, 5, &[colleague("m-02", "许静", Duty::Manager), colleague("m-03", "周敏", Duty::Manager)]).await;
    store.set_pin("m-03".to_owned(), "d".to_owned(), "m-02".to_owned()).await.unwrap();
    take(store, 6, &[colleague("m-03", "周敏", Duty::Technician)]).await;
    assert_eq!(here(store).await, [("m-03".into(), "周敏".into(), Role::Manager, true, true)]);
}

/// A person as a plain model keeps them.
#[derive(Debug, Clone, PartialEq)]
struct Plain {
    name: String,
    role: Role,
    active: bool,
    hq: bool,
    pin: bool,
}

/// What the top of `src/store/colleagues.rs` says, written down a second time without a database.
#[derive(Default)]
struct Model {
    people: BTreeMap<String, Plain>,
    /// In the order of their coming.
    came: Vec<String>,
    list: BTreeMap<String, (String, Role)>,
}

impl Model {
    fn lets_in(one: &Plain) -> bool {
        one.active && one.pin && one.role == Role::Manager
    }

    fn take(&mut self, list: &[Colleague]) {
        let before: Vec<String> = self.list.keys().cloned().collect();
        self.list = list.iter().map(|one| (one.id.clone(), (one.name.clone(), one.role.into()))).collect();
        for (id, (name, role)) in &self.list {
            match self.people.get_mut(id) {
                None => {
                    self.came.push(id.clone());
                    let new = Plain { name: name.clone(), role: *role, active: true, hq: true, pin: false };
                    self.people.insert(id.clone(), new);
                }
                Some(one) if one.active => (one.name, one.hq) = (name.clone(), true),
                Some(_) if before.contains(id) => {}
                Some(one) => *one = Plain { name: name.clone(), role: *role, active: true, hq: true, pin: false },
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        let wanted = |id: &String| self.list.get(id).map(|told| told.1);
        let after = |id: &String, one: &Plain| {
            let role = if one.hq { wanted(id) } else { Some(one.role) };
            one.active && one.pin && role == Some(Role::Manager)
        };
        let somebody = self.people.iter().any(|(id, one)| after(id, one));
        let mut last: Vec<&String> = self.came.iter().filter(|id| Self::lets_in(&self.people[*id])).collect();
        last.sort_by_key(|id| wanted(id).is_none());
        let kept = last.first().filter(|_| !somebody).map(|id| (*id).clone());
        for (id, one) in self.people.iter_mut().filter(|(id, one)| one.hq && one.active && kept.as_ref() != Some(*id)) {
            match self.list.get(id) {
                None => (one.active, one.pin) = (false, false),
                Some((_, role)) => one.role = *role,
            }
        }
    }

    fn shown(&self) -> Vec<(String, String, Role, bool, bool)> {
        let line = |id: &String| {
            let one = &self.people[id];
            one.active.then(|| (id.clone(), one.name.clone(), one.role, one.hq, one.pin))
        };
        self.came.iter().filter_map(line).collect()
    }
}

/// Lists, PINs, leavings in any order: the store is where the model is, and whoever once had a way in never loses the last one.
#[tokio::test]
async fn whatever_comes_the_store_is_where_a_plain_model_is() {
    let given = std::env::var("SKINLINK_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("SKINLINK_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    for game in 0..12 {
        let salon = Salon::new().await;
        let (store, mut model) = (&salon.store, Model::default());
        let ids = ["m-01", "m-02", "b-03", "b-04", "t-05"];
        let (mut version, mut taken, mut refused) = (0, 0, 0);
        for step in 0..60 {
            let id = ids[dice.usize(..ids.len())];
            let role = Role::ALL[dice.usize(..3)];
            let had_a_way_in = model.people.values().any(Model::lets_in);
            match dice.u8(..10) {
                0..4 => {
                    let some = ids.iter().filter(|_| dice.bool()).copied().collect::<Vec<_>>();
                    let duty =
                        |dice: &mut fastrand::Rng| [Duty::Manager, Duty::Beautician, Duty::Technician][dice.usize(..3)];
                    let list: Vec<Colleague> = some
                        .into_iter()
                        .map(|id| colleague(id, ["甲", "乙"][dice.usize(..2)], duty(&mut dice)))
                        .collect();
                    version += 1;
                    taken += 1;
                    take(store, version, &list).await;
                    model.take(&list);
                }
                4..7 => {
                    let set = store.set_pin(id.to_owned(), "d".to_owned(), "m".to_owned()).await;
                    let known = model.people.get_mut(id).filter(|one| one.active);
                    assert_eq!(set.is_ok(), known.is_some(), "game {game} step {step}: {set:?}");
                    if let Some(one) = known {
                        one.pin = true;
                        model.settle();
                    }
                }
                7 => {
                    let added = store.add_person(person(id, "丙", role), "d".to_owned(), "m".to_owned()).await;
                    let may = !model.people.contains_key(id) && (had_a_way_in || role == Role::Manager);
                    assert_eq!(added.is_ok(), may, "game {game} step {step}: {added:?}");
                    if may {
                        model.came.push(id.to_owned());
                        let new = Plain { name: "丙".into(), role, active: true, hq: false, pin: true };
                        model.people.insert(id.to_owned(), new);
                        model.settle();
                    }
                }
                _ => {
                    let retired = store.retire_person(id.to_owned(), "m".to_owned()).await;
                    let others = model.people.iter().any(|(other, one)| other != id && Model::lets_in(one));
                    let known = model.people.get_mut(id).filter(|one| one.active);
                    let may = known.is_some() && others;
                    assert_eq!(retired.is_ok(), may, "game {game} step {step}: {retired:?}");
                    refused += usize::from(!may);
                    if let Some(one) = known.filter(|_| may) {
                        (one.active, one.pin) = (false, false);
                    }
                }
            }
            assert_eq!(here(store).await, model.shown(), "seed {seed} game {game} step {step}");
            let way_in = model.people.values().any(Model::lets_in);
            assert!(way_in || !had_a_way_in, "seed {seed} game {game} step {step}: nobody can let others in");
        }
        assert!(taken > 5 && refused > 0, "the dice showed too little: {taken} {refused}");
        assert!(store.verify_audit().await.unwrap().is_ok());
    }
}
