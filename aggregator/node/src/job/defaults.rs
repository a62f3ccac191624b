//! The figures of the default job, all in one place: `tiny` on three workers, tuned by measurement for two CPU cores.

use super::{
    Balance, CheckpointSection, CodecSection, CodecStage, DataSection, EvaluationSection, Exchange, ModelSection,
    OuterSection, RewardsSection, RoundSection, ScorePolicy, ScoreSection, TrainSection,
};

impl Default for ModelSection {
    fn default() -> Self {
        Self::preset("tiny")
    }
}

impl Default for DataSection {
    fn default() -> Self {
        Self { tokenizer: "bytes".to_owned(), paths: Vec::new(), tokens_max: 1 << 23 }
    }
}

impl Default for TrainSection {
    fn default() -> Self {
        Self {
            rounds: 24,
            inner_steps: 10,
            batch_sequences: 8,
            sequence_length: 256,
            learning_rate: 4e-3,
            warmup_steps: 20,
            learning_rate_floor: 0.1,
            adam_beta1: 0.9,
            adam_beta2: 0.95,
            adam_epsilon: 1e-8,
            weight_decay: 0.1,
            clip_norm: 1.0,
            seed: 1,
            exchange: Exchange::PseudoGradient,
            balance: Balance::Equal,
        }
    }
}

impl Default for CodecSection {
    fn default() -> Self {
        Self {
            name: "topk64-q2".to_owned(),
            warmup: "dense-int8".to_owned(),
            warmup_rounds: 4,
            schedule: vec![CodecStage { codec: "topk256-q2".to_owned(), rounds: 12 }],
            error_feedback: 0.95,
        }
    }
}

impl Default for CodecStage {
    fn default() -> Self {
        Self { codec: "topk256-q2".to_owned(), rounds: 1 }
    }
}

impl Default for OuterSection {
    fn default() -> Self {
        Self { alpha: 256, rho: [1, 5] }
    }
}

impl Default for ScoreSection {
    fn default() -> Self {
        Self {
            policy: ScorePolicy::Quality,
            sequences: 4,
            score_min: 50,
            usefulness_min_percent: 20,
            standing_min: 30,
            norm_ratio_min_percent: 10,
            duplicate_overlap_percent: 90,
            duplicate_cosine_percent: 95,
            loss_tolerance_micronats: 2_000,
            cosine_tolerance_millionths: 1_000,
            norm_tolerance_millionths: 1,
        }
    }
}

impl Default for EvaluationSection {
    fn default() -> Self {
        Self { sequences: 8, every: 2 }
    }
}

impl Default for CheckpointSection {
    fn default() -> Self {
        Self { every: 8, keep: 3, shard_bytes_max: 2_000_000_000 }
    }
}

impl Default for RoundSection {
    fn default() -> Self {
        Self {
            workers_min: 3,
            round_deadline_ms: 300_000,
            close_deadline_ms: 30_000,
            reveal_deadline_ms: 60_000,
            vote_deadline_ms: 120_000,
            join_deadline_ms: 60_000,
            reconnect_grace_ms: 10_000,
            resend_ms: 2_000,
            missed_rounds_max: 3,
            probation_rounds: 5,
        }
    }
}

impl Default for RewardsSection {
    fn default() -> Self {
        Self { pool: 0, base_percentage: 80, bonus_percentage: 20, quality_threshold: 90, settle_every: 8 }
    }
}
