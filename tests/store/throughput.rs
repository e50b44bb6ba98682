//! A figure to look at, not a limit: machines differ.

use crate::salon::{LIMIT, Salon, new_repeat};
use std::time::Duration;
use tokio::{task::JoinSet, time::Instant};

const CALLERS: u64 = 64;
const EACH: u64 = 250;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_values_from_many_callers_share_their_commits() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = salon.store.clone();
        callers.spawn(async move {
            for n in 0..EACH {
                let recorded = store.record_repeat(new_repeat(Some(scan), "35.0", Some(caller * EACH + n))).await;
                assert!(!recorded.unwrap().again);
            }
        });
    }
    tokio::time::timeout(LIMIT * 4, async { while callers.join_next().await.transpose().unwrap().is_some() {} })
        .await
        .expect("written in time");
    let took = begun.elapsed().max(Duration::from_micros(1));
    assert_eq!(salon.store.scan_view(scan).await.unwrap().repeats.len() as u64, CALLERS * EACH);
    let rate = (CALLERS * EACH) as f64 / took.as_secs_f64();
    println!("{} values, each confirmed after its fsync, {CALLERS} callers: {rate:.0} a second", CALLERS * EACH);
}
