//! The service sheet with what was noted of its steps, from the store to the tables that people query at headquarters.

use crate::{
    Side,
    house::{House, texts},
    salon::{person, say},
};
use skinlink::{
    clock,
    domain::{
        CustomerId, VisitId,
        consent::Purpose,
        treatment::{Noted, Used},
    },
    hq::records,
};

const WHO: &str = "staff-1";
const PRODUCTS: &str = "SELECT visit || ' ' || step || ' ' || product || ' ' || batch FROM products ORDER BY n, batch";
const STEPS: &str =
    "SELECT step || '|' || coalesce(CAST(level AS TEXT), '-') || '|' || setting || '|' || remark FROM steps
    ORDER BY n, step";

/// A visit with two steps, of which one is noted; closed.
async fn served(house: &House, customer: CustomerId, station: &str, batch: &str) -> VisitId {
    let store = &house.salon.store;
    let opened = store.open_visit(customer, station.to_owned(), WHO.to_owned()).await.expect("a visit");
    let steps = vec!["清洁".to_owned(), "精华导入".to_owned()];
    store.set_steps(opened.id, None, steps, WHO.to_owned()).await.expect("ticked");
    let products = vec![Used { product: "玻尿酸精华".to_owned(), batch: batch.to_owned() }];
    let noted =
        Noted { level: Some(2), setting: "1 MHz".to_owned(), products, remark: format!("{batch} 略有泛红") };
    store.note_step(opened.id, None, "精华导入".to_owned(), noted, WHO.to_owned()).await.expect("noted");
    store.close_visit(opened.id, None, WHO.to_owned()).await.expect("closed");
    opened.id
}

/// Three customers are treated with the same serum. One shares her numbers, one does not, one did and takes it back before the line
/// comes back; then the first one asks to be erased.
pub(crate) async fn how_each_step_was_done_comes_up_with_the_visit_and_goes_with_the_customer(side: Side) {
    let house = House::new(side).await;
    let store = &house.salon.store;
    house.agree(&[Purpose::Measure, Purpose::ShareNumbers]).await;
    let [private, wavering] = [(); 2].map(|()| clock::mint(CustomerId::from_bits));
    for customer in [private, wavering] {
        store.save_customer(person(customer), WHO.to_owned()).await.expect("a customer");
    }
    say(store, wavering, Purpose::ShareNumbers, true).await;
    let shared = served(&house, house.salon.customer, "chair-1", "H2609").await;
    served(&house, private, "chair-2", "H-private").await;
    served(&house, wavering, "chair-3", "H-taken-back").await;
    say(store, wavering, Purpose::ShareNumbers, false).await;

    let running = house.connect();
    let found = house
        .eventually("the sheet is there", |engine| Some(texts(engine, PRODUCTS)).filter(|found| !found.is_empty()))
        .await;
    house.settled().await;
    assert_eq!(found, [format!("{shared} 精华导入 玻尿酸精华 H2609")]);
    assert_eq!(texts(&mut *house.engine(), STEPS), ["清洁|-||", "精华导入|2|1 MHz|H2609 略有泛红"]);
    let told = || texts(&mut *house.engine(), "SELECT body FROM events").concat();
    assert!(!told().contains("H-private") && !told().contains("H-taken-back"), "not agreed to");

    let shelves = house.headquarters.config().shelves.open().expect("the shelves");
    records::rebuild(&house.headquarters.database, &shelves).expect("made again");
    assert_eq!(texts(&mut *house.engine(), PRODUCTS), found, "made again, it is the same");

    store.erase_customer(house.salon.customer, WHO.into(), "asked for".into()).await.expect("erased");
    house
        .eventually("nothing of her is left", |engine| {
            let tables = ["sheet_facts", "step_facts", "product_facts"];
            let empty = tables.iter().all(|table| texts(engine, &format!("SELECT visit FROM {table}")).is_empty());
            let told = texts(engine, "SELECT body FROM events").concat();
            (empty && !told.contains("H2609") && !told.contains("泛红")).then_some(())
        })
        .await;
    house.end(Some(running)).await;
}
