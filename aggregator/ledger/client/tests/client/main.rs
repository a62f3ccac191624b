//! The client and the queue of reports against the embedded ledger, over loopback.

#![allow(clippy::unwrap_used, reason = "unwrap is for tests")]

mod client;
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod payout;
mod reporter;
mod sponsor;
mod support;
