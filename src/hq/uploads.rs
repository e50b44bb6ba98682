//! Pictures that a gateway puts into the bucket itself, at an address that is signed for this one object and a short time.
//! It seals them with the key it is told, so that what lies there is of no use to whoever owns the bucket. Which stores do so is
//! configured; a gateway must have said that it can (`uploads` in its self-description): an older one would not understand.

use super::{
    HqError,
    database::engine::{Engine, first, values},
    shelf::{Grant, Sealed, Shelves},
};
use crate::sync::{
    reply::Reply,
    topic::Address,
    upload::{self, About},
};
use std::{collections::BTreeSet, time::Duration};

/// How long an address holds: a picture of 64 MiB at 1 Mbit/s needs nine minutes.
const LASTING: Duration = Duration::from_secs(15 * 60);

/// Which stores put their pictures into the bucket themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Uploads {
    #[default]
    None,
    All,
    Of(BTreeSet<String>),
}

impl Uploads {
    /// Whether this gateway is to be told an address.
    pub(super) fn serves(&self, engine: &mut dyn Engine, from: &Address) -> Result<bool, HqError> {
        match self {
            Self::None => return Ok(false),
            Self::Of(stores) if !stores.contains(&from.store) => return Ok(false),
            Self::All | Self::Of(_) => {}
        }
        let row = first(engine, "SELECT about FROM gateways WHERE gateway = ?1", values![&from.gateway])?;
        let about: Option<String> = row.map_or(Ok(None), |row| row.get(0))?;
        let about = about.and_then(|about| serde_json::from_str::<About>(&about).ok()).unwrap_or_default();
        Ok(about.uploads.iter().any(|way| way == upload::PUT))
    }
}

/// Where a gateway is to put a picture, and with which key to seal it.
pub(super) fn say_where(shelves: &Shelves, place: &Sealed, capture: &str, sha256: &str) -> Result<Reply, HqError> {
    let bucket = shelves.bucket().ok_or(HqError::NoBucket)?;
    let Grant { url, authority } = bucket.grant(&place.name, LASTING);
    let key = shelves.chain().open_key(&place.name, &place.key)?;
    Ok(Reply::Upload {
        capture: capture.to_owned(),
        sha256: sha256.to_owned(),
        name: place.name.clone(),
        url,
        authority,
        key: hex::encode(key.as_ref()),
    })
}
