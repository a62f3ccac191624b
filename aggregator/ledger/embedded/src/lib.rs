//! The embedded ledger: the contract of `move/CONTRACT.md` for a machine or a private swarm, behind the part of the
//! Aptos REST interface that a client needs. A client moves between the two homes by its address, chain id, module and
//! key alone.
//!
//! [`Chain`] is a core without I/O: bytes and the time go in, blocks come out. [`Ledger`] drives it with a log on disk,
//! and [`serve`] answers HTTP. Invariants:
//!
//! - A transaction is reported as committed only once it is on the disk; a killed process loses what waited, nothing
//!   else.
//! - What is committed follows from the log alone, so opening a ledger again leads to the same state.
//! - Every body, queue, page and wait is bounded, and no input makes the ledger panic.

mod chain;
mod clock;
pub mod gas;
mod http;
mod key;
mod ledger;
mod log;
mod refused;
mod transaction;

pub use chain::{
    ACCOUNT_WAITING_MAX, Account, Block, BlockInfo, Chain, Committed, Emitted, Facts, Found, HISTORY_MAX, Kind, Mint,
    NONCE_SECONDS_MAX, Outcome, StoredBlock, WAITING_MAX, check,
};
pub use clock::{Clock, system_clock};
pub use disk::FileError;
pub use http::{ServeError, serve};
pub use key::{KEY_BYTES_MAX, KeyError};
pub use ledger::{Accepted, KEY_FILE, LOG_FILE, Ledger, OpenError, Options};
pub use refused::Refused;
pub use transaction::{Hash, Replay, TRANSACTION_BYTES_MAX, Transaction};
