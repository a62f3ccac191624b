//! Why a transaction is not taken. Nothing of a refused transaction is kept.

use thiserror::Error;

/// A refusal; [`Refused::status`] is the chain's name and number of it, where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// The bytes are not a signed transaction in its one encoding.
    #[error("failed to deserialize input into SignedTransaction: {0}")]
    Encoding(String),
    /// Longer than [`crate::TRANSACTION_BYTES_MAX`].
    #[error("a transaction of {0} bytes, above {max}", max = crate::TRANSACTION_BYTES_MAX)]
    TooLarge(usize),
    /// A signature does not verify or is not by the key of the address.
    #[error("{0}")]
    Signature(String),
    /// A simulation must not carry a signature that could be submitted.
    #[error("simulated transactions must not have a valid signature")]
    SignedSimulation,
    /// The transaction is for another chain.
    #[error("chain id {found}, this is {expected}")]
    ChainId {
        /// The ledger's.
        expected: u8,
        /// The transaction's.
        found: u8,
    },
    /// The account has used this sequence number.
    #[error("transaction sequence number is {found}, current sequence number is {current}")]
    SequenceTooOld {
        /// The transaction's.
        found: u64,
        current: u64,
    },
    /// At execution alone: a sequence number before it was never used.
    #[error("transaction sequence number is {found}, current sequence number is {current}")]
    SequenceTooNew {
        /// The transaction's.
        found: u64,
        current: u64,
    },
    /// The highest number is kept for orderless transactions.
    #[error("sequence number 2^64 − 1 without a nonce, or a nonce with another sequence number")]
    SequenceTooBig,
    /// The time at which the transaction expires has come.
    #[error("expired at {expires_s}, now {now_s}")]
    Expired {
        /// The transaction's.
        expires_s: u64,
        /// The ledger's.
        now_s: u64,
    },
    /// An orderless transaction must expire within [`crate::NONCE_SECONDS_MAX`].
    #[error("an orderless transaction that expires at {expires_s} is too far in the future, now {now_s}")]
    ExpiresTooLate {
        /// The transaction's.
        expires_s: u64,
        /// The ledger's.
        now_s: u64,
    },
    /// The sender has used this nonce within the time in which nonces are remembered.
    #[error("nonce {0} was used")]
    NonceUsed(u64),
    /// The payer cannot pay the limit.
    #[error("a balance of {balance} does not cover {max_gas} units at {price}")]
    Balance {
        /// The payer's.
        balance: u64,
        /// The transaction's limit.
        max_gas: u64,
        /// The transaction's price.
        price: u64,
    },
    /// The limit is above [`crate::gas::MAX_GAS_MAX`].
    #[error("a gas limit of {0} is above the bound")]
    MaxGasAbove(u64),
    /// The limit does not cover what every transaction costs.
    #[error("a gas limit of {0} is below what a transaction costs")]
    MaxGasBelow(u64),
    /// The price is below [`crate::gas::PRICE_MIN`].
    #[error("a gas price of {0} is below the bound")]
    PriceBelow(u64),
    /// The price is above [`crate::gas::PRICE_MAX`].
    #[error("a gas price of {0} is above the bound")]
    PriceAbove(u64),
    /// A kind of transaction that this ledger does not execute.
    #[error("{0} are not supported by this ledger")]
    Unsupported(&'static str),
    /// Another transaction of the sender waits with this sequence number or nonce.
    #[error("a transaction with this sequence number or nonce waits already, with a different payload")]
    Update,
    /// The account has too many waiting.
    #[error("account has too many transactions waiting, at most {max}", max = crate::ACCOUNT_WAITING_MAX)]
    AccountFull,
    /// Too many are waiting in all.
    #[error("too many transactions are waiting, at most {max}", max = crate::WAITING_MAX)]
    Full,
    /// The faucet is switched off.
    #[error("the faucet of this ledger is switched off")]
    NoFaucet,
    /// The log could not be written; nothing more is committed until the ledger is opened again.
    #[error("the ledger stopped: {0}")]
    Stopped(String),
}

impl Refused {
    /// The name and the number by which the chain's virtual machine discards such a transaction. The chain gives no
    /// stable number for the two of orderless transactions; they carry that of an invalid sequence nonce.
    pub fn status(&self) -> Option<(&'static str, u64)> {
        Some(match self {
            Refused::Signature(_) => ("INVALID_SIGNATURE", 1),
            Refused::SequenceTooOld { .. } => ("SEQUENCE_NUMBER_TOO_OLD", 3),
            Refused::SequenceTooNew { .. } => ("SEQUENCE_NUMBER_TOO_NEW", 4),
            Refused::Balance { .. } => ("INSUFFICIENT_BALANCE_FOR_TRANSACTION_FEE", 5),
            Refused::Expired { .. } => ("TRANSACTION_EXPIRED", 6),
            Refused::TooLarge(_) => ("EXCEEDED_MAX_TRANSACTION_SIZE", 10),
            Refused::MaxGasAbove(_) => ("MAX_GAS_UNITS_EXCEEDS_MAX_GAS_UNITS_BOUND", 13),
            Refused::MaxGasBelow(_) => ("MAX_GAS_UNITS_BELOW_MIN_TRANSACTION_GAS_UNITS", 14),
            Refused::PriceBelow(_) => ("GAS_UNIT_PRICE_BELOW_MIN_BOUND", 15),
            Refused::PriceAbove(_) => ("GAS_UNIT_PRICE_ABOVE_MAX_BOUND", 16),
            Refused::ChainId { .. } => ("BAD_CHAIN_ID", 23),
            Refused::SequenceTooBig => ("SEQUENCE_NUMBER_TOO_BIG", 24),
            Refused::Unsupported(_) => ("FEATURE_UNDER_GATING", 26),
            Refused::ExpiresTooLate { .. } => ("TRANSACTION_EXPIRATION_TOO_FAR_IN_FUTURE", 29),
            Refused::NonceUsed(_) => ("NONCE_ALREADY_USED", 29),
            _ => return None,
        })
    }
}
