//! The aggregator's parts: the job, the run directory, checkpoints, the state and how it follows, scoring and
//! evaluation, and the driver that runs the protocol's core with them.
//!
//! Invariants: whatever decides something is a pure function of its arguments and lives below the driver; whatever is
//! told to others is durable first; a file appears complete or not at all. A worker uses the same parts ([`job`],
//! [`state`], [`measure`], [`corpus`], [`files`], [`records`]), so that both sides compute the same.

pub mod audit;
pub mod checkpoint;
pub mod compute;
pub mod corpus;
pub mod driver;
pub mod evaluate;
pub mod events;
pub mod files;
pub mod genesis;
pub mod job;
pub mod journal;
pub mod lock;
pub mod measure;
pub mod outbox;
pub mod payloads;
pub mod records;
pub mod recover;
pub mod rounds_log;
pub mod run_directory;
pub mod state;

use models::TrainerOptions;

/// How a node of a job trains and evaluates.
#[must_use]
pub fn trainer_options(job: &job::Job) -> TrainerOptions {
    TrainerOptions { optimizer: job.optimizer(), clip_norm: job.train.clip_norm as f32, ..TrainerOptions::default() }
}

#[cfg(test)]
mod testing;
