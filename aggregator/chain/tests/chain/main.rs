//! The client against the embedded ledger, over loopback.

#![allow(clippy::unwrap_used, reason = "unwrap is for tests")]

mod client;
mod sponsor;
mod support;
