//! Every way in which an archive is refused.
//!
//! Invariant: one variant per reason, each with a test of its own.

use crate::format::DecodeError;

/// Why an archive is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// Fewer bytes than the headers have.
    #[error("{found} bytes cannot hold the headers of {expected}")]
    TooShort {
        /// Bytes of the archive's own header and the payload's.
        expected: usize,
        found: usize,
    },
    /// It does not begin as an archive does.
    #[error("the archive begins with {found:02x?}, not with \"CTGA\"")]
    WrongMagic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A version of the archive's format that this program does not know.
    #[error("archive version {found} is not {expected}")]
    WrongVersion {
        /// The version that is known.
        expected: u16,
        /// The version that came.
        found: u16,
    },
    /// The reserved field is in use.
    #[error("the archive's reserved field is {found}, not 0")]
    ReservedNotZero { found: u16 },
    /// The header of the payload inside is refused.
    #[error("the header inside: {0}")]
    Header(#[source] DecodeError),
    /// The payload inside is larger than the caller takes.
    #[error("a body of {found} bytes is above the limit of {limit}")]
    TooLarge {
        /// The caller's limit.
        limit: usize,
        /// What the header inside implies.
        found: usize,
    },
    /// The coded bytes are no whole number of 32-bit words.
    #[error("{found} coded bytes are no whole number of words")]
    PartialWord { found: usize },
    /// The words end before the chunks do.
    #[error("chunk {chunk}: the coded words end too early")]
    Truncated { chunk: usize },
    /// The words name a point that no symbol owns.
    #[error("chunk {chunk}: the coded words lie outside the coder's range")]
    OutsideRange { chunk: usize },
    /// More high entries than entries.
    #[error("chunk {chunk}: {found} high entries of {limit}")]
    TooManyHigh {
        chunk: usize,
        found: usize,
        /// Real entries of the chunk.
        limit: usize,
    },
    /// The body that comes out is not valid.
    #[error("the body inside: {0}")]
    Body(#[source] DecodeError),
    /// More bytes than the archive of this body has.
    #[error("{found} coded bytes, where the body takes {expected}")]
    TrailingBytes {
        /// Bytes of the body's archive.
        expected: usize,
        found: usize,
    },
    /// Other bytes than those that the body is archived as.
    #[error("coded byte {at} is not the one that the body is archived with")]
    NotCanonical {
        /// The first byte that differs.
        at: usize,
    },
    /// The payload that comes out is another one than was archived.
    #[error("the payload's hash is {}, not {}", hex::encode(.found), hex::encode(.expected))]
    WrongHash {
        /// What the archive says.
        expected: [u8; 32],
        /// The hash of what came out.
        found: [u8; 32],
    },
}
