//! The ledger without I/O: bytes and the time go in, blocks come out and are applied once they are safe on disk.
//!
//! What is committed is a pure function of the blocks, so a ledger that is opened again applies its log and is where it
//! was. Only what waits is lost with a process; nothing of it was reported as committed.

mod block;
mod history;
mod pool;
mod rules;
mod world;

pub use block::{Block, Mint, StoredBlock};
pub use history::{BlockInfo, Committed, HISTORY_MAX, Kind};
pub use pool::{ACCOUNT_WAITING_MAX, WAITING_MAX};
pub use rules::{Facts, NONCE_SECONDS_MAX, check};
pub use world::{Account, Emitted, Outcome};

use crate::Refused;
use crate::transaction::{Hash, Replay, Transaction};
use aptos_sdk::transaction::EntryFunction;
use contract::{Address, Value};
use history::History;
use pool::Pool;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use world::World;

const MICROS: u64 = 1_000_000;

/// The state of a ledger.
pub struct Chain {
    chain_id: u8,
    world: World,
    nonces: Nonces,
    pool: Pool,
    history: History,
    digest: [u8; 32],
    mints: u64,
}

/// What a transaction is that was looked up by its hash.
#[derive(Debug, Clone)]
pub enum Found {
    Committed(Arc<Committed>),
    Waiting(Arc<Transaction>),
}

impl Chain {
    /// A chain with nothing but the contract, whose deployer and address are `module`.
    pub fn new(chain_id: u8, module: Address, genesis_us: u64) -> Self {
        let digest = *blake3::hash(&[b"cotrain ledger".as_slice(), &[chain_id], &module.0].concat()).as_bytes();
        let mut chain = Chain {
            chain_id,
            world: World::new(module),
            nonces: Nonces::default(),
            pool: Pool::default(),
            history: History::default(),
            digest,
            mints: 0,
        };
        let outcome = Outcome::free(Ok(()));
        chain.commit(digest, 0, genesis_us, Kind::Genesis, outcome);
        chain.history.push_block(BlockInfo { height: 0, timestamp_us: genesis_us, first: 0, last: 0, digest });
        chain
    }

    /// Takes a verified transaction to wait for its block.
    pub fn submit(&mut self, transaction: Arc<Transaction>, now_us: u64) -> Result<(), Refused> {
        let now_s = self.time_us(now_us) / MICROS;
        check(&transaction, self.facts(&transaction, now_s, false))?;
        self.pool.add(transaction, now_s)
    }

    /// Takes a gift of the faucet; its hash.
    pub fn mint(&mut self, to: Address, gas: u64, reward: u64) -> Result<Hash, Refused> {
        let mint = Mint { number: self.mints + self.pool.mints() as u64, to, gas, reward };
        self.pool.add_mint(mint)?;
        Ok(mint.hash(&self.world.module))
    }

    /// The next block, empty where nothing can run. It is applied once it is safe.
    pub fn next_block(&mut self, now_us: u64) -> Block {
        let timestamp_us = self.time_us(now_us);
        let world = &self.world;
        let (mints, transactions) = self.pool.ready(timestamp_us / MICROS, |sender| world.account(sender).sequence);
        Block { timestamp_us, mints, transactions }
    }

    /// Runs a block. A transaction that breaks a rule now, though it did not when it came, is discarded.
    pub fn apply(&mut self, block: &Block) {
        let height = self.height() + 1;
        let first = self.history.next();
        let (at, now_s) = (block.timestamp_us, block.timestamp_us / MICROS);
        self.nonces.forget(now_s);
        for mint in &block.mints {
            self.pool.remove_mint(mint.number);
            self.mints = mint.number + 1;
            let outcome = self.world.give(mint);
            self.commit(mint.hash(&self.world.module), height, at, Kind::Mint(*mint), outcome);
        }
        for transaction in &block.transactions {
            self.pool.remove(&transaction.hash);
            if check(transaction, self.facts(transaction, now_s, true)).is_err() {
                continue;
            }
            if let Replay::Nonce(nonce) = transaction.replay {
                self.nonces.remember(transaction.sender, nonce, transaction.signed.raw_txn.expiration_timestamp_secs);
            }
            let outcome = self.world.run(transaction, now_s);
            self.commit(transaction.hash, height, at, Kind::User(transaction.clone()), outcome);
        }
        // A block of discarded transactions has no versions, and so is none.
        if self.history.next() > first {
            let last = self.history.next() - 1;
            let digest = self.digest;
            self.history.push_block(BlockInfo { height, timestamp_us: at, first, last, digest });
        }
    }

    /// What a transaction would do, signed or not; nothing changes. The rules' refusal is an outcome here.
    pub fn simulate(&self, transaction: &Transaction, now_us: u64) -> Outcome {
        let now_s = self.time_us(now_us) / MICROS;
        if let Err(refused) = check(transaction, self.facts(transaction, now_s, true)) {
            let vm_status = refused.status().map_or_else(|| refused.to_string(), |(name, _)| name.to_owned());
            return Outcome::free(Err(vm_status));
        }
        self.world.clone().run(transaction, now_s)
    }

