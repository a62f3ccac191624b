//! The job: what all nodes of a run agree on, from a TOML file or the defaults, resolved and checked.
//!
//! Invariants: a [`Job`] that [`Job::validate`] accepted has every figure within the stated bounds; its canonical
//! TOML reads back to the same job; the fingerprint is the BLAKE3 of that text, so two nodes with equal fingerprints
//! train the same thing. A job holds no code and nothing that a worker executes or opens.

use std::path::Path;

use serde::{Deserialize, Serialize};

mod bounds;
mod codec;
mod keys;
mod kinds;
mod model;
mod parameters;
mod reference;
mod relations;
mod table;
mod unknown;

pub use keys::{
    CheckpointSection, CodecSection, CodecStage, DataSection, EvaluationSection, ModelSection, OuterSection,
    RewardsSection, RoundSection, SECTIONS, ScoreSection, TrainSection, keys,
};
pub use kinds::{Balance, Exchange, ScorePolicy};
pub use reference::reference;
pub use table::{Flag, Key, Section};

use disk::FileError;

/// The longest job text that is read, in bytes.
pub const JOB_BYTES_MAX: u64 = 64 << 10;

/// What all nodes of a run agree on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Job {
    /// The architecture.
    pub model: ModelSection,
    /// The text and how it becomes tokens.
    pub data: DataSection,
    /// The inner and outer loop.
    pub train: TrainSection,
    /// How contributions are compressed, round by round.
    pub codec: CodecSection,
    /// The outer step.
    pub outer: OuterSection,
    /// How contributions are judged.
    pub score: ScoreSection,
    /// Held-out evaluation.
    pub evaluation: EvaluationSection,
    /// Checkpoints.
    pub checkpoint: CheckpointSection,
    /// Deadlines and membership.
    pub round: RoundSection,
    /// What the session pays.
    pub rewards: RewardsSection,
}

/// Why a job is refused.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The text is longer than any job.
    #[error("the job is {bytes} bytes long; at most {bytes_max} are read")]
    TooLong {
        /// Its length.
        bytes: u64,
        /// The most that is read.
        bytes_max: u64,
    },
    /// The file is not text.
    #[error("the job is not UTF-8 text: {0}")]
    Text(#[from] std::str::Utf8Error),
    /// Not TOML, or a value of the wrong type.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// A key that no job has.
    #[error("line {line}: unknown key `{key}` {place}; {hint}")]
    UnknownKey {
        /// The line, from 1.
        line: usize,
        /// The key as written.
        key: String,
        /// Its section, in words.
        place: String,
        /// The nearest key, or those that exist.
        hint: String,
    },
    /// A value outside its bounds or at odds with another.
    #[error("[{section}] {key} = {value}: {expected}")]
    Value {
        /// The section.
        section: &'static str,
        /// The key.
        key: &'static str,
        /// The offending value.
        value: String,
        /// What it must be.
        expected: String,
    },
}

impl JobError {
    pub(crate) fn value(
        section: &'static str,
        key: &'static str,
        value: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Self::Value { section, key, value: value.to_string(), expected: expected.into() }
    }
}

impl Job {
    /// Reads and checks a job file.
    ///
    /// # Errors
    /// [`JobError`] with the line, the section and what would do.
    pub fn read(path: &Path) -> Result<Self, JobError> {
        let bytes = disk::read_bounded(path, JOB_BYTES_MAX)?;
        Self::parse(std::str::from_utf8(&bytes)?)
    }

    /// Parses and checks a job; keys that are absent take the defaults.
    ///
    /// # Errors
    /// [`JobError`] with the line, the section and what would do.
    pub fn parse(text: &str) -> Result<Self, JobError> {
        let bytes = text.len() as u64;
        if bytes > JOB_BYTES_MAX {
            return Err(JobError::TooLong { bytes, bytes_max: JOB_BYTES_MAX });
        }
        unknown::check(text)?;
        let job: Self = toml::from_str(text).map_err(|error| unknown::syntax(text, &error))?;
        job.validate()?;
        Ok(job)
    }

    /// Checks every figure and the relations between sections.
    ///
    /// # Errors
    /// [`JobError::Value`] for the first figure that is out of bounds.
    pub fn validate(&self) -> Result<(), JobError> {
        self.model.check()?;
        self.data.check()?;
        self.train.check()?;
        self.codec.check()?;
        self.codec.schedule.iter().try_for_each(CodecStage::check)?;
        self.outer.check()?;
        self.score.check()?;
        self.evaluation.check()?;
        self.checkpoint.check()?;
        self.round.check()?;
        self.rewards.check()?;
        self.check_relations()
    }

    /// The job with everything written out, as it goes into `job.toml`: the preset replaced by its figures, with the
    /// vocabulary that the tokenizer needs.
    ///
    /// # Errors
    /// [`JobError::Value`] when the vocabulary is smaller than the tokenizer's.
    pub fn resolve(&self, tokenizer_vocabulary: usize) -> Result<Self, JobError> {
        let mut job = self.clone();
        job.model = self.model.resolve(tokenizer_vocabulary)?;
        job.validate()?;
        Ok(job)
    }

    /// The canonical text: every key of every section in a fixed order.
    ///
    /// # Errors
    /// When a value cannot be TOML, which [`Job::validate`] rules out.
    pub fn to_toml(&self) -> Result<String, JobError> {
        toml::to_string(self).map_err(|e| JobError::Syntax { line: 0, message: e.to_string() })
    }

    /// BLAKE3 of the canonical text, under a domain of its own.
    ///
    /// # Errors
    /// As [`Job::to_toml`].
    pub fn fingerprint(&self) -> Result<[u8; 32], JobError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"cotrain/job/1");
        hasher.update(self.to_toml()?.as_bytes());
        Ok(*hasher.finalize().as_bytes())
    }

    /// Inner steps of the whole run, per worker.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.train.outer_steps.saturating_mul(self.train.inner_steps)
    }
}

#[cfg(test)]
mod tests;
