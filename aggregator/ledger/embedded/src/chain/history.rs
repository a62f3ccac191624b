//! What was committed and may still be asked for. Like a node, a ledger forgets old transactions; the log keeps them.

use super::block::Mint;
use super::world::Outcome;
use crate::transaction::{Hash, Transaction};
use contract::Address;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How many committed transactions can be asked for.
pub const HISTORY_MAX: usize = 100_000;

/// What was committed.
#[derive(Debug, Clone)]
pub enum Kind {
    /// The beginning: the contract is deployed.
    Genesis,
    /// A gift of the faucet.
    Mint(Mint),
    /// A signed transaction.
    User(Arc<Transaction>),
}

/// A committed transaction.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Its place in the ledger, from 0.
    pub version: u64,
    /// The hash by which it is asked for.
    pub hash: Hash,
    /// The block it was in.
    pub block: u64,
    /// That block's time, in microseconds.
    pub timestamp_us: u64,
    pub kind: Kind,
    pub outcome: Outcome,
}

/// A block that was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockInfo {
    /// Counts from 0.
    pub height: u64,
    /// Microseconds since 1970.
    pub timestamp_us: u64,
    /// Its first transaction.
    pub first: u64,
    /// Its last transaction.
    pub last: u64,
    /// The digest of everything up to it.
    pub digest: [u8; 32],
}

/// The latest transactions and their blocks.
#[derive(Debug, Default)]
pub(crate) struct History {
    transactions: VecDeque<Arc<Committed>>,
    by_hash: HashMap<Hash, u64>,
    blocks: VecDeque<BlockInfo>,
    next: u64,
}

impl History {
    /// The version that the next transaction gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The oldest version that can be asked for.
    pub(crate) fn oldest(&self) -> u64 {
        self.next - self.transactions.len() as u64
    }

    pub(crate) fn push(&mut self, committed: Committed) {
        self.by_hash.insert(committed.hash, committed.version);
        self.next = committed.version + 1;
        self.transactions.push_back(Arc::new(committed));
        if self.transactions.len() > HISTORY_MAX
            && let Some(old) = self.transactions.pop_front()
        {
            self.by_hash.remove(&old.hash);
        }
    }

    pub(crate) fn push_block(&mut self, block: BlockInfo) {
        self.blocks.push_back(block);
        while self.blocks.len() > 1 && self.blocks.front().is_some_and(|block| block.last < self.oldest()) {
            self.blocks.pop_front();
        }
    }

    pub(crate) fn version(&self, version: u64) -> Option<&Arc<Committed>> {
        self.transactions.get(usize::try_from(version.checked_sub(self.oldest())?).ok()?)
    }

    pub(crate) fn hash(&self, hash: &Hash) -> Option<&Arc<Committed>> {
        self.version(*self.by_hash.get(hash)?)
    }

    pub(crate) fn last_block(&self) -> Option<&BlockInfo> {
        self.blocks.back()
    }

    pub(crate) fn oldest_block(&self) -> u64 {
        self.blocks.front().map_or(0, |block| block.height)
    }

    pub(crate) fn block(&self, height: u64) -> Option<&BlockInfo> {
        self.blocks.get(usize::try_from(height.checked_sub(self.oldest_block())?).ok()?)
    }

    pub(crate) fn range(&self, start: u64, limit: usize) -> Vec<Arc<Committed>> {
        let skip = usize::try_from(start.saturating_sub(self.oldest())).unwrap_or(usize::MAX);
        self.transactions.iter().skip(skip).take(limit).cloned().collect()
    }

    /// The last `limit` transactions.
    pub(crate) fn latest(&self, limit: usize) -> Vec<Arc<Committed>> {
        self.range(self.next.saturating_sub(limit as u64), limit)
    }

    /// Those of a sender with sequence numbers from `start`, or the latest.
    pub(crate) fn of(&self, sender: &Address, start: Option<u64>, limit: usize) -> Vec<Arc<Committed>> {
        let number = |committed: &Committed| match &committed.kind {
            Kind::User(transaction) if transaction.sender == *sender => {
                Some(transaction.signed.raw_txn.sequence_number)
            }
            _ => None,
        };
        if let Some(start) = start {
            let from = |number: u64| number >= start && number != u64::MAX;
            return self.transactions.iter().filter(|c| number(c).is_some_and(from)).take(limit).cloned().collect();
        }
        let mut latest: Vec<_> =
            self.transactions.iter().rev().filter(|c| number(c).is_some()).take(limit).cloned().collect();
        latest.reverse();
        latest
    }
}
