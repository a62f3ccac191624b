//! The sections of a job besides the model and the codec, with their bounds.

use serde::{Deserialize, Serialize};

use super::JobError;
use super::bounds::{fraction, positive, within};

/// What workers exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exchange {
    /// The difference that `inner_steps` local optimiser steps made.
    PseudoGradient,
    /// Gradients of every step, weighted by tokens: synchronous data parallelism, the baseline.
    Gradient,
}

/// How the batch is shared among workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Every worker takes `batch_sequences`.
    Equal,
    /// A faster worker takes a larger batch, in whole multiples of `batch_sequences`, by what rounds recorded of its speed.
    Speed,
}

/// How contributions become weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScorePolicy {
    /// The quality score (PROTOCOL.md, "Score"): weights follow standing and tokens, norms are clipped to the median.
    Quality,
    /// Gates only: whatever is valid is accepted, weighted by tokens and not clipped. For parity runs among friends.
    Gates,
}

/// The text and how it becomes tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSection {
    /// `bytes`, or the path of a `tokenizer.json` on the machine that launches; workers fetch tokens, not text.
    pub tokenizer: String,
    /// Files or directories to read on the machine that launches; empty for the default text.
    pub paths: Vec<String>,
    /// The most tokens that are taken from the text.
    pub tokens_max: u64,
}

impl DataSection {
    pub(super) fn validate(&self) -> Result<(), JobError> {
        if self.tokenizer.is_empty() {
            return Err(JobError::value("data", "tokenizer", "\"\"", "must be \"bytes\" or a path"));
        }
        within("data", "paths", self.paths.len(), 0..=4096)?;
        within("data", "tokens_max", self.tokens_max, 1 << 10..=1 << 40)
    }
}

/// The inner loop, its optimiser and the length of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSection {
    /// Outer steps to commit before the run ends.
    pub rounds: u64,
    /// Local optimiser steps between two exchanges, H.
    pub inner_steps: u64,
    /// Sequences of a worker's batch in one inner step.
    pub batch_sequences: usize,
    /// Tokens of a sequence.
    pub sequence_length: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Inner steps of linear warm-up.
    pub warmup_steps: u64,
    /// Where the cosine decay ends, as a share of the peak.
    pub learning_rate_floor: f64,
    /// AdamW's first decay rate.
    pub adam_beta1: f64,
    /// AdamW's second decay rate.
    pub adam_beta2: f64,
    /// AdamW's ε.
    pub adam_epsilon: f64,
    /// AdamW's decoupled weight decay, on matrices only.
    pub weight_decay: f64,
    /// Global norm to which a gradient is clipped.
    pub clip_norm: f64,
    /// Seed of the initial parameters and of the order of the data.
    pub seed: u64,
    /// What is exchanged.
    pub exchange: Exchange,
    /// How the batch is shared.
    pub balance: Balance,
}

impl TrainSection {
    pub(super) fn validate(&self) -> Result<(), JobError> {
        within("train", "rounds", self.rounds, 1..=1 << 32)?;
        within("train", "inner_steps", self.inner_steps, 1..=65_536)?;
        within("train", "batch_sequences", self.batch_sequences, 1..=65_536)?;
        within("train", "sequence_length", self.sequence_length, 1..=1 << 20)?;
        positive("train", "learning_rate", self.learning_rate, 10.0)?;
        fraction("train", "learning_rate_floor", self.learning_rate_floor, 1.0 + f64::EPSILON)?;
        fraction("train", "adam_beta1", self.adam_beta1, 1.0)?;
        fraction("train", "adam_beta2", self.adam_beta2, 1.0)?;
        positive("train", "adam_epsilon", self.adam_epsilon, 1.0)?;
        fraction("train", "weight_decay", self.weight_decay, 10.0)?;
        positive("train", "clip_norm", self.clip_norm, 1e9)?;
        // TOML's integers are signed.
        within("train", "seed", self.seed, 0..=i64::MAX as u64)
    }
}

/// The outer step, in the integers of kernels/FORMAT.md, section 6.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OuterSection {
    /// Outer learning rate in 256ths, α.
    pub alpha: u32,
    /// Least share of all weights that a coordinate is divided by, [numerator, denominator], ρ.
    pub rho: [u32; 2],
}

impl OuterSection {
    pub(super) fn validate(&self) -> Result<(), JobError> {
        within("outer", "alpha", self.alpha, 1..=256)?;
        let [numerator, denominator] = self.rho;
        if denominator == 0 || denominator > 1 << 16 || numerator > denominator {
            let value = format!("[{numerator}, {denominator}]");
            let expected = "must be a fraction from 0 to 1, [numerator, denominator], with a denominator up to 65536";
            return Err(JobError::value("outer", "rho", value, expected));
        }
        Ok(())
    }
}

/// How contributions are judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreSection {
    /// How verdicts and weights come about.
    pub policy: ScorePolicy,
    /// Evaluation sequences per round that a contribution is scored on, B.
    pub sequences: usize,
    /// Least score of an accepted contribution, 0 to 100.
    pub score_min: u32,
    /// Least usefulness of an accepted contribution, in percent.
    pub usefulness_min_percent: u32,
    /// Least running score of a worker whose contributions are accepted and trusted, 0 to 100.
    pub standing_min: u32,
    /// Least ratio of a contribution's norm to the median or the reverse, in percent.
    pub norm_ratio_min_percent: u32,
    /// Index overlap from which a sparse contribution may be a copy, in percent.
    pub duplicate_overlap_percent: u32,
    /// Cosine from which a contribution of such overlap is a copy, in percent.
    pub duplicate_cosine_percent: u32,
    /// How far a voter's losses may lie from the recorded ones, in millionths of a nat.
    pub loss_tolerance_micronats: u64,
    /// How far a voter's cosines may lie from the recorded ones, in millionths.
    pub cosine_tolerance_millionths: u64,
    /// How far a voter's norms may lie from the recorded ones, in millionths of them.
    pub norm_tolerance_millionths: u64,
}

