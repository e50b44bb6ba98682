//! Pictures in a bucket: put there by the stores themselves at addresses that headquarters grants, sealed, verified, erased.
//! The object store is a real one that checks every signature.

#[expect(dead_code, reason = "shared with the stories of the databases")]
#[path = "../support/batches.rs"]
mod batches;
#[expect(dead_code, reason = "shared with the stories of the sync task")]
#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../hq_receives/hand.rs"]
mod hand;
#[path = "../support/headquarters.rs"]
#[expect(dead_code, reason = "shared with the stories of the sync task")]
mod headquarters;
#[expect(dead_code, reason = "shared with the store's own stories")]
#[path = "../store/salon.rs"]
#[expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]
mod salon;

mod archive;
mod granted;
mod hang;
mod late;
mod shelf;
mod store;
