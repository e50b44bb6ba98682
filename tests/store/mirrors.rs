//! Mirrors: one a station, there again after the store was opened anew, gone when it is undone.

use crate::salon::{LIMIT, open};
use skinlink::{domain::Timestamp, store::StoreError};
use tempfile::TempDir;

#[tokio::test]
async fn a_station_has_one_mirror_which_outlives_the_gateway() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let at = Timestamp::from_unix_ms(1_795_400_000_000);
    let pair = |store: skinlink::store::Store, station: &str, screen: u8, lang: &str| {
        let (station, lang) = (station.to_owned(), lang.to_owned());
        async move { store.pair_mirror(station, [screen; 32], lang, at, "b-07".to_owned()).await.unwrap() }
    };
    pair(store.clone(), "chair-1", 1, "zh").await;
    pair(store.clone(), "chair-2", 2, "en").await;
    pair(store.clone(), "chair-1", 3, "hant").await;
    assert!(store.close(LIMIT).await);

    let store = open(&folder);
    let mirror = store.mirror("chair-1".to_owned()).await.unwrap().unwrap();
    assert_eq!((mirror.digest, mirror.lang.as_str(), mirror.paired), ([3; 32], "hant", at));
    assert_eq!(store.station_of_mirror([2; 32]).await.unwrap().as_deref(), Some("chair-2"));
    assert_eq!(store.station_of_mirror([1; 32]).await.unwrap(), None, "its place was taken");
    store.set_mirror_lang("chair-1".to_owned(), "en".to_owned()).await.unwrap();
    assert_eq!(store.mirror("chair-1".to_owned()).await.unwrap().unwrap().lang, "en");
    let nobody = store.set_mirror_lang("chair-9".to_owned(), "en".to_owned()).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })), "{nobody:?}");
    assert!(store.unpair_mirror("chair-1".to_owned(), "b-07".to_owned()).await.unwrap());
    assert!(!store.unpair_mirror("chair-1".to_owned(), "b-07".to_owned()).await.unwrap());
    assert_eq!(store.mirror("chair-1".to_owned()).await.unwrap(), None);
    assert!(store.verify_audit().await.unwrap().is_ok());
}
