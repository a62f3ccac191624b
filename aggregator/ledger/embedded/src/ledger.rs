//! The driver: a chain behind a lock, and a thread that writes its blocks to the log before it applies them.

use crate::chain::{Block, Chain, Found, Outcome, StoredBlock};
use crate::clock::{Clock, system_clock};
use crate::key::{self, KeyError};
use crate::log::{BOUNDS, Header};
use crate::transaction::{Hash, Transaction};
use crate::{Refused, gas};
use aptos_sdk::account::Ed25519Account;
use contract::Address;
use disk::{FileError, RecordLog};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use tracing::{error, info, warn};

/// The log's name in the ledger's folder.
pub const LOG_FILE: &str = "ledger.records";
/// The name of the deployer's key in the ledger's folder.
pub const KEY_FILE: &str = "deployer.key";
const FORMAT: u32 = 1;
/// How often the committer looks for transactions that became over while it slept.
const WAKE: Duration = Duration::from_secs(60);

/// What one ledger is set to.
#[derive(Clone)]
pub struct Options {
    /// The chain's number, which every transaction names. 4 is that of a local Aptos network.
    pub chain_id: u8,
    /// Whether `POST /mint` gives coins away (to programs of this machine only).
    pub faucet: bool,
    /// Whether other machines may connect. Then names in `Host` are not checked, and whoever reaches the port may read
    /// and submit; the faucet stays local.
    pub remote: bool,
    /// The ledger's time.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Options { chain_id: 4, faucet: true, remote: false, clock: system_clock() }
    }
}

/// Why a ledger does not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder cannot be made.
    #[error("{0}")]
    Folder(std::io::Error),
    /// The deployer's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Log(#[from] FileError),
    /// The log is of a ledger with another key, chain id or format.
    #[error(
        "the log is of chain {found_chain_id} and module {found_module}, not of chain {chain_id} and module {module}"
    )]
    Other {
        /// The log's chain.
        found_chain_id: u8,
        /// The log's module.
        found_module: Address,
        /// What was asked for.
        chain_id: u8,
        /// The address of the key in the folder.
        module: Address,
    },
    /// No thread could be started.
    #[error("the committer cannot be started: {0}")]
    Thread(std::io::Error),
}

/// A transaction that was taken and waits.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The transaction; its hash is what to ask for.
    pub transaction: Arc<Transaction>,
}

/// An open ledger; clones share it. It closes with the last of them.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    committer: Option<JoinHandle<()>>,
    options: Options,
    admin: Ed25519Account,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// The last committed version.
    version: watch::Sender<u64>,
}

struct State {
    chain: Chain,
    closing: bool,
    stopped: Option<String>,
}

