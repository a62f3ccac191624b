//! Nodes of the transport on real sockets of this machine.

#![allow(clippy::unwrap_used, reason = "tests may, also in their helpers")]

mod blobs;
mod connections;
mod hostile;
mod messages;
mod support;
