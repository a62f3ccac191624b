//! AdamW and the clip of the gradient over flat vectors, the same bits on every processor.
//!
//! Every member of a run makes these steps by itself and must end in the same state, so they use IEEE additions,
//! multiplications, divisions and square roots only, each rounded by itself: no fused multiply-add, no
//! approximation, and sums in an order that depends on the length alone. Threads and vector widths change nothing.

use rayon::prelude::*;

use crate::layout::Layout;

/// Elements that one task takes; fixed, since the clip's sum is ordered by it.
const CHUNK: usize = 1 << 15;
/// Partial sums within a chunk.
const LANES: usize = 16;

/// The constants of AdamW (Loshchilov and Hutter 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// Added to the root of the mean square.
    pub epsilon: f32,
    /// Decoupled decay of matrices, times the learning rate; norms are not decayed.
    pub weight_decay: f32,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1 }
    }
}

/// What AdamW keeps between steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerState {
    /// Steps made.
    pub step: u64,
    /// Mean of gradients.
    pub m: Vec<f32>,
    /// Mean of squared gradients.
    pub v: Vec<f32>,
}

impl OptimizerState {
    /// The state before the first step.
    pub fn new(elements: usize) -> Self {
        Self { step: 0, m: vec![0.0; elements], v: vec![0.0; elements] }
    }
}

/// One step of AdamW in place, bias-corrected, with decoupled weight decay on matrices, as `torch.optim.AdamW`.
///
/// # Panics
/// If the vectors are not as long as the layout: that is a bug of the caller, never of a peer or a file.
pub fn adamw_step(
    parameters: &mut [f32],
    gradient: &[f32],
    state: &mut OptimizerState,
    config: &AdamWConfig,
    layout: &Layout,
    learning_rate: f32,
) {
    adamw_step_scaled(parameters, gradient, 1.0, state, config, layout, learning_rate);
}

/// [`adamw_step`] with the gradient times `factor`: the clip and the step in one sweep over memory, with the bits of
/// [`clip_gradient`] followed by [`adamw_step`] when `factor` is from [`clip_factor`].
///
/// # Panics
/// As [`adamw_step`].
pub fn adamw_step_scaled(
    parameters: &mut [f32],
    gradient: &[f32],
    factor: f32,
    state: &mut OptimizerState,
    config: &AdamWConfig,
    layout: &Layout,
    learning_rate: f32,
) {
    let lengths = [parameters.len(), gradient.len(), state.m.len(), state.v.len()];
    assert_eq!(lengths, [layout.elements; 4], "vectors and layout differ in length");
    state.step += 1;
    let update = Update::new(config, state.step, learning_rate, factor);
    let mut tasks = Vec::with_capacity(layout.elements / CHUNK + layout.tensors.len());
    let mut rest = (parameters, gradient, &mut state.m[..], &mut state.v[..]);
    for tensor in &layout.tensors {
        let elements = tensor.shape.iter().product();
        let (p, p_rest) = rest.0.split_at_mut(elements);
        let (g, g_rest) = rest.1.split_at(elements);
        let (m, m_rest) = rest.2.split_at_mut(elements);
        let (v, v_rest) = rest.3.split_at_mut(elements);
        rest = (p_rest, g_rest, m_rest, v_rest);
        let keep = if tensor.shape.len() >= 2 { update.keep } else { 1.0 };
        let parts = p.chunks_mut(CHUNK).zip(g.chunks(CHUNK)).zip(m.chunks_mut(CHUNK)).zip(v.chunks_mut(CHUNK));
        tasks.extend(parts.map(|(((p, g), m), v)| (p, g, m, v, keep)));
    }
    tasks.into_par_iter().for_each(|(p, g, m, v, keep)| update.apply(p, g, m, v, keep));
}

/// The Euclidean norm of a gradient.
///
/// Squares are exact in f64; they are added in fixed chunks, each in a fixed order.
pub fn gradient_norm(gradient: &[f32]) -> f64 {
    let partial: Vec<f64> = gradient.par_chunks(CHUNK).map(sum_of_squares).collect();
    partial.iter().sum::<f64>().sqrt()
}

/// What a gradient of this norm is multiplied by so that its norm does not exceed `clip_norm`; 1 if it does not, and
/// for a norm that is not finite, which no factor mends.
pub fn clip_factor(norm: f64, clip_norm: f32) -> f32 {
    let clip = f64::from(clip_norm);
    if norm.is_finite() && norm > clip { (clip / norm) as f32 } else { 1.0 }
}

/// Scales a gradient whose norm exceeds `clip_norm` down to it and returns the norm before.
pub fn clip_gradient(gradient: &mut [f32], clip_norm: f32) -> f64 {
    let norm = gradient_norm(gradient);
    let factor = clip_factor(norm, clip_norm);
    if factor != 1.0 {
        gradient.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|x| *x *= factor));
    }
    norm
}

/// The constants of one step.
struct Update {
    factor: f32,
    toward: f32,
    beta2: f32,
    rest2: f32,
    root: f32,
    epsilon: f32,
    rate: f32,
    keep: f32,
}

impl Update {
    fn new(config: &AdamWConfig, step: u64, learning_rate: f32, factor: f32) -> Self {
        let correction1 = 1.0 - power(f64::from(config.beta1), step);
        let correction2 = 1.0 - power(f64::from(config.beta2), step);
        Self {
            factor,
            toward: 1.0 - config.beta1,
            beta2: config.beta2,
            rest2: 1.0 - config.beta2,
            root: correction2.sqrt() as f32,
            epsilon: config.epsilon,
            rate: (f64::from(learning_rate) / correction1) as f32,
            keep: 1.0 - learning_rate * config.weight_decay,
        }
    }

    /// Picks the widest registers that come without fused multiply-add; the width changes no bit.
    fn apply(&self, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], keep: f32) {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx")]
            fn wide(update: &Update, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], keep: f32) {
                update.sweep(p, g, m, v, keep);
            }
            if is_x86_feature_detected!("avx") {
                // SAFETY: the feature has just been detected.
                return unsafe { wide(self, p, g, m, v, keep) };
            }
        }
        self.sweep(p, g, m, v, keep);
    }

    #[inline(always)]
    fn sweep(&self, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], keep: f32) {
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let g = *g * self.factor;
            *m += (g - *m) * self.toward;
            *v = *v * self.beta2 + (g * g) * self.rest2;
            let denominator = v.sqrt() / self.root + self.epsilon;
            *p = *p * keep - (*m / denominator) * self.rate;
        }
    }
}

/// base^exponent by squaring: the standard library promises no precision for its own.
fn power(base: f64, exponent: u64) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}

fn sum_of_squares(chunk: &[f32]) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let mut groups = chunk.chunks_exact(LANES);
    for group in &mut groups {
        for (lane, x) in lanes.iter_mut().zip(group) {
            *lane += f64::from(*x) * f64::from(*x);
        }
    }
    let tail: f64 = groups.remainder().iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    lanes.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests;
