//! Transactions that wait: those that can run, and those parked until the numbers before theirs have come.

use super::block::Mint;
use crate::Refused;
use crate::transaction::{Hash, Replay, Transaction};
use contract::Address;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// How many of one account wait at most, as on the chain.
pub const ACCOUNT_WAITING_MAX: usize = 100;
/// How many wait in all.
pub const WAITING_MAX: usize = 4_096;
/// How long one waits at most, as on the chain, whenever it expires.
const WAITING_SECONDS_MAX: u64 = 600;
/// How many transactions are committed with one write.
const BLOCK_TRANSACTIONS_MAX: usize = 256;

/// The pool. Every transaction in it has been verified.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    accounts: BTreeMap<Address, BTreeMap<Replay, Waiting>>,
    by_hash: HashMap<Hash, (Address, Replay)>,
    mints: VecDeque<Mint>,
    arrivals: u64,
}

#[derive(Debug)]
struct Waiting {
    arrival: u64,
    since_s: u64,
    transaction: Arc<Transaction>,
}

impl Waiting {
    fn is_over(&self, now_s: u64) -> bool {
        let expires_s = self.transaction.signed.raw_txn.expiration_timestamp_secs;
        now_s >= expires_s || now_s.saturating_sub(self.since_s) >= WAITING_SECONDS_MAX
    }
}

impl Pool {
    /// Takes a transaction that passed the rules; one that waits already is taken again without effect, so that a
    /// client may repeat a submission whose answer was lost.
    pub(crate) fn add(&mut self, transaction: Arc<Transaction>, now_s: u64) -> Result<(), Refused> {
        if self.by_hash.contains_key(&transaction.hash) {
            return Ok(());
        }
        if self.len() >= WAITING_MAX {
            self.drop_over(now_s);
        }
        if self.len() >= WAITING_MAX {
            return Err(Refused::Full);
        }
        let (sender, replay, hash) = (transaction.sender, transaction.replay, transaction.hash);
        let waiting = self.accounts.get(&sender);
        if waiting.is_some_and(|of| of.get(&replay).is_some_and(|other| !other.is_over(now_s))) {
            return Err(Refused::Update);
        }
        if waiting.is_some_and(|of| of.len() >= ACCOUNT_WAITING_MAX) {
            self.drop_over(now_s);
            if self.accounts.get(&sender).is_some_and(|of| of.len() >= ACCOUNT_WAITING_MAX) {
                return Err(Refused::AccountFull);
            }
        }
        self.arrivals += 1;
        let entry = Waiting { arrival: self.arrivals, since_s: now_s, transaction };
        if let Some(over) = self.accounts.entry(sender).or_default().insert(replay, entry) {
            self.by_hash.remove(&over.transaction.hash);
        }
        self.by_hash.insert(hash, (sender, replay));
        Ok(())
    }

    /// Takes a gift of the faucet.
    pub(crate) fn add_mint(&mut self, mint: Mint) -> Result<(), Refused> {
        if self.mints.len() >= ACCOUNT_WAITING_MAX {
            return Err(Refused::Full);
        }
        self.mints.push_back(mint);
        Ok(())
    }

    /// How many transactions wait.
    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// How many gifts wait.
    pub(crate) fn mints(&self) -> usize {
        self.mints.len()
    }

    /// A waiting transaction.
    pub(crate) fn get(&self, hash: &Hash, now_s: u64) -> Option<&Arc<Transaction>> {
        let (sender, replay) = self.by_hash.get(hash)?;
        let waiting = self.accounts.get(sender)?.get(replay)?;
        (!waiting.is_over(now_s)).then_some(&waiting.transaction)
    }

    /// What can run, in the order of arrival as far as sequence numbers allow, at most a block.
    pub(crate) fn ready(
        &mut self,
        now_s: u64,
        sequence: impl Fn(&Address) -> u64,
    ) -> (Vec<Mint>, Vec<Arc<Transaction>>) {
        self.drop_over(now_s);
        let mints: Vec<_> = self.mints.iter().take(BLOCK_TRANSACTIONS_MAX).copied().collect();
        let mut heads = BTreeMap::new();
        for (sender, waiting) in &self.accounts {
            let nonces = waiting.iter().filter(|(replay, _)| matches!(replay, Replay::Nonce(_)));
            heads.extend(nonces.map(|(_, entry)| (entry.arrival, (entry, 0))));
            let next = sequence(sender);
            heads.extend(waiting.get(&Replay::Sequence(next)).map(|entry| (entry.arrival, (entry, next))));
        }
        let mut ready = Vec::new();
        while ready.len() + mints.len() < BLOCK_TRANSACTIONS_MAX
            && let Some((_, (entry, number))) = heads.pop_first()
        {
            let transaction = &entry.transaction;
            ready.push(transaction.clone());
            if matches!(transaction.replay, Replay::Sequence(_))
                && let Some(next) =
                    self.accounts.get(&transaction.sender).and_then(|of| of.get(&Replay::Sequence(number + 1)))
            {
                heads.insert(next.arrival, (next, number + 1));
            }
        }
        (mints, ready)
    }

    /// Forgets a transaction that ran or was discarded.
    pub(crate) fn remove(&mut self, hash: &Hash) {
        let Some((sender, replay)) = self.by_hash.remove(hash) else { return };
        if let Some(waiting) = self.accounts.get_mut(&sender) {
            waiting.remove(&replay);
            if waiting.is_empty() {
                self.accounts.remove(&sender);
            }
        }
    }

    /// Forgets a gift that was given.
    pub(crate) fn remove_mint(&mut self, number: u64) {
        self.mints.retain(|mint| mint.number != number);
    }

    fn drop_over(&mut self, now_s: u64) {
        let over: Vec<_> = self
            .accounts
            .values()
            .flat_map(BTreeMap::values)
            .filter(|waiting| waiting.is_over(now_s))
            .map(|waiting| waiting.transaction.hash)
            .collect();
        over.iter().for_each(|hash| self.remove(hash));
    }
}
