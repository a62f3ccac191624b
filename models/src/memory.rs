//! What training a model takes in memory, with the arithmetic, before anything is allocated.

use std::fmt;

use crate::config::ModelConfig;
use crate::device::ComputeDevice;
use crate::error::ModelError;

/// Vectors as long as the model that a worker holds: parameters, gradient, two moments; base and residual of the
/// exchange; the outer step's result and one buffer for payloads and checkpoints.
const VECTORS: u64 = 8;

/// Share of the available memory that may be planned for; the rest is for what is not counted.
const USABLE_PERCENT: u64 = 90;

/// Bytes of one worker's training, by what they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Values in the flat vector.
    pub parameters: u64,
    /// Bytes of the vectors as long as the model.
    pub vector_bytes: u64,
    /// Bytes of what the forward pass keeps for the backward pass of one micro-batch.
    pub activation_bytes: u64,
    pub total_bytes: u64,
    /// Sequences in a micro-batch.
    pub micro_batch: usize,
    /// Tokens in a sequence.
    pub length: usize,
}

impl fmt::Display for MemoryEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{VECTORS} vectors × {} parameters × 4 bytes = {}, and {} of activations for a micro-batch of {} × {} \
             tokens: {} in all",
            self.parameters,
            megabytes(self.vector_bytes),
            megabytes(self.activation_bytes),
            self.micro_batch,
            self.length,
            megabytes(self.total_bytes)
        )
    }
}

/// What a worker needs to train with this micro-batch.
///
/// Activations per token and layer: about eight values of the hidden size (inputs, norms, queries, attention's result
/// and their gradients), keys and values twice, and four of the feed-forward's; the plain operations also keep the
/// attention scores, three times. Once per token: logits and their gradient.
pub fn memory_estimate(config: &ModelConfig, micro_batch: usize, length: usize, scores_kept: bool) -> MemoryEstimate {
    let wide = |value: usize| value as u64;
    let (d, f, kv) = (wide(config.hidden_size), wide(config.intermediate_size), wide(config.key_value_size()));
    let scores = if scores_kept { 3 * wide(config.num_attention_heads) * wide(length) } else { 0 };
    let layer = (8 * d).saturating_add(4 * kv).saturating_add(4 * f).saturating_add(scores);
    let token = layer.saturating_mul(wide(config.num_hidden_layers)).saturating_add(2 * wide(config.vocab_size));
    let tokens = wide(micro_batch).saturating_mul(wide(length));
    let parameters = wide(config.parameters());
    let vector_bytes = parameters.saturating_mul(4 * VECTORS);
    let activation_bytes = token.saturating_mul(tokens).saturating_mul(4);
    let total_bytes = vector_bytes.saturating_add(activation_bytes);
    MemoryEstimate { parameters, vector_bytes, activation_bytes, total_bytes, micro_batch, length }
}

/// The memory that this process may still take: the system's, or less where its control group says so. As much as there
/// can be where the system does not tell.
pub fn available_bytes() -> u64 {
    let Ok(mut system) = sysinfo::System::new() else { return u64::MAX };
    system.refresh_memory();
    let free = system.available_memory();
    system.cgroup_limits().map_or(free, |limits| free.min(limits.free_memory))
}

/// Refuses a model that this machine's memory cannot hold `workers` times.
///
/// # Errors
///
/// [`ModelError::OutOfMemory`] with the arithmetic.
pub fn check_memory(estimate: &MemoryEstimate, workers: usize, available_bytes: u64) -> Result<(), ModelError> {
    let needed_bytes = estimate.total_bytes.saturating_mul(workers as u64);
    let usable = available_bytes / 100 * USABLE_PERCENT;
    if needed_bytes <= usable {
        return Ok(());
    }
    let arithmetic = match workers {
        1 => estimate.to_string(),
        _ => format!("{workers} workers, each {estimate}"),
    };
    Err(ModelError::OutOfMemory { needed_bytes, available_bytes, arithmetic })
}

/// The largest micro-batch, a halving of `sequences`, whose estimate fits into the share of memory of one of `workers`.
///
/// # Errors
///
/// [`ModelError::OutOfMemory`] when a single sequence does not fit.
pub fn micro_batch_that_fits(
    config: &ModelConfig,
    device: &ComputeDevice,
    sequences: usize,
    length: usize,
    workers: usize,
    available_bytes: u64,
) -> Result<usize, ModelError> {
    let mut micro_batch = sequences.max(1);
    loop {
        let estimate = memory_estimate(config, micro_batch, length, !device.is_cpu());
        match check_memory(&estimate, workers, available_bytes) {
            Ok(()) => return Ok(micro_batch),
            Err(error) if micro_batch == 1 => return Err(error),
            Err(_) => micro_batch = micro_batch.div_ceil(2),
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests;
