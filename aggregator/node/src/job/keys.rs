//! The table of all keys of a job, section by section: the one place where a key is stated.
//!
//! The defaults are those of the default job: `tiny` on three workers, tuned by measurement for two CPU cores. What
//! several keys must be together is checked in [`super::relations`].

use kernels::ALPHA_MAX;
use protocol::limits::{MEMBERS_MAX, SCORING_WINDOWS_MAX};

use super::bounds::{AboveZero, Any, CodecName, Entries, Fraction, Tokenizer};
use super::table::{Key, Section, section};
use super::{Balance, Exchange, ScorePolicy};

/// The most stages of a codec schedule.
const STAGES_MAX: usize = 14;
const DAY_MS: u64 = 86_400_000;
/// TOML's integers are signed.
const TOML_MAX: u64 = i64::MAX as u64;

/// All sections in the order of the canonical text, each list of tables behind the section that holds it.
pub const SECTIONS: [Section; 11] = [
    ModelSection::SECTION,
    DataSection::SECTION,
    TrainSection::SECTION,
    CodecSection::SECTION,
    CodecStage::SECTION,
    OuterSection::SECTION,
    ScoreSection::SECTION,
    EvaluationSection::SECTION,
    CheckpointSection::SECTION,
    RoundSection::SECTION,
    RewardsSection::SECTION,
];

/// All keys in that order.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

section! {
    /// The architecture: a preset, figures by their Hugging Face names, or a preset with some figures replaced.
    #[serde(default)]
    ModelSection as "model" {
        /// Model preset, such as `tiny` or `small`; in a resolved job only a label.
        #[serde(default)]
        preset: Option<String> = Some("tiny".to_owned()), Any, flag("model", "COTRAIN_MODEL", "NAME");
        /// Entries of the embedding table; those that the tokenizer needs unless given.
        vocab_size: Option<usize> = None, Any;
        /// Width.
        hidden_size: Option<usize> = None, Any;
        /// Width inside the feed-forward network.
        intermediate_size: Option<usize> = None, Any;
        /// Blocks.
        num_hidden_layers: Option<usize> = None, Any;
        /// Query heads.
        num_attention_heads: Option<usize> = None, Any;
        /// Key and value heads.
        num_key_value_heads: Option<usize> = None, Any;
        /// Width of a head.
        head_dim: Option<usize> = None, Any;
        /// Longest sequence.
        max_position_embeddings: Option<usize> = None, Any;
        /// Base of the rotary frequencies.
        rope_theta: Option<f64> = None, Any;
        /// ε of the norms.
        rms_norm_eps: Option<f64> = None, Any;
        /// Whether the head shares the embedding table.
        tie_word_embeddings: Option<bool> = None, Any;
    }
}

section! {
    /// The text and how it becomes tokens.
    #[serde(default)]
    DataSection as "data" {
        /// `bytes`, or the path of a `tokenizer.json` on the machine that launches; workers fetch tokens, not text.
        tokenizer: String = "bytes".to_owned(), Tokenizer;
        /// Files or directories to read on the machine that launches; empty for the default text.
        paths: Vec<String> = Vec::new(), Entries(4096);
        /// The most tokens that are taken from the text.
        tokens_max: u64 = 1 << 23, 1 << 10..=1 << 40;
    }
}

section! {
    /// The inner loop, its optimiser and the length of the run.
    #[serde(default)]
    TrainSection as "train" {
        /// Outer steps to commit before the run ends: the rounds that commit, whatever they accept.
        outer_steps: u64 = 24, 1..=1 << 32, flag("rounds", "COTRAIN_ROUNDS", "N");
        /// Inner steps of a round, H: local optimiser steps between two exchanges.
        inner_steps: u64 = 10, 1..=65_536, flag("inner-steps", "COTRAIN_INNER_STEPS", "H");
        /// Sequences of a worker's batch in one inner step.
        batch_sequences: usize = 8, 1..=65_536;
        /// Tokens of a sequence.
        sequence_length: usize = 256, 1..=1 << 20;
        /// Peak learning rate.
        learning_rate: f64 = 4e-3, AboveZero(10.0);
        /// Inner steps of linear warm-up.
        warmup_steps: u64 = 20, Any;
        /// Where the cosine decay ends, as a share of the peak.
        learning_rate_floor: f64 = 0.1, 0.0..=1.0;
        /// AdamW's first decay rate.
        adam_beta1: f64 = 0.9, 0.0..1.0;
        /// AdamW's second decay rate.
        adam_beta2: f64 = 0.95, 0.0..1.0;
        /// AdamW's ε.
        adam_epsilon: f64 = 1e-8, AboveZero(1.0);
        /// AdamW's decoupled weight decay, on matrices only.
        weight_decay: f64 = 0.1, 0.0..10.0;
        /// Global norm to which a gradient is clipped.
        clip_norm: f64 = 1.0, AboveZero(1e9);
        /// Seed of the initial parameters and of the order of the data.
        seed: u64 = 1, 0..=TOML_MAX, flag("seed", "COTRAIN_SEED", "N");
        /// What workers exchange.
        exchange: Exchange = Exchange::PseudoGradient, Any;
        /// How the batch is shared among workers.
        balance: Balance = Balance::Equal, Any;
    }
}

