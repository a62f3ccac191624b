//! What every node of a session does alike, whoever leads: the job, the data, the state and how it follows from a
//! round, measuring, the inner steps, checkpoints, and the thread that computes; and the [`performer`]s of both roles:
//! what their drivers remember.
//!
//! Invariants: whatever decides something is a pure function of its arguments, or a state machine without I/O; the same
//! job, state and payloads give the same next state and the same recorded numbers on every node.

pub mod checkpoint;
pub mod compute;
pub mod corpus;
pub mod evaluate;
pub mod job;
pub mod learner;
pub mod learning;
pub mod measure;
pub mod outbox;
pub mod payloads;
pub mod performer;
pub mod state;

mod limits;

#[cfg(test)]
mod testing;

// The file of tests that the aggregator includes too names this crate as it must be named there.
#[cfg(test)]
extern crate self as node;

use models::{ComputeDevice, DeviceReport, TrainerOptions};
use record::events::Devices;

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

/// Refuses a job whose workers, so many on this machine, would not fit its memory.
///
/// # Errors
/// The arithmetic, and what would do.
pub fn check_memory(job: &job::Job, workers: usize) -> anyhow::Result<()> {
    let (sequences, length) = (job.train.batch_sequences, job.train.sequence_length);
    let estimate = models::memory_estimate(&job.model.config()?, sequences, length, false);
    Ok(models::check_memory(&estimate, workers, models::available_bytes())?)
}

/// What a survey of this machine's devices found, as it is told.
#[must_use]
pub fn devices(report: &DeviceReport) -> Devices {
    let found = report.found.iter().map(|device| format!("{} ({})", device.name, device.description));
    Devices {
        found: found.collect(),
        chosen: report.chosen.description(),
        reasons: report.reasons.clone(),
        threads: report.chosen.threads(),
    }
}
