//! The ledger's log: the first record names the ledger, every other is a block.

use disk::Bounds;
use serde::{Deserialize, Serialize};

/// A block of the longest transactions fits a record.
pub(crate) const BOUNDS: Bounds = Bounds { body_bytes_max: 64 * 1024 * 1024, log_bytes_max: u64::MAX };

/// Who the log is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The format: 1.
    pub format: u32,
    /// The chain's number.
    pub chain_id: u8,
    /// The contract's address.
    pub module: [u8; 32],
    /// When the ledger began, in microseconds.
    pub genesis_us: u64,
}
