//! What all nodes of a run must agree on, as far as the cores need it.

use crate::{
    encoding,
    limits::{ALPHA_MAX, CODEC_NAME_BYTES_MAX, CODEC_SCHEDULE_MAX, MEMBERS_MAX},
    score::ScorePolicy,
};
use serde::{Deserialize, Serialize};

/// The parameters of a session, part of the job and so of the network id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Seed of the order of the data: runs of jobs with the same seed see the same text in the same order.
    pub seed: u64,
    /// Workers to wait for before the first round.
    pub workers_min: u32,
    /// Outer steps of the run.
    pub rounds: u64,
    /// Inner steps of a round, H.
    pub inner_steps: u32,
    /// Sequences a worker of speed step 1 takes per inner step.
    pub sequences: u32,
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
    /// Decay of the residual in millionths.
    pub beta_millionths: u32,
    /// Codec names by the first outer step (from 0) that uses them, ascending, the first from 0.
    #[serde(deserialize_with = "encoding::list::<_, _, CODEC_SCHEDULE_MAX>")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecFrom {
    /// First outer step.
    pub outer_step: u64,
    /// The codec's name; protocol does not know codecs.
    #[serde(deserialize_with = "encoding::text::<_, CODEC_NAME_BYTES_MAX>")]
    pub codec: String,
}

/// How far a voter's own measurement may differ from the recorded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tolerances {
    /// Of losses and gains, in micro-nats per token.
    pub loss_micronats: u64,
    /// Of cosines, in millionths.
    pub cosine_millionths: u64,
    /// Of norms, in millionths of the recorded norm.
    pub norm_millionths: u64,
}

/// A parameter that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// Outside its bounds.
    #[error("{name} = {value} is outside {min}..={max}")]
    OutOfBounds {
        /// The parameter.
        name: &'static str,
        /// What it is.
        value: u64,
        /// The least it may be.
        min: u64,
        /// The most it may be.
        max: u64,
    },
    /// ρ is no fraction between 0 and 1.
    #[error("rho = {0}/{1} is no fraction between 0 and 1")]
    Rho(u32, u32),
    /// The codec schedule does not start at outer step 0, or does not ascend.
    #[error("codec schedule must start at outer step 0 and ascend, found {0} at entry {1}")]
    Codecs(u64, usize),
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            seed: 0,
            workers_min: 3,
            rounds: 20,
            inner_steps: 30,
            sequences: 8,
            balanced: false,
            round_deadline_ms: 600_000,
            close_deadline_ms: 30_000,
            reveal_deadline_ms: 60_000,
            vote_deadline_ms: 120_000,
            join_deadline_ms: 60_000,
            reconnect_grace_ms: 15_000,
            resend_ms: 2_000,
            alpha: 256,
            rho: (1, 5),
            beta_millionths: 950_000,
            codecs: vec![CodecFrom { outer_step: 0, codec: "topk64-q2".to_owned() }],
            score: ScorePolicy::default(),
            tolerances: Tolerances::default(),
            missed_rounds_max: 3,
            probation_rounds: 5,
        }
    }
}

impl Default for Tolerances {
    fn default() -> Self {
        Self { loss_micronats: 2_000, cosine_millionths: 1_000, norm_millionths: 1 }
    }
}

impl Parameters {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`ParametersError`] names the first one that makes no sense.
    pub fn validate(&self) -> Result<(), ParametersError> {
        bounded("workers_min", u64::from(self.workers_min), 1, MEMBERS_MAX as u64)?;
        bounded("rounds", self.rounds, 1, 1 << 32)?;
        bounded("inner_steps", u64::from(self.inner_steps), 1, 1 << 16)?;
        bounded("sequences", u64::from(self.sequences), 1, 1 << 16)?;
        bounded("alpha", u64::from(self.alpha), 1, u64::from(ALPHA_MAX))?;
        bounded("beta_millionths", u64::from(self.beta_millionths), 0, 1_000_000)?;
        bounded("missed_rounds_max", u64::from(self.missed_rounds_max), 1, 1_000)?;
        for (name, value) in self.waits() {
            bounded(name, value, 1, 30 * 24 * 3_600_000)?;
        }
        let (numerator, denominator) = self.rho;
        if denominator == 0 || numerator > denominator || denominator > 1 << 16 {
            return Err(ParametersError::Rho(numerator, denominator));
        }
        self.validate_codecs()
    }

    /// The codec of the outer step that follows `outer_steps` committed ones.
    #[must_use]
    pub fn codec_at(&self, outer_steps: u64) -> &str {
        let current = self.codecs.iter().rev().find(|entry| entry.outer_step <= outer_steps);
        current.map_or("", |entry| &entry.codec)
    }

    fn waits(&self) -> [(&'static str, u64); 7] {
        [
            ("round_deadline_ms", self.round_deadline_ms),
            ("close_deadline_ms", self.close_deadline_ms),
            ("reveal_deadline_ms", self.reveal_deadline_ms),
            ("vote_deadline_ms", self.vote_deadline_ms),
            ("join_deadline_ms", self.join_deadline_ms),
            ("reconnect_grace_ms", self.reconnect_grace_ms),
            ("resend_ms", self.resend_ms),
        ]
    }

    fn validate_codecs(&self) -> Result<(), ParametersError> {
        bounded("entries of codecs", self.codecs.len() as u64, 1, CODEC_SCHEDULE_MAX as u64)?;
        for (index, entry) in self.codecs.iter().enumerate() {
            bounded("bytes of a codec's name", entry.codec.len() as u64, 1, CODEC_NAME_BYTES_MAX as u64)?;
            let ascends =
                if index == 0 { entry.outer_step == 0 } else { entry.outer_step > self.codecs[index - 1].outer_step };
            if !ascends {
                return Err(ParametersError::Codecs(entry.outer_step, index));
            }
        }
        Ok(())
    }
}

fn bounded(name: &'static str, value: u64, min: u64, max: u64) -> Result<(), ParametersError> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(ParametersError::OutOfBounds { name, value, min, max }) }
}

#[cfg(test)]
mod tests;
