//! Pictures in a bucket: put there by the stores themselves at addresses that headquarters grants, sealed, verified, erased.
//! The object store is a real one that checks every signature.

#[expect(dead_code, reason = "shared with the stories of the sync task")]
#[path = "../support/gateway.rs"]
mod gateway;
#[expect(dead_code, reason = "shared with the stories of the receiver")]
#[path = "../hq_receives/hand.rs"]
mod hand;
#[path = "../support/headquarters.rs"]
#[expect(dead_code, reason = "shared with the stories of the sync task")]
mod headquarters;
#[expect(dead_code, reason = "shared with the store's own stories")]
#[path = "../store/salon.rs"]
#[expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]
mod salon;

mod granted;
mod shelf;
mod store;