impl Shared {
    /// A panic in another thread left the state whole: it is only ever changed by calls that cannot panic midway.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Opens the ledger of a folder, or begins one there.
    pub fn open(folder: &Path, options: Options) -> Result<Ledger, OpenError> {
        std::fs::create_dir_all(folder).map_err(OpenError::Folder)?;
        let admin = key::load_or_make(&folder.join(KEY_FILE))?;
        let module = Address(admin.address().to_bytes());
        let path = folder.join(LOG_FILE);
        let (mut log, chain) = replay(&path, options.chain_id)?;
        let chain = match chain {
            Some(chain) if chain.chain_id() == options.chain_id && chain.module() == module => chain,
            Some(chain) => {
                let (found_chain_id, found_module) = (chain.chain_id(), chain.module());
                return Err(OpenError::Other { found_chain_id, found_module, chain_id: options.chain_id, module });
            }
            None => {
                let genesis_us = (options.clock)();
                log.append(&Header { format: FORMAT, chain_id: options.chain_id, module: module.0, genesis_us })?;
                Chain::new(options.chain_id, module, genesis_us)
            }
        };
        let version = watch::Sender::new(chain.version());
        let state = Mutex::new(State { chain, closing: false, stopped: None });
        let shared = Arc::new(Shared { state, wake: Condvar::new(), version });
        let (committed, clock) = (shared.clone(), options.clock.clone());
        let committer = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || {
                if catch_unwind(AssertUnwindSafe(|| commit(&committed, log, &clock))).is_err() {
                    error!("the ledger stops: the committer panicked");
                    committed.lock().stopped = Some("the committer panicked".into());
                }
            })
            .map_err(OpenError::Thread)?;
        Ok(Ledger(Arc::new(Inner { shared, committer: Some(committer), options, admin })))
    }

    /// Takes a signed transaction to be committed with the next block.
    pub fn submit(&self, bytes: &[u8]) -> Result<Accepted, Refused> {
        let transaction = Transaction::decode(bytes)?;
        transaction.verify()?;
        let transaction = Arc::new(transaction);
        self.add(|chain, now_us| chain.submit(transaction.clone(), now_us))?;
        Ok(Accepted { transaction })
    }

    /// Gives so much of the gas coin and of the reward asset to an account; the hash to wait for.
    pub fn mint(&self, to: Address, gas: u64, reward: u64) -> Result<Hash, Refused> {
        self.add(|chain, _| chain.mint(to, gas, reward))
    }

    fn add<T>(&self, add: impl FnOnce(&mut Chain, u64) -> Result<T, Refused>) -> Result<T, Refused> {
        let now_us = self.now_us();
        let mut state = self.0.shared.lock();
        if let Some(reason) = &state.stopped {
            return Err(Refused::Stopped(reason.clone()));
        }
        let added = add(&mut state.chain, now_us)?;
        self.0.shared.wake.notify_one();
        Ok(added)
    }

    /// What a transaction would do. Its signature must not be one that could be submitted.
    pub fn simulate(&self, bytes: &[u8]) -> Result<(Arc<Transaction>, Outcome), Refused> {
        let transaction = Arc::new(Transaction::decode(bytes)?);
        if transaction.verify().is_ok() {
            return Err(Refused::SignedSimulation);
        }
        let outcome = self.read(|chain| chain.simulate(&transaction, self.now_us()));
        Ok((transaction, outcome))
    }

    /// Looks at the chain; the lock is held meanwhile.
    pub fn read<T>(&self, look: impl FnOnce(&Chain) -> T) -> T {
        look(&self.0.shared.lock().chain)
    }

    /// Waits until a transaction is committed, at most so long; what is known of it then.
    pub async fn wait(&self, hash: &Hash, timeout: Duration) -> Option<Found> {
        let mut version = self.0.shared.version.subscribe();
        let find = || self.read(|chain| chain.by_hash(hash, self.now_us()));
        let committed = async {
            loop {
                version.borrow_and_update();
                if let Some(found @ Found::Committed(_)) = find() {
                    return Some(found);
                }
                if version.changed().await.is_err() {
                    return find();
                }
            }
        };
        tokio::time::timeout(timeout, committed).await.unwrap_or_else(|_| find())
    }

    /// Why nothing more is committed, if so.
    pub fn stopped(&self) -> Option<String> {
        self.0.shared.lock().stopped.clone()
    }

    /// The time of the ledger's clock, in microseconds.
    pub fn now_us(&self) -> u64 {
        (self.0.options.clock)()
    }

    /// What the ledger is set to.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// The contract's address.
    pub fn module(&self) -> Address {
        Address(self.0.admin.address().to_bytes())
    }

    /// The account that deployed the contract, its first admin.
    pub fn admin(&self) -> &Ed25519Account {
        &self.0.admin
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(committer) = self.committer.take() {
            // A committer that panicked has stopped; there is nothing to add to what it printed.
            let _ = committer.join();
        }
    }
}

/// Reads a log into the chain that it makes, or none if it has no header yet.
fn replay(path: &Path, chain_id: u8) -> Result<(RecordLog, Option<Chain>), FileError> {
    let mut chain: Option<Chain> = None;
    let (log, opened) = RecordLog::open(path, BOUNDS, |_, body| match &mut chain {
        None => {
            let header: Header = disk::decode(body)?;
            if header.format != FORMAT {
                return Err(format!("format {} instead of {FORMAT}", header.format));
            }
            chain = Some(Chain::new(header.chain_id, Address(header.module), header.genesis_us));
            Ok(())
        }
        Some(chain) => replay_block(chain, disk::decode(body)?),
    })?;
    if opened.cut > 0 {
        let cut = opened.cut;
        warn!(cut, path = %path.display(), "cut off an unfinished record, which was never reported as committed");
    }
    if let Some(chain) = &chain {
        info!(chain_id, version = chain.version(), records = opened.records, "ledger opened");
    }
    Ok((log, chain))
}

fn replay_block(chain: &mut Chain, stored: StoredBlock) -> Result<(), String> {
    if stored.before != chain.digest() {
        return Err("the contract of this program acts otherwise than the one that wrote the log".into());
    }
    let decode = |bytes: &Vec<u8>| Transaction::decode(bytes).map(Arc::new).map_err(|refused| refused.to_string());
    let transactions = stored.transactions.iter().map(decode).collect::<Result<_, _>>()?;
    chain.apply(&Block { timestamp_us: stored.timestamp_us, mints: stored.mints, transactions });
    Ok(())
}

/// Commits blocks until the ledger closes. The lock is not held while the disk works, so what comes meanwhile makes the
/// next block; that is what lets many clients share one flush.
fn commit(shared: &Shared, mut log: RecordLog, clock: &Clock) {
    loop {
        let mut state = shared.lock();
        let (block, before) = loop {
            let block = state.chain.next_block(clock());
            if !block.is_empty() {
                break (block, state.chain.digest());
            }
            if state.closing {
                return;
            }
            state = shared.wake.wait_timeout(state, WAKE).unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(state);
        let written = log.append(&block.stored(before));
        let mut state = shared.lock();
        if let Err(failure) = written {
            error!(%failure, "the ledger stops: a block could not be written");
            state.stopped = Some(failure.to_string());
            return;
        }
        state.chain.apply(&block);
        let version = state.chain.version();
        drop(state);
        shared.version.send_replace(version);
    }
}

/// What the faucet gives at most at once, so that balances stay far from the end of u64.
pub(crate) const MINT_MAX: u64 = gas::ADMIN_GAS * 100;
