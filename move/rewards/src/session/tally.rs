//! What is counted of one worker.

use super::{Address, Counted, Entry, WorkerId};
use serde::{Deserialize, Serialize};

/// Floating-point operations per parameter and token of a training step, forward and backward: C ≈ 6ND (Kaplan et al.
/// 2020, "Scaling Laws for Neural Language Models", section 2.1).
const OPERATIONS: u128 = 6;
/// Floating-point operations per second of the reference machine, whose milliseconds compute time is counted in.
const REFERENCE_RATE: u128 = 100_000_000_000;

/// A worker's counts at some point of a session: those of the open interval, and those since its first contribution.
///
/// Every number of an [`Entry`] is a formula of these, so that an entry can be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The account that is paid.
    #[serde(with = "crate::hex::address")]
    pub address: Address,
    /// Committed rounds of the interval, from the worker's first contribution on.
    pub rounds: u64,
    /// Its contributions in the interval.
    pub contributions: u64,
    /// The sum of their scores.
    pub score_sum: u64,
    /// Its contributions in all.
    pub contributions_in_all: u64,
    /// The sum of their scores.
    pub score_sum_in_all: u64,
    /// Accepted tokens in all.
    pub tokens_in_all: u64,
    /// Delivered bytes in all.
    pub bytes_in_all: u64,
    /// Reference milliseconds of the settlements before.
    pub compute_time_before: u64,
    /// Bytes of the settlements before.
    pub bytes_before: u64,
}

impl Tally {
    pub(super) fn new(address: Address) -> Tally {
        Tally {
            address,
            rounds: 0,
            contributions: 0,
            score_sum: 0,
            contributions_in_all: 0,
            score_sum_in_all: 0,
            tokens_in_all: 0,
            bytes_in_all: 0,
            compute_time_before: 0,
            bytes_before: 0,
        }
    }

    pub(super) fn count(&mut self, contribution: &Counted) {
        self.contributions += 1;
        self.contributions_in_all += 1;
        self.score_sum += contribution.score;
        self.score_sum_in_all += contribution.score;
        if contribution.accepted {
            self.tokens_in_all = self.tokens_in_all.saturating_add(contribution.tokens);
        }
        if contribution.delivered {
            self.bytes_in_all = self.bytes_in_all.saturating_add(contribution.bytes);
        }
    }

    /// What is owed for the interval. Time is what all tokens make less what was settled, so that no rounding is lost.
    pub(super) fn entry(&self, worker: WorkerId, parameters: u64) -> Entry {
        Entry {
            worker,
            address: self.address,
            compute_time: reference_ms(self.tokens_in_all, parameters).saturating_sub(self.compute_time_before),
            gradient_quality: self.quality(),
            data_transmitted: self.bytes_in_all.saturating_sub(self.bytes_before),
            uptime_ratio: (self.contributions * 100).checked_div(self.rounds).unwrap_or(0),
        }
    }

    /// The interval's mean score. Without a contribution it is the mean so far: absence lowers the uptime alone.
    fn quality(&self) -> u64 {
        let mean = self.score_sum.checked_div(self.contributions);
        mean.or(self.score_sum_in_all.checked_div(self.contributions_in_all)).unwrap_or(0)
    }

    /// The tally after the interval was settled.
    pub(super) fn settled(self, parameters: u64) -> Tally {
        let compute_time_before = reference_ms(self.tokens_in_all, parameters);
        Tally {
            rounds: 0,
            contributions: 0,
            score_sum: 0,
            compute_time_before,
            bytes_before: self.bytes_in_all,
            ..self
        }
    }
}

/// The milliseconds in which the reference machine trains a model of so many parameters on tokens, rounded down:
/// ⌊tokens · 6 · parameters · 1000 / 10¹¹⌋, at most 2⁶⁴ − 1.
pub fn reference_ms(tokens: u64, parameters: u64) -> u64 {
    let operations = (u128::from(tokens) * u128::from(parameters)).saturating_mul(OPERATIONS * 1000);
    u64::try_from(operations / REFERENCE_RATE).unwrap_or(u64::MAX)
}
