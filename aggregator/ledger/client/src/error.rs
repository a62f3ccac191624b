//! Why a call of the ledger did not do what it should.

use crate::TransactionHash;
use contract::Abort;
use thiserror::Error;

/// What a node says that cannot be true. Nothing of such an answer is believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Lie {
    /// The answer does not say of which chain it is, or when.
    #[error("the answer has no header {0}")]
    NoHeader(&'static str),
    /// The node took another transaction than the one that was sent.
    #[error("the node names transaction {found} where {expected} was sent")]
    Hash {
        expected: TransactionHash,
        /// What the node said, cut to a readable length.
        found: String,
    },
    /// A field of the committed transaction is not what was signed.
    #[error("{what} of transaction {hash} is {found} where {expected} was signed")]
    Field {
        /// The transaction.
        hash: TransactionHash,
        what: String,
        /// What was signed.
        expected: String,
        /// What the node said, cut to a readable length.
        found: String,
    },
    /// The transaction succeeded, but its events are not those of the call.
    #[error("transaction {hash} is said to have succeeded without its {event}")]
    Event {
        /// The transaction.
        hash: TransactionHash,
        /// The event that is missing or different.
        event: String,
    },
}

/// A node's refusal of a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the node refused ({status} {code}): {message}")]
pub struct Refusal {
    /// The status of the answer.
    pub status: u16,
    /// The node's word for it.
    pub code: String,
    /// The node's sentence, cut to a readable length.
    pub message: String,
    /// The virtual machine's number, where it has one.
    pub vm: Option<u64>,
}

/// Why a call did not land, or an answer was not used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// The address of the ledger is none.
    #[error("{url} is not the address of a ledger: {reason}")]
    Url {
        /// What was given.
        url: String,
        reason: String,
    },
    /// Nobody answered, or with a failure that passes. Trying again may do.
    #[error("the ledger at {url} cannot be reached: {reason}; is it running, and is the address right?")]
    Unreachable { url: String, reason: String },
    /// The node is of another chain.
    #[error("the ledger at {url} is of chain {found}, not of chain {expected}; check its address and the chain id")]
    OtherChain {
        url: String,
        /// The chain of the home.
        expected: u8,
        /// The node's, as it wrote it.
        found: String,
    },
    /// The node's time is not ours, so nobody can say when a transaction expires.
    #[error(
        "the ledger at {url} says that it is {chain_s} s, this machine {local_s} s; set its clock, or ask another node"
    )]
    OtherTime {
        url: String,
        /// The ledger's time, in seconds since 1970.
        chain_s: u64,
        /// This machine's.
        local_s: u64,
    },
    /// The node contradicts what was signed.
    #[error("the ledger's answer is not believed: {0}")]
    Lie(#[from] Lie),
    /// An answer that is too long or not in the node's form.
    #[error("the ledger's answer cannot be read: {0}")]
    Unreadable(String),
    /// The node refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The contract would refuse the call, so nothing was signed.
    #[error("the contract would refuse {function}: {abort}")]
    Aborts {
        /// The entry function, or the view.
        function: String,
        abort: Abort,
    },
    /// The call would fail for another reason, so nothing was signed.
    #[error("{function} would fail: {status}")]
    Fails {
        /// The entry function, or the view.
        function: String,
        /// The virtual machine's sentence.
        status: String,
    },
    /// The call needs more gas than is allowed.
    #[error("{function} needs {needed} units of gas, above the ceiling of {ceiling}; nothing was signed")]
    GasAboveCeiling {
        /// The entry function.
        function: String,
        /// What the simulation used.
        needed: u64,
        /// What is allowed.
        ceiling: u64,
    },
    /// A unit of gas costs more than is allowed.
    #[error("a unit of gas costs {price}, above the ceiling of {ceiling}; nothing was signed")]
    PriceAboveCeiling {
        /// What the node asks.
        price: u64,
        /// What is allowed.
        ceiling: u64,
    },
    /// The payer holds too little.
    #[error("the account holds {balance} of the gas coin and needs {needed}; nothing was signed, send it coins")]
    BalanceLow {
        balance: u64,
        /// What it must hold.
        needed: u64,
    },
    /// A transaction could not be built.
    #[error(transparent)]
    Transaction(#[from] crate::TransactionError),
    /// The transaction expired without having landed; it never will.
    #[error("transaction {0} expired before it landed; it never will")]
    Expired(TransactionHash),
    /// The ledger did not say in time whether the transaction landed; it still may.
    #[error("transaction {0} may have landed, but the ledger did not say so in time")]
    Unknown(TransactionHash),
}

/// A stranger's text, cut to a readable length and to characters that can be shown.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(CHARS_MAX).map(shown).collect()
}
