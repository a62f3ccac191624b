//! What the log holds: blocks of inputs. What they did follows from them, so it is computed again when a ledger opens.

use crate::transaction::{Hash, Transaction};
use contract::Address;
use serde::{Deserialize, Serialize};

/// A gift of the faucet: so much of the gas coin and so much of the reward asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mint {
    /// Counts from 0; with the module's address it makes the hash.
    pub number: u64,
    pub to: Address,
    /// How much of the gas coin.
    pub gas: u64,
    /// How much of the reward asset.
    pub reward: u64,
}

impl Mint {
    /// The hash by which the gift is asked for.
    pub fn hash(&self, module: &Address) -> Hash {
        let number = self.number.to_le_bytes();
        aptos_sdk::crypto::sha3_256(&[b"COTRAIN::Mint".as_slice(), &module.0, &number].concat())
    }
}

/// One write to the log: what runs at one time.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// Microseconds since 1970, above that of the block before.
    pub timestamp_us: u64,
    /// Gifts, given before the transactions run.
    pub mints: Vec<Mint>,
    /// In the order in which they run.
    pub transactions: Vec<std::sync::Arc<Transaction>>,
}

/// A block as the log stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBlock {
    /// The digest of everything that happened before: a contract that would have acted otherwise is found out.
    pub before: [u8; 32],
    /// As in [`Block`].
    pub timestamp_us: u64,
    /// As in [`Block`].
    pub mints: Vec<Mint>,
    /// The signed transactions' bytes.
    pub transactions: Vec<Vec<u8>>,
}

impl Block {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.mints.is_empty() && self.transactions.is_empty()
    }

    /// As the log stores it.
    pub fn stored(&self, before: [u8; 32]) -> StoredBlock {
        let transactions = self.transactions.iter().map(|transaction| transaction.bytes.clone()).collect();
        StoredBlock { before, timestamp_us: self.timestamp_us, mints: self.mints.clone(), transactions }
    }
}
