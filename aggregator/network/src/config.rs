//! What one node's transport is started with, and every bound it keeps.
//!
//! Invariant: no queue, body, table or wait in this crate is without one of the limits below.

use std::time::Duration;

use protocol::{NetworkId, WorkerId};

/// Largest encoded hello. It is the only thing that a stranger may say, so it is small.
pub const HELLO_BYTES_MAX: usize = 64 << 10;
/// Bytes of request bodies that are held at once for all peers together; further ones wait unread.
pub const INBOUND_BYTES_MAX: usize = 128 << 20;

/// Commands that wait for the driver; callers wait when it is full.
pub(crate) const COMMANDS_MAX: usize = 1024;
/// Events that wait for the driver's user; when it is full, messages stay unacknowledged in the inbox.
pub(crate) const EVENTS_MAX: usize = 256;
/// Messages in the inbox; beyond it a sender is told to come back.
pub(crate) const INBOX_MESSAGES_MAX: usize = 1024;
/// Hellos whose answer is being prepared.
pub(crate) const HELLOS_PENDING_MAX: usize = 64;
/// Requests that wait for one peer in each lane.
pub(crate) const QUEUED_PER_LANE_MAX: usize = 128;
/// Pieces asked of one peer at once.
pub(crate) const PIECES_PER_PEER_MAX: usize = 8;
/// Pieces being served at once, to all peers together.
pub(crate) const PIECES_SERVED_MAX: usize = 256;
/// Pieces being read from disk at once.
pub(crate) const FILE_READS_MAX: usize = 16;
/// Streams of one protocol on one connection, both directions together; far above what an honest peer opens.
pub(crate) const STREAMS_MAX: usize = 64;
/// Peers that the driver keeps an entry for.
pub(crate) const PEERS_MAX: usize = 4096;
/// Addresses kept for a peer, the newest given.
pub(crate) const ADDRESSES_PER_PEER_MAX: usize = 8;
/// Callers waiting for a connection to one peer.
pub(crate) const WAITERS_PER_PEER_MAX: usize = 64;
/// Attempts to deliver one request, each of them a failure that was seen.
pub(crate) const ATTEMPTS_MAX: u32 = 8;
/// Established connections to one peer: both sides may dial at once, and a ghost may linger.
pub(crate) const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// Connections in their handshake, in each direction.
pub(crate) const HANDSHAKES_MAX: u32 = 128;

/// How long a sender that met a full inbox is asked to stay away.
pub(crate) const BUSY_RETRY_MS: u32 = 200;
/// How long someone who asks for a blob that is on its way here is asked to stay away.
pub(crate) const PENDING_RETRY_MS: u32 = 200;
/// First pause before a repeated dial or send; it doubles up to [`BACKOFF_MAX`].
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two dials of a peer that is to stay connected.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// A connection that lasted this long ends the back-off.
pub(crate) const CONNECTION_STABLE: Duration = Duration::from_secs(5);
/// A peer that came by itself and was not admitted within this time is disconnected.
pub(crate) const STRANGER_GRACE: Duration = Duration::from_secs(30);
/// A peer of another network is left connected this long, to learn so by itself.
pub(crate) const FOREIGN_GRACE: Duration = Duration::from_secs(2);
/// Resolution of deadlines and back-off; nothing ticks while nothing waits.
pub(crate) const TICK: Duration = Duration::from_millis(25);
/// How long a stopping driver flushes answers that it owes.
pub(crate) const DRAIN_MAX: Duration = Duration::from_millis(500);
/// How long a connection stays open after its last answer has left: a peer that reads the answer and the end of the
/// connection at once would see the end only.
pub(crate) const LINGER: Duration = Duration::from_millis(150);
/// How long the listeners may take to come up.
pub(crate) const LISTEN_MAX: Duration = Duration::from_secs(10);
/// Interval of pings; a connection whose ping fails is closed.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(5);
/// A peer that does not answer a ping for this long is gone, or its machine is.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What [`crate::Network::start`] needs.
#[derive(Clone)]
pub struct NetworkConfig {
    /// The worker's ed25519 secret key; it is also the libp2p identity.
    pub secret: [u8; 32],
    /// Multiaddresses to listen on, such as `/ip4/127.0.0.1/tcp/0`; none for a node that only dials.
    pub listen: Vec<String>,
    /// Part of every protocol name, so that nodes of another network find nothing to talk about.
    pub network_id: NetworkId,
    /// Peers that are admitted from the start, before the first connection: after a restart, those of the roster.
    pub admitted: Vec<WorkerId>,
    /// Deadline of `send` and `hello`, over all their attempts.
    pub send_deadline: Duration,
    /// Deadline of one attempt to deliver a message, or to have a hello answered.
    pub attempt_deadline: Duration,
    pub piece_deadline: Duration,
    /// A connection without traffic is kept this long; above the interval between rounds.
    pub idle_max: Duration,
    /// Established connections that peers opened.
    pub inbound_connections_max: u32,
}

impl NetworkConfig {
    /// Defaults for everything but the key and the network.
    pub fn new(secret: [u8; 32], network_id: NetworkId) -> Self {
        Self {
            secret,
            listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
            network_id,
            admitted: Vec::new(),
            send_deadline: Duration::from_secs(30),
            attempt_deadline: Duration::from_secs(15),
            piece_deadline: Duration::from_secs(60),
            idle_max: Duration::from_secs(4 * 3600),
            inbound_connections_max: 512,
        }
    }
}

impl std::fmt::Debug for NetworkConfig {
    /// Leaves the secret out, since configurations end up in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetworkConfig")
            .field("listen", &self.listen)
            .field("network_id", &self.network_id)
            .finish_non_exhaustive()
    }
}
