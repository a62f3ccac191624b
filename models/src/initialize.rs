//! The starting parameters: the same on every machine for the same configuration and seed.

use rayon::prelude::*;

use crate::config::ModelConfig;
use crate::layout::{Layout, TensorSpec};
use crate::random::Stream;

/// Purpose of the random stream.
const DOMAIN: &str = "cotrain/initialize/1";

/// Standard deviation of every matrix (GPT-2 §2.3, Llama's `initializer_range`).
const DEVIATION: f32 = 0.02;

/// The flat vector of an untrained model: matrices normal with deviation 0.02, those that write into the residual
/// stream (`o_proj`, `down_proj`) divided by √(2 · layers) as in GPT-2, norms one.
///
/// # Shapes
///
/// `[Layout::of(config).elements]`, in the layout's order.
pub fn initialize(config: &ModelConfig, seed: u64) -> Vec<f32> {
    let layout = Layout::of(config);
    let mut flat = vec![0.0; layout.elements];
    for tensor in &layout.tensors {
        fill(&mut flat[tensor.range()], tensor, config, seed);
    }
    flat
}

fn fill(values: &mut [f32], tensor: &TensorSpec, config: &ModelConfig, seed: u64) {
    if !tensor.decays() {
        values.fill(1.0);
        return;
    }
    let stream = Stream::new(DOMAIN, seed, &tensor.name);
    let deviation = deviation(&tensor.name, config.num_hidden_layers);
    values
        .par_iter_mut()
        .with_min_len(4096)
        .enumerate()
        .for_each(|(index, value)| *value = stream.normal(index as u64) * deviation);
}

fn deviation(name: &str, layers: usize) -> f32 {
    if name.contains("o_proj") || name.contains("down_proj") {
        DEVIATION / ((2 * layers) as f32).sqrt()
    } else {
        DEVIATION
    }
}

#[cfg(test)]
mod tests;