    /// What a view answers, or the chain's sentence about its failure.
    pub fn view(&self, call: &EntryFunction, now_us: u64) -> Result<Vec<Value>, String> {
        self.world.view(call, self.time_us(now_us) / MICROS)
    }

    fn commit(&mut self, hash: Hash, block: u64, timestamp_us: u64, kind: Kind, outcome: Outcome) {
        let version = self.history.next();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.digest).update(&hash).update(&version.to_le_bytes());
        hasher.update(&outcome.gas_used.to_le_bytes()).update(outcome.vm_status.as_bytes());
        for event in &outcome.events {
            hasher.update(event.kind.as_bytes()).update(event.data.to_string().as_bytes());
        }
        self.digest = *hasher.finalize().as_bytes();
        self.history.push(Committed { version, hash, block, timestamp_us, kind, outcome });
    }

    fn facts(&self, transaction: &Transaction, now_s: u64, running: bool) -> Facts {
        let nonce_used = match transaction.replay {
            Replay::Nonce(nonce) => self.nonces.used(transaction.sender, nonce, now_s),
            Replay::Sequence(_) => false,
        };
        Facts {
            chain_id: self.chain_id,
            now_s,
            sequence: self.world.account(&transaction.sender).sequence,
            balance: self.world.account(&transaction.payer).gas,
            nonce_used,
            running,
        }
    }

    /// The time at which a transaction would run now. It never stands still or goes back, whatever the clock does.
    pub fn time_us(&self, now_us: u64) -> u64 {
        now_us.max(self.timestamp_us().saturating_add(1))
    }

    /// The chain's number.
    pub fn chain_id(&self) -> u8 {
        self.chain_id
    }

    /// The contract's address.
    pub fn module(&self) -> Address {
        self.world.module
    }

    /// The digest of everything committed.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The last version.
    pub fn version(&self) -> u64 {
        self.history.next() - 1
    }

    /// The oldest version that can be asked for.
    pub fn oldest_version(&self) -> u64 {
        self.history.oldest()
    }

    /// The last block.
    pub fn height(&self) -> u64 {
        self.history.last_block().map_or(0, |block| block.height)
    }

    /// The oldest block that can be asked for.
    pub fn oldest_block(&self) -> u64 {
        self.history.oldest_block()
    }

    /// The last block's time, in microseconds.
    pub fn timestamp_us(&self) -> u64 {
        self.history.last_block().map_or(0, |block| block.timestamp_us)
    }

    /// An account; one that was never used has nothing.
    pub fn account(&self, address: &Address) -> Account {
        self.world.account(address)
    }

    /// What an account holds of an asset, or `None` for an asset that is not on this ledger.
    pub fn balance(&self, of: &Address, asset: &str) -> Option<u64> {
        self.world.balance(of, asset)
    }

    /// A block that can still be asked for.
    pub fn block(&self, height: u64) -> Option<BlockInfo> {
        self.history.block(height).copied()
    }

    /// A transaction by its place.
    pub fn by_version(&self, version: u64) -> Option<Arc<Committed>> {
        self.history.version(version).cloned()
    }

    /// A transaction by its hash.
    pub fn by_hash(&self, hash: &Hash, now_us: u64) -> Option<Found> {
        let committed = self.history.hash(hash).cloned().map(Found::Committed);
        let now_s = self.time_us(now_us) / MICROS;
        committed.or_else(|| self.pool.get(hash, now_s).cloned().map(Found::Waiting))
    }

    /// Transactions from a version on, or the latest.
    pub fn transactions(&self, start: Option<u64>, limit: usize) -> Vec<Arc<Committed>> {
        start.map_or_else(|| self.history.latest(limit), |start| self.history.range(start, limit))
    }

    /// A sender's transactions from a sequence number on, or its latest.
    pub fn transactions_of(&self, sender: &Address, start: Option<u64>, limit: usize) -> Vec<Arc<Committed>> {
        self.history.of(sender, start, limit)
    }
}

/// Nonces that were used, until the transactions that used them have expired.
#[derive(Debug, Default)]
struct Nonces {
    expiry: BTreeMap<(Address, u64), u64>,
    order: BTreeSet<(u64, Address, u64)>,
}

impl Nonces {
    fn used(&self, sender: Address, nonce: u64, now_s: u64) -> bool {
        self.expiry.get(&(sender, nonce)).is_some_and(|expires_s| *expires_s >= now_s)
    }

    fn remember(&mut self, sender: Address, nonce: u64, expires_s: u64) {
        self.expiry.insert((sender, nonce), expires_s);
        self.order.insert((expires_s, sender, nonce));
    }

    fn forget(&mut self, now_s: u64) {
        while self.order.first().is_some_and(|(expires_s, ..)| *expires_s < now_s)
            && let Some((_, sender, nonce)) = self.order.pop_first()
        {
            self.expiry.remove(&(sender, nonce));
        }
    }
}
