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
pub mod settlement;
pub mod state;

use models::{ComputeDevice, TrainerOptions};

/// How a node of a job trains and evaluates on a device.
#[must_use]
pub fn trainer_options(job: &job::Job, device: &ComputeDevice) -> TrainerOptions {
    TrainerOptions {
        optimizer: job.optimizer(),
        clip_norm: job.train.clip_norm as f32,
        precision: device.best_precision(),
        ..TrainerOptions::default()
    }
}

#[cfg(test)]
mod testing;

/// Refuses a job whose workers, so many on this machine, would not fit its memory.
///
/// # Errors
/// The arithmetic, and what would do.
pub fn check_memory(job: &job::Job, workers: usize) -> anyhow::Result<()> {
    let (sequences, length) = (job.train.batch_sequences, job.train.sequence_length);
    let estimate = models::memory_estimate(&job.model.config()?, sequences, length, false);
    Ok(models::check_memory(&estimate, workers, models::available_bytes())?)
}
