//! The transport: a libp2p node behind a small handle.
//!
//! [`Network::start`] gives a cloneable [`Network`] and a bounded queue of [`NetworkEvent`]s; one task of this crate
//! owns the swarm. Three things travel: messages (one way, acknowledged, in order for each peer), hellos (asked and
//! answered, the only thing that peers who were not admitted may say), and pieces of blobs, which
//! [`Network::fetch_blob`] verifies against the blob's BLAKE3 hash before it stores them. libp2p's types stay in here:
//! peers are worker ids, addresses are multiaddresses as text.
//!
//! Invariants:
//! - Every queue, body, table and wait has a bound, named in `config`.
//! - Nothing is lost without its sender knowing: a message is acknowledged when it is handed to the user, not earlier.
//! - Nothing is allocated on a peer's word: lengths are capped before, blobs are sized by a proven piece list.
//! - A peer is who its key says: the connection's identity is the worker's ed25519 key.

mod behaviour;
pub mod bench;
mod blobs;
pub mod config;
mod driver;
mod error;
mod event;
mod fetch;
mod handle;
mod identity;
#[cfg(test)]
mod testing;
mod wire;

pub use blobs::{BlobStore, StoreError};
pub use config::NetworkConfig;
pub use error::{ConnectError, FetchError, SendError, StartError};
pub use event::{NetworkEvent, ReplyHandle};
pub use fetch::Fetched;
pub use handle::Network;
