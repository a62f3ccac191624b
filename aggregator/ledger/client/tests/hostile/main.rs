//! The client and the reporter against a ledger that is down or lies, and against workers that cheat.

#![allow(clippy::unwrap_used, reason = "unwrap is for tests")]

mod a38;
mod a39;
#[path = "../common/mod.rs"]
mod common;
mod f28;
mod lies;
mod proxy;
mod world;
