//! What all nodes of a run must agree on, as far as the cores need it.
//!
//! Invariant: parameters are made from a job that has been checked, whose bounds are theirs. They have no defaults and
//! cross no wire: a peer is sent the job.

use crate::score::ScorePolicy;

/// The parameters of a session, part of the job and so of the network id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Seed of the order of the data: runs of jobs with the same seed see the same text in the same order.
    pub seed: u64,
    /// Workers to wait for before the first round.
    pub workers_min: u32,
    /// Outer steps to commit before the run ends.
    pub outer_steps: u64,
    /// Inner steps of a round, H.
    pub inner_steps: u32,
    /// Sequences a worker of speed step 1 takes per inner step.
    pub batch_sequences: u32,
    /// Whether speed steps follow the measured speeds; otherwise all stay at 1.
    pub balanced: bool,
    /// Longest wait for commits.
    pub round_deadline_ms: u64,
    /// Longest wait for countersignatures of the closed set.
    pub close_deadline_ms: u64,
    /// Longest wait for reveals and payloads.
    pub reveal_deadline_ms: u64,
    /// Longest wait for votes; at the end of the run also for the members to report their last state.
    pub vote_deadline_ms: u64,
    /// How long a start, or a restart, of the aggregator treats members that were not seen yet as live.
    pub join_deadline_ms: u64,
    /// How long a lost connection still counts as live.
    pub reconnect_grace_ms: u64,
    /// When what was not answered is sent again.
    pub resend_ms: u64,
    /// Outer learning rate in 1/256.
    pub alpha: u32,
    /// ρ of the aggregation as numerator and denominator.
    pub rho: (u32, u32),
    /// Codec names by the first outer step (from 0) that uses them, ascending, the first from 0.
    pub codecs: Vec<CodecFrom>,
    /// How contributions are judged.
    pub score: ScorePolicy,
    /// How far a re-evaluation may differ from the record.
    pub tolerances: Tolerances,
    /// Committed rounds in a row without a contribution after which a member leaves.
    pub missed_rounds_max: u32,
    /// Accepted rounds after which a later joiner votes, and its weight is whole.
    pub probation_rounds: u64,
}

/// A codec and the outer step (from 0) it is used from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecFrom {
    /// First outer step.
    pub outer_step: u64,
    /// The codec's name; protocol does not know codecs.
    pub codec: String,
}

/// How far a voter's own measurement may differ from the recorded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerances {
    /// Of losses and gains, in micro-nats per token.
    pub loss_micronats: u64,
    /// Of cosines, in millionths.
    pub cosine_millionths: u64,
    /// Of norms, in millionths of the recorded norm.
    pub norm_millionths: u64,
}

impl Parameters {
    /// The codec of the outer step that follows `outer_steps` committed ones.
    #[must_use]
    pub fn codec_at(&self, outer_steps: u64) -> &str {
        let current = self.codecs.iter().rev().find(|entry| entry.outer_step <= outer_steps);
        current.map_or("", |entry| &entry.codec)
    }
}

#[cfg(test)]
mod tests;
