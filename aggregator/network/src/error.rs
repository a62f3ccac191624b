//! What can go wrong, one enum per boundary: starting, connecting, sending, fetching.

use protocol::{Hash, WorkerId};

/// Why the transport did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program, or another run of this one, listens there.
    #[error(
        "port {port} is in use (listening on {address}): stop the program that holds it, choose another port, or use \
         port 0 to take any free one"
    )]
    PortInUse {
        /// The port that is taken.
        port: u16,
        /// The address that was asked for.
        address: String,
    },
    /// The address is no multiaddress, or one of another transport.
    #[error("cannot listen on \"{address}\": {reason}; an example is /ip4/0.0.0.0/tcp/4001")]
    BadAddress {
        /// The address as given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused the listener.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address that was asked for.
        address: String,
        /// The system's words.
        reason: String,
    },
    /// The listeners did not come up in time.
    #[error("the listeners did not come up within {0} ms")]
    ListenTimeout(u128),
    /// The identity could not be set up.
    #[error("cannot set up the transport: {0}")]
    Transport(String),
}

/// Why a peer could not be connected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// An address that does not parse.
    #[error("address \"{address}\" of worker {worker}: {reason}")]
    BadAddress {
        worker: WorkerId,
        /// The address as given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The id is not the public key of anyone.
    #[error("worker id {0} is not an ed25519 public key")]
    BadWorker(WorkerId),
    /// The deadline passed; the driver goes on trying.
    #[error("worker {worker} was not reached within {after_ms} ms: {last}")]
    TimedOut {
        worker: WorkerId,
        /// Milliseconds waited.
        after_ms: u64,
        /// The last failure seen.
        last: String,
    },
    /// The peer belongs to another network.
    #[error("worker {0} belongs to another network or speaks another version")]
    WrongNetwork(WorkerId),
    /// The tables of the driver are full.
    #[error("{0} peers are known already, which is the limit")]
    TooManyPeers(usize),
    /// The driver has stopped.
    #[error("the network has been shut down")]
    ShutDown,
}

/// Why a request was not answered. A message with this result may still have arrived, if an attempt was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Refused before it left.
    #[error("a body of {bytes} bytes exceeds the limit of {bytes_max}")]
    TooLarge {
        /// Encoded size.
        bytes: usize,
        /// The limit of its kind.
        bytes_max: usize,
    },
    /// The message could not be encoded.
    #[error("cannot encode the message: {0}")]
    Encode(String),
    /// The id is not the public key of anyone.
    #[error("worker id {0} is not an ed25519 public key")]
    BadWorker(WorkerId),
    /// The peer has not admitted us: say hello first.
    #[error("worker {0} has not admitted us")]
    NotAdmitted(WorkerId),
    /// The peer could not read what we sent.
    #[error("worker {0} could not decode the request")]
    Malformed(WorkerId),
    /// The peer takes no requests any more.
    #[error("worker {0} is shutting down")]
    PeerStopping(WorkerId),
    /// An answer of the wrong kind.
    #[error("worker {0} answered with something else than was asked for")]
    UnexpectedAnswer(WorkerId),
    /// Too many requests wait for this peer.
    #[error("{queued} requests wait for worker {worker} already, which is the limit")]
    QueueFull {
        worker: WorkerId,
        /// Requests in its lane.
        queued: usize,
    },
    /// The tables of the driver are full.
    #[error("{0} peers are known already, which is the limit")]
    TooManyPeers(usize),
    /// Attempts or time ran out.
    #[error("no answer from worker {worker} after {after_ms} ms and {attempts} attempts: {last}")]
    TimedOut {
        worker: WorkerId,
        /// Milliseconds since the call.
        after_ms: u64,
        /// Attempts that were made.
        attempts: u32,
        /// The last failure seen.
        last: String,
    },
    /// The peer belongs to another network.
    #[error("worker {0} belongs to another network or speaks another version")]
    WrongNetwork(WorkerId),
    /// The driver has stopped.
    #[error("the network has been shut down")]
    ShutDown,
}

/// Why a blob could not be fetched. What was verified of it stays in the store, and the next call goes on from there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nobody was named who could have it.
    #[error("no holder of blob {0} is known")]
    NoHolders(Hash),
    /// Every holder lied, or has not got it.
    #[error("none of the {holders} holders gave blob {hash}: {last}")]
    Exhausted {
        hash: Hash,
        /// How many were asked.
        holders: usize,
        /// The last failure seen.
        last: String,
    },
    /// The deadline passed.
    #[error("blob {hash}: {pieces} of {pieces_total} pieces after {after_ms} ms; last failure: {last}")]
    TimedOut {
        hash: Hash,
        /// Pieces that are here and verified.
        pieces: usize,
        /// Pieces of the whole, 0 while it is unknown.
        pieces_total: usize,
        /// Milliseconds since the call.
        after_ms: u64,
        /// The last failure seen.
        last: String,
    },
    /// The driver has stopped.
    #[error("the network has been shut down")]
    ShutDown,
}
