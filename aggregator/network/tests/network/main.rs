//! Nodes of the transport on real sockets of this machine.

mod blobs;
mod connections;
mod hostile;
mod messages;
mod support;
