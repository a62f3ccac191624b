//! Whether a transaction may run: one pure function, asked when it comes and again when it runs.

use crate::transaction::{Replay, Transaction};
use crate::{Refused, gas};

/// How far ahead an orderless transaction may expire, and so how long its nonce is remembered.
pub const NONCE_SECONDS_MAX: u64 = 60;

/// What the ledger knows about a transaction when it is asked.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The ledger's chain.
    pub chain_id: u8,
    /// The time in whole seconds.
    pub now_s: u64,
    /// The sender's next sequence number.
    pub sequence: u64,
    /// What the payer holds of the gas coin.
    pub balance: u64,
    /// Whether the sender has used the nonce.
    pub nonce_used: bool,
    /// Whether the transaction runs now, so that numbers before its own must have been used.
    pub running: bool,
}

/// The first rule that the transaction breaks, in the order of the chain's prologue.
pub fn check(transaction: &Transaction, facts: Facts) -> Result<(), Refused> {
    let raw = &transaction.signed.raw_txn;
    let (max_gas, price) = (raw.max_gas_amount, raw.gas_unit_price);
    if max_gas > gas::MAX_GAS_MAX {
        return Err(Refused::MaxGasAbove(max_gas));
    }
    if max_gas < gas::TRANSACTION_GAS {
        return Err(Refused::MaxGasBelow(max_gas));
    }
    if price < gas::PRICE_MIN {
        return Err(Refused::PriceBelow(price));
    }
    if price > gas::PRICE_MAX {
        return Err(Refused::PriceAbove(price));
    }
    if raw.chain_id.id() != facts.chain_id {
        return Err(Refused::ChainId { expected: facts.chain_id, found: raw.chain_id.id() });
    }
    let (expires_s, now_s) = (raw.expiration_timestamp_secs, facts.now_s);
    if now_s >= expires_s {
        return Err(Refused::Expired { expires_s, now_s });
    }
    check_replay(transaction.replay, expires_s, facts)?;
    match transaction.fee_max() {
        Some(fee) if fee <= facts.balance => Ok(()),
        _ => Err(Refused::Balance { balance: facts.balance, max_gas, price }),
    }
}

fn check_replay(replay: Replay, expires_s: u64, facts: Facts) -> Result<(), Refused> {
    let current = facts.sequence;
    match replay {
        Replay::Sequence(found) if found < current => Err(Refused::SequenceTooOld { found, current }),
        Replay::Sequence(found) if found > current && facts.running => Err(Refused::SequenceTooNew { found, current }),
        Replay::Sequence(_) => Ok(()),
        Replay::Nonce(_) if expires_s > facts.now_s.saturating_add(NONCE_SECONDS_MAX) => {
            Err(Refused::ExpiresTooLate { expires_s, now_s: facts.now_s })
        }
        Replay::Nonce(nonce) if facts.nonce_used => Err(Refused::NonceUsed(nonce)),
        Replay::Nonce(_) => Ok(()),
    }
}
