//! The ledger as a client sees it: the chain's own client library against the server, then bytes that no client sends.

#![allow(clippy::unwrap_used, reason = "unwrap is for tests")]

mod client;
mod crash;
mod hostile;
mod load;
mod rest;
mod rules;
mod support;
