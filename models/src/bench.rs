//! Timing the training step.

use std::time::Instant;

use crate::config::ModelConfig;
use crate::device::ComputeDevice;
use crate::error::ModelError;
use crate::files::read_bounded;
use crate::initialize::initialize;
use crate::layout::{Layout, TensorSpec};
use crate::optimizer::{AdamWConfig, OptimizerState, adamw_step};
use crate::probe::random_batch;
use crate::trainer::{Trainer, TrainerOptions};

/// Steps before the clock starts: buffers grow and kernels compile in the first ones.
const WARMUP_STEPS: usize = 2;

/// What a step costs.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TrainBench {
    /// Device, for people.
    pub device: String,
    /// Threads that computed.
    pub threads: usize,
    /// Sequences in a step.
    pub batch: usize,
    /// Tokens in a sequence.
    pub seq: usize,
    /// Tokens per second of the median step.
    pub tokens_per_s: f64,
    /// The slowest step's time less the fastest one's, as a share of the median's.
    pub spread: f64,
    /// Highest resident memory of this process so far, in bytes; 0 where the system does not tell.
    pub peak_bytes: u64,
}

/// Times `steps` inner steps on random tokens after a short warm-up; the whole batch is one micro-batch.
///
/// # Errors
///
/// What [`Trainer::new`] and [`Trainer::inner_step`] refuse.
pub fn bench_train(
    config: &ModelConfig,
    device: &ComputeDevice,
    batch: usize,
    seq: usize,
    steps: usize,
) -> Result<TrainBench, ModelError> {
    let options = TrainerOptions { micro_batch: batch, ..TrainerOptions::default() };
    let mut trainer = Trainer::new(config, device, options)?;
    trainer.set_parameters(&initialize(config, 0))?;
    let mut seconds = Vec::with_capacity(steps.max(1));
    for number in 0..WARMUP_STEPS + steps.max(1) {
        let tokens = random_batch(config, batch, seq, number as u64)?;
        let start = Instant::now();
        trainer.inner_step(&tokens, 1e-4)?;
        if number >= WARMUP_STEPS {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    Ok(TrainBench {
        device: device.description(),
        threads: device.threads(),
        batch,
        seq,
        tokens_per_s: (batch * seq) as f64 / median,
        spread: (seconds[seconds.len() - 1] - seconds[0]) / median,
        peak_bytes: peak_bytes(),
    })
}

/// The process's high-water mark, from Linux's `VmHWM`.
fn peak_bytes() -> u64 {
    const STATUS_BYTES_MAX: u64 = 1 << 16;
    let status = read_bounded(std::path::Path::new("/proc/self/status"), STATUS_BYTES_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&status);
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// AdamW on vectors of one length, with several states to take in turn so that no cache holds them.
pub struct AdamWBench {
    layout: Layout,
    states: Vec<OptimizerState>,
    turn: usize,
}

impl AdamWBench {
    /// Bytes that a step moves for an element: parameter, gradient and two means are read, all but the gradient
    /// written.
    pub const BYTES_PER_ELEMENT: usize = 28;

    /// So many states for one matrix of so many elements.
    #[must_use]
    pub fn new(elements: usize, states: usize) -> Self {
        let matrix = TensorSpec { name: "matrix".to_owned(), shape: vec![1, elements], offset: 0 };
        let layout = Layout { tensors: vec![matrix], elements };
        Self { layout, states: vec![OptimizerState::new(elements); states.max(1)], turn: 0 }
    }

    /// One step with the next state. Both [elements].
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32]) {
        let turn = self.turn % self.states.len();
        self.turn += 1;
        adamw_step(parameters, gradient, &mut self.states[turn], &AdamWConfig::default(), &self.layout, 1e-3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_a_step() {
        let config = ModelConfig::preset("tiny").unwrap();
        let bench = bench_train(&config, &ComputeDevice::Cpu { threads: 1 }, 1, 32, 2).unwrap();
        assert!(bench.tokens_per_s > 0.0 && bench.spread >= 0.0);
        assert_eq!((bench.threads, bench.batch, bench.seq), (1, 1, 32));
        assert!(!cfg!(target_os = "linux") || bench.peak_bytes > 1 << 20);
    }
}
