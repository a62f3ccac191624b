//! The codec schedule: dense for the first rounds, then larger k, then the codec of the job.

use kernels::Codec;
use serde::{Deserialize, Serialize};

use super::JobError;
use super::bounds::{fraction, within};

/// The most entries of a schedule: with warm-up and the last codec they fill the protocol's.
const STAGES_MAX: usize = 14;

/// How contributions are compressed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodecSection {
    /// The codec once warm-up and schedule are over.
    pub name: String,
    /// The codec of the first `warmup_rounds`.
    pub warmup: String,
    /// Outer steps that the warm-up codec serves.
    pub warmup_rounds: u64,
    /// How much of the residual is kept from round to round, β.
    pub error_feedback: f64,
    /// Stages between the warm-up and `name`, in order; none in a section that does not name them.
    #[serde(default)]
    pub schedule: Vec<CodecStage>,
}

/// A codec for a number of outer steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodecStage {
    /// The codec's name.
    pub codec: String,
    /// Outer steps that it serves.
    pub rounds: u64,
}

impl CodecSection {
    /// The codec of an outer step, counted from 1.
    ///
    /// # Errors
    /// When a name is no codec, which validation rules out.
    pub fn at(&self, outer_step: u64) -> Result<Codec, JobError> {
        let mut before = self.warmup_rounds;
        if outer_step <= before {
            return parse("warmup", &self.warmup);
        }
        for stage in &self.schedule {
            before = before.saturating_add(stage.rounds);
            if outer_step <= before {
                return parse("schedule", &stage.codec);
            }
        }
        parse("name", &self.name)
    }

    /// The codec once warm-up and schedule are over.
    ///
    /// # Errors
    /// When the name is no codec, which validation rules out.
    pub fn last(&self) -> Result<Codec, JobError> {
        parse("name", &self.name)
    }

    pub(super) fn validate(&self) -> Result<(), JobError> {
        parse("name", &self.name)?;
        parse("warmup", &self.warmup)?;
        within("codec", "warmup_rounds", self.warmup_rounds, 0..=1_000_000)?;
        within("codec", "schedule", self.schedule.len(), 0..=STAGES_MAX)?;
        for stage in &self.schedule {
            parse("schedule", &stage.codec)?;
            within("codec", "schedule.rounds", stage.rounds, 1..=1_000_000)?;
        }
        fraction("codec", "error_feedback", self.error_feedback, 1.0 + f64::EPSILON)
    }
}

fn parse(key: &'static str, name: &str) -> Result<Codec, JobError> {
    // The codec's own error names the nearest codec.
    name.parse::<Codec>().map_err(|error| JobError::value("codec", key, format!("\"{name}\""), error.to_string()))
}
