//! Finding the micro-batch: the largest that the device really takes.

use crate::batch::Batch;
use crate::config::ModelConfig;
use crate::device::ComputeDevice;
use crate::error::ModelError;
use crate::initialize::initialize;
use crate::memory::{available_bytes, micro_batch_that_fits};
use crate::random::Stream;
use crate::trainer::{Trainer, TrainerOptions};

/// Purpose of the random tokens.
const DOMAIN: &str = "cotrain/probe/1";

/// The micro-batch for batches of `sequences` sequences of `length` tokens: what the arithmetic allows on this machine
/// for one of `workers`, halved on an accelerator until a gradient of that size succeeds there.
///
/// A run records the answer, since sums depend on it. On the CPU it follows from the arithmetic alone.
///
/// # Errors
///
/// [`ModelError::OutOfMemory`] when not even one sequence fits, otherwise the device's last error.
pub fn probe_micro_batch(
    config: &ModelConfig,
    device: &ComputeDevice,
    options: &TrainerOptions,
    sequences: usize,
    length: usize,
    workers: usize,
) -> Result<usize, ModelError> {
    config.validate()?;
    let mut micro_batch = micro_batch_that_fits(config, device, sequences, length, workers, available_bytes())?;
    while !device.is_cpu() {
        match try_gradient(config, device, options, micro_batch, length) {
            Ok(()) => break,
            Err(ModelError::DeviceFailed { .. }) if micro_batch > 1 => micro_batch = micro_batch.div_ceil(2),
            Err(error) => return Err(error),
        }
    }
    Ok(micro_batch)
}

fn try_gradient(
    config: &ModelConfig,
    device: &ComputeDevice,
    options: &TrainerOptions,
    micro_batch: usize,
    length: usize,
) -> Result<(), ModelError> {
    let mut trainer = Trainer::new(config, device, TrainerOptions { micro_batch, ..options.clone() })?;
    trainer.set_parameters(&initialize(config, 0))?;
    trainer.inner_step(&random_batch(config, micro_batch, length, 0)?, 0.0)?;
    Ok(())
}

/// A batch of random tokens, the same for the same `number`.
pub(crate) fn random_batch(
    config: &ModelConfig,
    sequences: usize,
    length: usize,
    number: u64,
) -> Result<Batch, ModelError> {
    let stream = Stream::new(DOMAIN, number, "");
    let count = (sequences * (length + 1)) as u64;
    let tokens = (0..count).map(|index| (stream.bits(index) % config.vocab_size as u64) as u32).collect();
    Ok(Batch::new(tokens, sequences, length)?)
}