impl ScoreSection {
    pub(super) fn validate(&self) -> Result<(), JobError> {
        within("score", "sequences", self.sequences, 2..=4096)?;
        within("score", "score_min", self.score_min, 0..=100)?;
        within("score", "usefulness_min_percent", self.usefulness_min_percent, 0..=100)?;
        within("score", "standing_min", self.standing_min, 0..=99)?;
        within("score", "norm_ratio_min_percent", self.norm_ratio_min_percent, 0..=100)?;
        within("score", "duplicate_overlap_percent", self.duplicate_overlap_percent, 1..=100)?;
        within("score", "duplicate_cosine_percent", self.duplicate_cosine_percent, 1..=100)?;
        within("score", "loss_tolerance_micronats", self.loss_tolerance_micronats, 0..=1_000_000)?;
        within("score", "cosine_tolerance_millionths", self.cosine_tolerance_millionths, 0..=1_000_000)?;
        within("score", "norm_tolerance_millionths", self.norm_tolerance_millionths, 0..=1_000_000)
    }
}

/// Held-out evaluation of the global parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationSection {
    /// Held-out sequences, the same in every round.
    pub sequences: usize,
    /// Rounds between evaluations.
    pub every: u64,
}

impl EvaluationSection {
    pub(super) fn validate(&self) -> Result<(), JobError> {
        within("evaluation", "sequences", self.sequences, 1..=65_536)?;
        within("evaluation", "every", self.every, 1..=1_000_000)
    }
}

/// When checkpoints are written and which are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointSection {
    /// Outer steps between checkpoints; the last state always gets one.
    pub every: u64,
    /// How many of the newest stay, besides the start.
    pub keep: usize,
    /// Size above which the parameters go into several files, in bytes.
    pub shard_bytes_max: u64,
}

impl CheckpointSection {
    pub(super) fn validate(&self) -> Result<(), JobError> {
        within("checkpoint", "every", self.every, 1..=1_000_000)?;
        within("checkpoint", "keep", self.keep, 2..=1_000_000)?;
        within("checkpoint", "shard_bytes_max", self.shard_bytes_max, 1 << 16..=1 << 40)
    }
}

/// Deadlines of a round and the membership that it needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoundSection {
    /// Workers that must have joined before the first round starts.
    pub workers_min: usize,
    /// Longest wait for commits.
    pub round_deadline_ms: u64,
    /// Longest wait for countersignatures of the closed set.
    pub close_deadline_ms: u64,
    /// Longest wait for reveals and payloads after the commits closed.
    pub reveal_deadline_ms: u64,
    /// Longest wait for votes.
    pub vote_deadline_ms: u64,
    /// After a restart, how long every member counts as live.
    pub join_deadline_ms: u64,
    /// How long a member whose connection is lost is waited for.
    pub reconnect_grace_ms: u64,
    /// When what was not answered is sent again.
    pub resend_ms: u64,
    /// Committed rounds in a row without a contribution after which a member leaves.
    pub missed_rounds_max: u32,
    /// Accepted rounds after which a later joiner votes and its weight is whole.
    pub probation_rounds: u64,
}

impl RoundSection {
    pub(super) fn validate(&self) -> Result<(), JobError> {
        const DAY_MS: u64 = 86_400_000;
        within("round", "workers_min", self.workers_min, 1..=64)?;
        within("round", "round_deadline_ms", self.round_deadline_ms, 100..=DAY_MS)?;
        within("round", "close_deadline_ms", self.close_deadline_ms, 100..=DAY_MS)?;
        within("round", "reveal_deadline_ms", self.reveal_deadline_ms, 100..=DAY_MS)?;
        within("round", "vote_deadline_ms", self.vote_deadline_ms, 100..=DAY_MS)?;
        within("round", "join_deadline_ms", self.join_deadline_ms, 100..=DAY_MS)?;
        within("round", "reconnect_grace_ms", self.reconnect_grace_ms, 1..=DAY_MS)?;
        within("round", "resend_ms", self.resend_ms, 10..=DAY_MS)?;
        within("round", "missed_rounds_max", self.missed_rounds_max, 1..=1_000)?;
        within("round", "probation_rounds", self.probation_rounds, 0..=1_000)
    }
}

/// What the session pays and how it is settled on the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RewardsSection {
    /// Units of the reward asset that the session pays in all; 0 pays nothing.
    pub pool: u64,
    /// Share of the pool that goes to all scores, in percent.
    pub base_percentage: u64,
    /// Share that goes to the highest scores and to those of high quality, in percent; both shares make 100.
    pub bonus_percentage: u64,
    /// Mean quality above which a worker has part of the bonus, 0 to 100.
    pub quality_threshold: u64,
    /// Committed rounds of one settlement.
    pub settle_every: u64,
}

impl RewardsSection {
    pub(super) fn validate(&self) -> Result<(), JobError> {
        // TOML's integers are signed.
        within("rewards", "pool", self.pool, 0..=i64::MAX as u64)?;
        within("rewards", "settle_every", self.settle_every, 1..=1_000_000)?;
        within("rewards", "quality_threshold", self.quality_threshold, 0..=100)?;
        within("rewards", "base_percentage", self.base_percentage, 0..=100)?;
        if self.bonus_percentage != 100 - self.base_percentage {
            let expected = format!("must be {}, so that base and bonus make 100", 100 - self.base_percentage);
            return Err(JobError::value("rewards", "bonus_percentage", self.bonus_percentage, expected));
        }
        Ok(())
    }
}
