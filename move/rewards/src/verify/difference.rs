//! The ways in which a record is wrong.

use crate::merkle::Hash;
use crate::session::{Address, Entry, WorkerId};
use crate::{Rules, hex};
use std::fmt;
use thiserror::Error;

/// A number of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Reference milliseconds.
    ComputeTime,
    /// Mean score.
    GradientQuality,
    /// Delivered bytes.
    DataTransmitted,
    /// Rounds with a contribution, in percent.
    UptimeRatio,
}

/// One thing in which a record differs from what the rounds make: `recorded` is what the record holds, `recomputed`
/// what the rounds make.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Difference {
    /// A settlement was not recorded.
    #[error("settlement {settlement} is missing")]
    SettlementMissing { settlement: u64 },
    /// A settlement was recorded for which there are no rounds.
    #[error("settlement {settlement} follows from no rounds")]
    SettlementUnexpected { settlement: u64 },
    /// A settlement was recorded more than once.
    #[error("settlement {settlement} is recorded more than once")]
    SettlementRepeated { settlement: u64 },
    /// A settlement covers other rounds.
    #[error(
        "settlement {settlement} records rounds {}–{}, but covers {}–{}",
        recorded.0,
        recorded.1,
        recomputed.0,
        recomputed.1
    )]
    Rounds { settlement: u64, recorded: (u64, u64), recomputed: (u64, u64) },
    /// A worker that contributed has no entry.
    #[error("settlement {settlement} has no entry of worker {}", hex::bare(worker))]
    EntryMissing { settlement: u64, worker: WorkerId },
    /// A worker has an entry without having contributed.
    #[error("settlement {settlement} has an entry of worker {}, who had not contributed", hex::bare(worker))]
    EntryUnexpected { settlement: u64, worker: WorkerId },
    /// A worker has several entries.
    #[error("settlement {settlement} has more than one entry of worker {}", hex::bare(worker))]
    EntryRepeated { settlement: u64, worker: WorkerId },
    /// An entry is paid to another account.
    #[error(
        "settlement {settlement} pays worker {} to {}, not to {}",
        hex::bare(worker),
        hex::prefixed(recorded),
        hex::prefixed(recomputed)
    )]
    EntryAddress { settlement: u64, worker: WorkerId, recorded: Address, recomputed: Address },
    /// A number of an entry differs.
    #[error(
        "settlement {settlement} records {field} {recorded} of worker {}, but the rounds make {recomputed}",
        hex::bare(worker)
    )]
    Entry { settlement: u64, worker: WorkerId, field: Field, recorded: u64, recomputed: u64 },
    /// The payout is of another session.
    #[error("the payout is of session {recorded}, not of {recomputed}")]
    Session { recorded: u64, recomputed: u64 },
    /// The payout has another pool.
    #[error("the payout records a pool of {recorded}, but the session's is {recomputed}")]
    Pool { recorded: u64, recomputed: u64 },
    /// The payout was made by other rules.
    #[error("the payout records {}, but the session was created with {}", show(recorded), show(recomputed))]
    Rules { recorded: Rules, recomputed: Rules },
    /// An account that earned something is not paid.
    #[error("the payout has no amount of {}", hex::prefixed(address))]
    AmountMissing { address: Address },
    /// An account is paid that earned nothing.
    #[error("the payout has an amount of {}, who earned nothing", hex::prefixed(address))]
    AmountUnexpected { address: Address },
    /// An account is paid more than once.
    #[error("the payout has more than one amount of {}", hex::prefixed(address))]
    AmountRepeated { address: Address },
    /// An amount differs.
    #[error("the payout records {recorded} for {}, but the rounds make {recomputed}", hex::prefixed(address))]
    Amount { address: Address, recorded: u64, recomputed: u64 },
    /// A proof does not lead from the account's amount to the root.
    #[error("the proof of {} does not lead to the root", hex::prefixed(address))]
    Proof { address: Address },
    /// The root is that of another tree.
    #[error("the payout records the root {}, but the amounts make {}", hash(recorded), hash(recomputed))]
    Root { recorded: Option<Hash>, recomputed: Option<Hash> },
    /// The total differs.
    #[error("the payout records a total of {recorded}, but the rounds make {recomputed}")]
    Total { recorded: u64, recomputed: u64 },
    /// What is returned differs.
    #[error("the payout returns {recorded}, but the rounds make {recomputed}")]
    Returned { recorded: u64, recomputed: u64 },
    /// The recorded amounts do not add up to the recorded total.
    #[error("the recorded amounts add up to {amounts}, not to the recorded total {total}")]
    AmountsNotTheTotal { amounts: u128, total: u64 },
    /// The recorded total and what is returned are not the recorded pool.
    #[error("the recorded total {total} and {returned} returned are not the recorded pool {pool}")]
    NotThePool { total: u64, returned: u64, pool: u64 },
}

impl Field {
    pub(super) const ALL: [Field; 4] =
        [Field::ComputeTime, Field::GradientQuality, Field::DataTransmitted, Field::UptimeRatio];

    pub(super) fn of(self, entry: &Entry) -> u64 {
        match self {
            Field::ComputeTime => entry.compute_time,
            Field::GradientQuality => entry.gradient_quality,
            Field::DataTransmitted => entry.data_transmitted,
            Field::UptimeRatio => entry.uptime_ratio,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::ComputeTime => "compute_time",
            Field::GradientQuality => "gradient_quality",
            Field::DataTransmitted => "data_transmitted",
            Field::UptimeRatio => "uptime_ratio",
        })
    }
}

/// Rules on one line.
fn show(rules: &Rules) -> String {
    let (base, bonus) = (rules.base_percentage(), rules.bonus_percentage());
    format!("{base} % base, {bonus} % bonus above quality {}", rules.quality_threshold())
}

fn hash(hash: &Option<Hash>) -> String {
    hash.as_ref().map_or_else(|| "none".into(), hex::prefixed)
}
