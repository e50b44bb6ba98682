//! Headquarters' receiver against a real broker: what it stores, what it answers, what it refuses. The gateway's side is
//! driven by hand here, so that it can do what a sound gateway never would.

#[expect(dead_code, reason = "shared with the stories of the sync task")]
#[path = "../support/headquarters.rs"]
mod headquarters;

mod events;
mod hand;
mod pictures;
mod refusals;
