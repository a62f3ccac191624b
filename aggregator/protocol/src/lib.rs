//! The wire protocol and the two cores of a training session: pure state machines that messages and time go into and
//! that actions come out of.
//!
//! Invariants of the whole crate:
//! - No I/O, no clock, no randomness, no tensors: time is an argument ([`Millis`]), numbers measured on tensors are
//!   integers that a driver hands in, so any run can be replayed from its inputs.
//! - Iteration is in a fixed order (sorted lists and B-trees), so equal inputs give equal bytes.
//! - Every list, string and size that comes from outside is bounded by a constant of [`limits`], checked while
//!   decoding.
//! - What a later message depends on is handed to the driver as a record to make durable *before* that message.
//!
//! Start at [`coordinator`] (the aggregator's core) and [`member`] (a worker's core); [`message`] lists what they say
//! to each other, [`manifest`] what a committed round leaves behind.

pub mod assignment;
pub mod certificate;
pub mod coordinator;
pub mod hash;
pub mod head;
pub mod ids;
pub mod invite;
pub mod keys;
pub mod limits;
pub mod manifest;
pub mod member;
pub mod message;
pub mod parameters;
pub mod pieces;
pub mod roster;
pub mod round;
pub mod score;
pub mod time;

mod encoding;

pub use assignment::Assignment;
pub use certificate::{Certificate, CertificateError};
pub use coordinator::Coordinator;
pub use hash::Hash;
pub use head::Head;
pub use ids::{NetworkId, Round, SessionId, Stage, Term, WorkerId};
pub use invite::Invite;
pub use keys::{Keypair, Signable, Signature, SignatureError, Signed};
pub use manifest::{CommittedManifest, Contribution, Manifest};
pub use member::Member;
pub use message::{Hello, HelloReply, Message, PieceReply, PieceRequest};
pub use parameters::Parameters;
pub use pieces::PieceList;
pub use roster::{Roster, RosterMember};
pub use round::{ClosedSet, Commitment, Reveal};
pub use score::{Reason, ScorePolicy, Verdict};
pub use time::Millis;

use serde::{Serialize, de::DeserializeOwned};

/// The version that two peers must share: raised by any change of a message, a record or a formula.
pub const PROTOCOL_VERSION: u32 = 2;

/// Why bytes are not a value of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// The bytes are longer than their kind may be.
    #[error("{bytes} bytes exceed the limit of {bytes_max}")]
    TooLong {
        /// Length found.
        bytes: usize,
        /// Length allowed.
        bytes_max: usize,
    },
    /// The bytes end early, hold an unknown variant, or pass a bound of [`limits`].
    #[error("malformed bytes: {0}")]
    Malformed(postcard::Error),
    /// Bytes follow the value.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
}

/// The canonical bytes of a value: what is sent, hashed and signed.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Writing into a growing vector fails only on a type without a known length, and none of ours is such.
    postcard::to_stdvec(value).unwrap_or_default()
}

/// Reads a value from all of `bytes`.
///
/// # Errors
/// [`EncodingError`] when there are more than `bytes_max` bytes, when they do not hold such a value, or more than it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], bytes_max: usize) -> Result<T, EncodingError> {
    if bytes.len() > bytes_max {
        return Err(EncodingError::TooLong { bytes: bytes.len(), bytes_max });
    }
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(EncodingError::Malformed)?;
    if rest.is_empty() { Ok(value) } else { Err(EncodingError::Trailing(rest.len())) }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
