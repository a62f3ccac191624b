//! From the committed rounds of a session to its settlements and its participants: the accounting of `move/REWARDS.md`.
//!
//! Invariants: a settlement is a function of the rounds up to its last one, so that replaying the log makes the same
//! settlements anew; nothing that a worker says about itself counts, save the tokens of a contribution that was
//! accepted; what rounding leaves in one settlement is paid in a later one; no input overflows or panics (sums
//! saturate).

use crate::{Participant, RewardError, Rules, Split, hex, split};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use thiserror::Error;

mod accountant;
mod accounts;
mod tally;

pub use accountant::Accountant;
pub(crate) use accountant::Closed;
pub use accounts::{Accounts, own_address};
pub use tally::{Tally, reference_ms};

/// A worker's id: its Ed25519 public key.
pub type WorkerId = [u8; 32];
/// An account of the ledger.
pub type Address = [u8; 32];

/// What a session was created with, as far as rewards depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conditions {
    /// The model's parameters, which make tokens comparable to time.
    pub parameters: u64,
    /// How many committed rounds a settlement covers.
    pub settle_every: NonZeroU64,
    /// What is paid in all.
    pub pool: u64,
    /// How it is split.
    pub rules: Rules,
}

/// A committed round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Its number; they rise, and abandoned rounds leave gaps.
    pub round: u64,
    /// One for each worker of the closed set, in any order.
    pub contributions: Vec<Counted>,
}

/// One worker's contribution to a round, as the manifest judged it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    pub worker: WorkerId,
    /// Bytes of the payload with its header.
    pub bytes: u64,
    /// Tokens that it trained on; they count when it was accepted, and are those of the assignment then.
    pub tokens: u64,
    /// Quality, 0 to 100.
    pub score: u64,
    /// Whether it is in the aggregate.
    pub accepted: bool,
    /// Whether the payload arrived, in the size that codec and layout imply; its bytes count when it did, and are no
    /// more than a claim when it did not.
    pub delivered: bool,
}

/// What a session owes its workers for consecutive committed rounds; a line of `settlements.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// From 1.
    pub settlement: u64,
    /// The first round that it covers.
    pub first_round: u64,
    /// The last round that it covers.
    pub last_round: u64,
    /// One for each worker that contributed so far, in the order of workers.
    pub entries: Vec<Entry>,
}

/// What one worker did in a settlement's rounds: the arguments of the ledger's `submit_contributions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    #[serde(with = "hex::worker")]
    pub worker: WorkerId,
    /// The account that is paid for it.
    #[serde(with = "hex::address")]
    pub address: Address,
    /// Reference milliseconds of accepted tokens.
    pub compute_time: u64,
    /// The mean score, 0 to 100.
    pub gradient_quality: u64,
    /// Bytes that were delivered.
    pub data_transmitted: u64,
    /// Rounds with its contribution, of those since its first, 0 to 100.
    pub uptime_ratio: u64,
}

/// What cannot be the log of a session.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SessionError {
    /// Rounds do not rise.
    #[error("round {round} follows round {last}, but rounds rise")]
    RoundOutOfOrder {
        /// The round that was given.
        round: u64,
        /// The round before.
        last: u64,
    },
    /// A worker contributes twice to a round.
    #[error("worker {} contributes twice to round {round}", hex::bare(worker))]
    RepeatedWorker { round: u64, worker: WorkerId },
    /// A score is above 100.
    #[error("the score {score} of worker {} in round {round} is above 100", hex::bare(worker))]
    InvalidScore { round: u64, worker: WorkerId, score: u64 },
    /// What the settlements hold cannot be split.
    #[error(transparent)]
    Reward(#[from] RewardError),
}

/// All that follows from a session's rounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What is owed, interval by interval.
    pub settlements: Vec<Settlement>,
    /// The totals by account, in the order of addresses.
    pub participants: Vec<Participant>,
    /// What each account is paid.
    pub split: Split,
}

impl Outcome {
    /// What follows from a log of rounds, were it complete.
    ///
    /// # Errors
    /// When the rounds cannot be the log of a session.
    pub fn of_rounds(conditions: &Conditions, accounts: &Accounts, rounds: &[Round]) -> Result<Outcome, SessionError> {
        Ok(Outcome::of_settlements(conditions, settle(conditions, accounts, rounds)?)?)
    }

    /// What follows from settlements, such as recorded ones.
    ///
    /// # Errors
    /// When an entry cannot have been made by [`settle`].
    pub fn of_settlements(conditions: &Conditions, settlements: Vec<Settlement>) -> Result<Outcome, RewardError> {
        let participants = participants(&settlements);
        let split = split(conditions.pool, conditions.rules, &participants)?;
        Ok(Outcome { settlements, participants, split })
    }
}

/// The settlements of a session's rounds, the last of which may cover fewer rounds than the others.
///
/// # Errors
/// When the rounds cannot be the log of a session.
pub fn settle(conditions: &Conditions, accounts: &Accounts, rounds: &[Round]) -> Result<Vec<Settlement>, SessionError> {
    let mut accountant = Accountant::new(*conditions, accounts.clone());
    let mut settlements = Vec::new();
    for round in rounds {
        settlements.extend(accountant.push(round)?);
    }
    settlements.extend(accountant.finish());
    Ok(settlements)
}

/// The totals of each account, in the order of addresses: just what the ledger adds up when every entry is submitted.
///
/// The entries of several workers of one account are all added to it, so times and data add, and its quality and uptime
/// are the exact means over all of its workers' entries.
pub fn participants(settlements: &[Settlement]) -> Vec<Participant> {
    let mut totals: BTreeMap<Address, Participant> = BTreeMap::new();
    for entry in settlements.iter().flat_map(|settlement| &settlement.entries) {
        let total = totals.entry(entry.address).or_insert_with(|| nothing(entry.address));
        total.compute_time = total.compute_time.saturating_add(entry.compute_time);
        total.data_transmitted = total.data_transmitted.saturating_add(entry.data_transmitted);
        total.quality_sum = total.quality_sum.saturating_add(entry.gradient_quality);
        total.uptime_sum = total.uptime_sum.saturating_add(entry.uptime_ratio);
        total.count += 1;
    }
    totals.into_values().collect()
}

fn nothing(address: Address) -> Participant {
    Participant { address, compute_time: 0, data_transmitted: 0, quality_sum: 0, uptime_sum: 0, count: 0 }
}

#[cfg(test)]
pub(crate) mod tests;