section! {
    /// How contributions are compressed: densely in the first rounds, then with larger k, then by the codec of the job.
    #[serde(default)]
    CodecSection as "codec" {
        /// Codec of the contributions once warm-up and schedule are over, such as `topk64-q2` or `dense-int8`. The flag
        /// leaves the schedule out.
        name: String = "topk64-q2".to_owned(), CodecName, flag("codec", "COTRAIN_CODEC", "NAME");
        /// Codec of the first `warmup_rounds`.
        warmup: String = "dense-int8".to_owned(), CodecName;
        /// Outer steps at the start that the warm-up codec serves.
        warmup_rounds: u64 = 4, 0..=1_000_000, flag("warmup-rounds", "COTRAIN_WARMUP_ROUNDS", "N");
        /// How much of the residual is kept from round to round, β.
        error_feedback: f64 = 0.95, 0.0..=1.0;
        /// Stages between the warm-up and `name`, in order; none in a section that does not name them.
        #[serde(default)]
        schedule: Vec<CodecStage> = vec![CodecStage::default()], Entries(STAGES_MAX);
    }
}

section! {
    /// A stage of the codec schedule; each names both keys.
    CodecStage as "codec.schedule" {
        /// The codec.
        codec: String = "topk256-q2".to_owned(), CodecName;
        /// Outer steps that it serves.
        rounds: u64 = 12, 1..=1_000_000;
    }
}

section! {
    /// The outer step, in integers.
    #[serde(default)]
    OuterSection as "outer" {
        /// Outer learning rate in 256ths, α.
        alpha: u32 = 256, 1..=ALPHA_MAX;
        /// Least share of all weights that a coordinate is divided by, ρ.
        rho: [u32; 2] = [1, 5], Fraction;
    }
}

section! {
    /// How contributions are judged.
    #[serde(default)]
    ScoreSection as "score" {
        /// How verdicts and weights come about.
        policy: ScorePolicy = ScorePolicy::Quality, Any;
        /// Sequences of a round, assigned to nobody in it, that its contributions are scored on, B.
        sequences: usize = 4, 2..=SCORING_WINDOWS_MAX;
        /// Part of usefulness, u, in the score: the mean of its three parts by these weights.
        usefulness_weight: u32 = 50, 0..=100;
        /// Part of agreement, c, in the score.
        agreement_weight: u32 = 25, 0..=100;
        /// Part of the norm ratio, ν, in the score.
        norm_weight: u32 = 10, 0..=100;
        /// Least score of an accepted contribution.
        score_min: u32 = 50, 0..=100;
        /// Least usefulness of an accepted contribution, in percent.
        usefulness_min_percent: u32 = 20, 0..=100;
        /// Least ratio of a contribution's norm to the median or the reverse, in percent.
        norm_ratio_min_percent: u32 = 10, 0..=100;
        /// Least median cosine that agreement is measured against, in percent.
        cosine_floor_percent: u32 = 2, 0..=100;
        /// Least standing, the running mean of scores, of a worker whose contributions are accepted and trusted.
        standing_min: u32 = 30, 0..=99;
        /// Part of the old standing in the new one, in percent; the rest is the newest score's.
        standing_memory_percent: u32 = 70, 0..=100;
        /// A score below this is low.
        low_score: u32 = 20, 0..=100;
        /// Low scores in a row, of one round each, that lead to quarantine; so does a standing below `standing_min`.
        low_streak_rounds_max: u32 = 3, 1..=1_000;
        /// Rounds of a worker's first quarantine; each further one lasts twice as long, at most 32 times the first.
        quarantine_rounds: u64 = 10, 1..=1_000_000;
        /// The standing with which a worker comes out of quarantine.
        return_standing: u32 = 50, 0..=100;
        /// Index overlap from which a sparse contribution may be a copy, in percent.
        duplicate_overlap_percent: u32 = 90, 1..=100;
        /// Cosine from which a contribution of such overlap is a copy, in percent.
        duplicate_cosine_percent: u32 = 95, 1..=100;
        /// How far a voter's losses may lie from the recorded ones, in millionths of a nat.
        loss_tolerance_micronats: u64 = 2_000, 0..=1_000_000;
        /// How far a voter's cosines may lie from the recorded ones, in millionths.
        cosine_tolerance_millionths: u64 = 1_000, 0..=1_000_000;
        /// How far a voter's norms may lie from the recorded ones, in millionths of them.
        norm_tolerance_millionths: u64 = 1, 0..=1_000_000;
    }
}

