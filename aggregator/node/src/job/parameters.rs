//! What a job says to the other crates, in their own types.

use std::num::NonZeroU64;

use models::{AdamWConfig, Schedule};
use protocol::parameters::{CodecFrom, Parameters, Tolerances};
use protocol::score::{QualityRule, ScorePolicy as ProtocolPolicy};
use rewards::session::Conditions;
use rewards::{RewardError, Rules};

use super::{Balance, Job, ScorePolicy};

const MILLIONTHS_PER_PERCENT: u32 = 10_000;

impl Job {
    /// The parameters that the two cores of the protocol run by. They are within bounds when the job is.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        let (train, round) = (&self.train, &self.round);
        Parameters {
            seed: train.seed,
            workers_min: narrow(round.workers_min as u64),
            outer_steps: train.outer_steps,
            inner_steps: narrow(train.inner_steps),
            batch_sequences: narrow(train.batch_sequences as u64),
            balanced: train.balance == Balance::Speed,
            round_deadline_ms: round.round_deadline_ms,
            close_deadline_ms: round.close_deadline_ms,
            reveal_deadline_ms: round.reveal_deadline_ms,
            vote_deadline_ms: round.vote_deadline_ms,
            join_deadline_ms: round.join_deadline_ms,
            reconnect_grace_ms: round.reconnect_grace_ms,
            resend_ms: round.resend_ms,
            alpha: self.outer.alpha,
            rho: (self.outer.rho[0], self.outer.rho[1]),
            codecs: self.codecs(),
            score: self.score_policy(),
            tolerances: self.tolerances(),
            missed_rounds_max: round.missed_rounds_max,
            probation_rounds: round.probation_rounds,
        }
    }

    /// The learning rate over the inner steps of the run, counted over outer steps: step h of the round that makes
    /// outer step n + 1 is n·H + h, so an abandoned round is repeated at the same rates.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        let train = &self.train;
        Schedule {
            peak: train.learning_rate as f32,
            warmup_steps: train.warmup_steps,
            total_steps: self.steps(),
            floor: (train.learning_rate * train.learning_rate_floor) as f32,
        }
    }

    /// The optimiser of the inner steps, and of the outer step with `exchange = "gradient"`.
    #[must_use]
    pub fn optimizer(&self) -> AdamWConfig {
        let train = &self.train;
        AdamWConfig {
            beta1: train.adam_beta1 as f32,
            beta2: train.adam_beta2 as f32,
            epsilon: train.adam_epsilon as f32,
            weight_decay: train.weight_decay as f32,
        }
    }

    /// What the rewards of a session depend on besides its rounds, for a model of so many parameters.
    ///
    /// # Errors
    /// When the percentages make no rules, which the job's own checks rule out.
    pub fn reward_conditions(&self, parameters: u64) -> Result<Conditions, RewardError> {
        let section = &self.rewards;
        let rules = Rules::new(section.base_percentage, section.bonus_percentage, section.quality_threshold)?;
        let settle_every = NonZeroU64::new(section.settle_every).unwrap_or(NonZeroU64::MIN);
        Ok(Conditions { parameters, settle_every, pool: section.pool, rules })
    }

    fn codecs(&self) -> Vec<CodecFrom> {
        let section = &self.codec;
        let warmup = (section.warmup.as_str(), section.warmup_rounds);
        let stages = section.schedule.iter().map(|stage| (stage.codec.as_str(), stage.rounds));
        let mut codecs = Vec::new();
        let mut outer_step = 0_u64;
        for (codec, rounds) in std::iter::once(warmup).chain(stages).filter(|(_, rounds)| *rounds > 0) {
            codecs.push(CodecFrom { outer_step, codec: codec.to_owned() });
            outer_step = outer_step.saturating_add(rounds);
        }
        codecs.push(CodecFrom { outer_step, codec: section.name.clone() });
        codecs
    }

    fn score_policy(&self) -> ProtocolPolicy {
        let score = &self.score;
        match score.policy {
            ScorePolicy::Gates => ProtocolPolicy::GatesOnly,
            ScorePolicy::Quality => ProtocolPolicy::Quality(QualityRule {
                usefulness_weight: score.usefulness_weight,
                agreement_weight: score.agreement_weight,
                norm_weight: score.norm_weight,
                norm_ratio_min_millionths: score.norm_ratio_min_percent * MILLIONTHS_PER_PERCENT,
                cosine_floor_millionths: score.cosine_floor_percent * MILLIONTHS_PER_PERCENT,
                score_min: score.score_min,
                usefulness_min_millionths: score.usefulness_min_percent * MILLIONTHS_PER_PERCENT,
                standing_min: score.standing_min,
                standing_memory_percent: score.standing_memory_percent,
                low_score: score.low_score,
                low_streak_rounds_max: score.low_streak_rounds_max,
                quarantine_rounds: score.quarantine_rounds,
                return_standing: score.return_standing,
            }),
        }
    }

    fn tolerances(&self) -> Tolerances {
        Tolerances {
            loss_micronats: self.score.loss_tolerance_micronats,
            cosine_millionths: self.score.cosine_tolerance_millionths,
            norm_millionths: self.score.norm_tolerance_millionths,
        }
    }
}

/// Figures whose bounds keep them far below the limit.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
