//! The quality score: integers in, integers out, each verdict with its reason. The formulas stand in PROTOCOL.md,
//! sections 14 ("Gates and measuring") and 15 ("Score").
//!
//! Measured numbers are rounded to integers once, by whoever measures ([`Measured`]); everything from there on is an
//! exact function ([`decide`]) that every voter repeats. Whether the assigned work was done is not judged yet; the
//! weights of the other three parts make 85 unless the job has others, and are renormalised to 100:
//!
//! ```text
//! S = round((50·u + 25·c + 10·ν) · 100 / 85)
//! ```
//!
//! All fractions are in millionths. Divisions floor unless said otherwise.

use crate::{Hash, WorkerId};
use serde::{Deserialize, Serialize};

mod decision;
mod gates;
mod standing;

pub use decision::{Decision, decide};
pub use gates::{Prepared, norm_ratio_millionths, prepare};
pub use standing::updated_standing;

/// One in millionths.
pub const ONE: u64 = 1_000_000;

/// How a session judges contributions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScorePolicy {
    /// By usefulness, agreement and norm: PROTOCOL.md, "Score".
    Quality(QualityRule),
    /// Whoever passes the gates scores 100 and weighs by tokens: for `exchange = "gradient"`, where every member is to
    /// take the plain mean.
    GatesOnly,
}

/// The numbers of the quality rule, which the job states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityRule {
    /// Part of usefulness u in the score.
    pub usefulness_weight: u32,
    /// Part of agreement c.
    pub agreement_weight: u32,
    /// Part of the norm ratio ν.
    pub norm_weight: u32,
    /// Least norm ratio that passes the gate.
    pub norm_ratio_min_millionths: u32,
    /// Least median that agreement is measured against.
    pub cosine_floor_millionths: u32,
    /// Least score S that is accepted.
    pub score_min: u32,
    /// Least usefulness that is accepted.
    pub usefulness_min_millionths: u32,
    /// Least mean score S̄ that is accepted and trusted, 0–100.
    pub standing_min: u32,
    /// Part of the old mean in the new one, in percent.
    pub standing_memory_percent: u32,
    /// A score below this is low.
    pub low_score: u32,
    /// Low scores in a row that lead to quarantine.
    pub low_streak_rounds_max: u32,
    /// Rounds of the first quarantine; each further one lasts twice as long, at most 32 times the first.
    pub quarantine_rounds: u64,
    /// The mean score with which a member comes out of quarantine.
    pub return_standing: u32,
}

/// Whether a contribution enters the aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Accepted,
    /// It does not; the reason says why.
    Rejected,
}

/// Why a contribution was accepted or rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Accepted.
    #[error("passed the gates and the thresholds")]
    Passed,
    /// Committed but not revealed by the deadline.
    #[error("committed but not revealed")]
    Withheld,
    /// Revealed, but no holder delivered the payload by the deadline.
    #[error("revealed but not delivered")]
    Undelivered,
    /// What was revealed is not what was committed to.
    #[error("the reveal does not open the commitment")]
    CommitmentMismatch,
    /// The payload's length is not what codec and layout imply.
    #[error("wrong size")]
    WrongSize,
    /// The header names another layout, stage, base, session, round, worker or token count.
    #[error("wrong header")]
    WrongHeader,
    /// More tokens than were assigned, or none.
    #[error("token count is not that of the assignment")]
    WrongTokens,
    /// The body is no valid encoding.
    #[error("invalid encoding")]
    InvalidEncoding,
    /// The body holds a NaN or an infinity.
    #[error("not finite")]
    NotFinite,
    /// A copy of another worker's earlier commit.
    #[error("a duplicate of {of}'s contribution")]
    Duplicate {
        /// The one copied.
        of: WorkerId,
    },
    /// Its norm is too far from the median.
    #[error("norm too far from the median")]
    NormOutOfRange,
    /// It does not lower the held-out loss enough.
    #[error("usefulness below the threshold")]
    LowUsefulness,
    /// Its score is below the threshold.
    #[error("score below the threshold")]
    LowScore,
    /// Its owner's mean score is below the threshold.
    #[error("mean score below the threshold")]
    LowStanding,
}

/// What was measured on one delivered payload, as integers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// The gate that it failed; none when it passed those that need the payload.
    pub gate: Option<Reason>,
    /// Its norm in 10⁻⁹.
    pub norm_nanos: u64,
    /// Mean loss of the scoring sequences after half of it, in micro-nats per token.
    pub loss_micronats: i64,
    /// Mean drop of the loss of the scoring sequences, in micro-nats per token.
    pub gain_micronats: i64,
    /// Standard error of that mean.
    pub gain_error_micronats: u64,
    /// Cosine with the sum of the other trusted payloads; none when there is no other.
    pub cosine_millionths: Option<i64>,
}

/// What is recorded of one commit before it is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who committed.
    pub worker: WorkerId,
    /// The commitment.
    pub commitment: Hash,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Not revealed by the deadline.
    Withheld,
    /// Revealed something else.
    Mismatch,
    /// Revealed.
    Revealed {
        /// The salt.
        salt: Hash,
        /// BLAKE3 of the payload.
        payload_hash: Hash,
        /// Length of the payload.
        bytes: u64,
        /// Tokens trained on.
        tokens: u64,
        /// What the inner steps took, by the worker's own clock; 0 when it does not say.
        inner_ms: u64,
        /// What was measured; none when the payload was not delivered by the deadline.
        measured: Option<Measured>,
    },
}

/// A loss, gain, cosine or ratio in millionths: to nearest, what is not finite or does not fit saturates, NaN is 0.
#[must_use]
pub fn to_millionths(value: f64) -> i64 {
    (value * 1e6).round() as i64
}

/// A norm in 10⁻⁹: to nearest, saturating; NaN is 0.
#[must_use]
pub fn to_nanos(value: f64) -> u64 {
    (value * 1e9).round() as u64
}

#[cfg(test)]
mod tests;