section! {
    /// Held-out evaluation of the global parameters.
    #[serde(default)]
    EvaluationSection as "evaluation" {
        /// Held-out sequences that an evaluation reads, the same in every round.
        sequences: usize = 8, 1..=65_536;
        /// Rounds between evaluations.
        every: u64 = 2, 1..=1_000_000;
    }
}

section! {
    /// When checkpoints are written and which are kept.
    #[serde(default)]
    CheckpointSection as "checkpoint" {
        /// Outer steps between checkpoints; the last state always gets one.
        every: u64 = 8, 1..=1_000_000, flag("checkpoint-every", "COTRAIN_CHECKPOINT_EVERY", "N");
        /// How many of the newest stay, besides the start.
        keep: usize = 3, 2..=1_000_000;
        /// Size above which the parameters go into several files, in bytes.
        shard_bytes_max: u64 = 2_000_000_000, 1 << 16..=1 << 40;
    }
}

section! {
    /// Deadlines of a round and the membership that it needs.
    #[serde(default)]
    RoundSection as "round" {
        /// Workers that must have joined before the first round starts.
        workers_min: usize = 3, 1..=MEMBERS_MAX, flag("workers", "COTRAIN_WORKERS", "N");
        /// Longest wait for commits.
        round_deadline_ms: u64 = 300_000, 100..=DAY_MS;
        /// Longest wait for countersignatures of the closed set.
        close_deadline_ms: u64 = 30_000, 100..=DAY_MS;
        /// Longest wait for reveals and payloads after the commits closed.
        reveal_deadline_ms: u64 = 60_000, 100..=DAY_MS;
        /// Longest wait for votes.
        vote_deadline_ms: u64 = 120_000, 100..=DAY_MS;
        /// After a restart, how long every member counts as live.
        join_deadline_ms: u64 = 60_000, 100..=DAY_MS;
        /// How long a member whose connection is lost is waited for.
        reconnect_grace_ms: u64 = 10_000, 1..=DAY_MS;
        /// When what was not answered is sent again.
        resend_ms: u64 = 2_000, 10..=DAY_MS;
        /// Committed rounds in a row without a contribution after which a member leaves.
        missed_rounds_max: u32 = 3, 1..=1_000;
        /// Accepted rounds after which a later joiner votes and its weight is whole.
        probation_rounds: u64 = 5, 0..=1_000;
    }
}

section! {
    /// What the session pays and how it is settled on the ledger.
    #[serde(default)]
    RewardsSection as "rewards" {
        /// Units of the reward asset that the session pays its workers in all; 0 pays nothing.
        pool: u64 = 0, 0..=TOML_MAX, flag("pool", "COTRAIN_POOL", "UNITS");
        /// Share of the pool that goes to all scores, in percent.
        base_percentage: u64 = 80, 0..=100, flag("base-reward-percentage", "BASE_REWARD_PERCENTAGE", "PERCENT");
        /// Share that goes to the highest scores and to those of high quality, in percent; both shares make 100.
        bonus_percentage: u64 = 20, 0..=100, flag("bonus-reward-percentage", "BONUS_REWARD_PERCENTAGE", "PERCENT");
        /// Mean quality above which a worker has part of the bonus.
        quality_threshold: u64 = 90, 0..=100, flag("quality-threshold", "QUALITY_THRESHOLD", "SCORE");
        /// Committed rounds of one settlement on the ledger.
        settle_every: u64 = 8, 1..=1_000_000, flag("settle-every", "COTRAIN_SETTLE_EVERY", "N");
    }
}
