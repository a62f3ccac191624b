//! The outer step in integers.

use super::subtract::subtract_scaled;
use super::{dense, sparse};
use crate::format::{BLOCK, CHUNK, Codec};
use crate::host::aggregate::Plan;
use crate::host::body::Form;
use crate::host::magnitude::{FRACTION_BITS, divide_to_nearest};

/// The next state, which may hold infinities.
pub(super) fn next(codec: Codec, theta: &[f32], plan: &Plan<'_>) -> Vec<f32> {
    let mut next = theta.to_vec();
    for (index, theta) in next.chunks_mut(CHUNK).enumerate() {
        let size = codec.chunk_bytes();
        let chunks: Vec<_> = plan
            .summands
            .iter()
            .map(|&(body, weight, factor)| (&body[index * size..][..size], weight, factor))
            .collect();
        match Form::of(codec) {
            Form::Sparse(shape) => {
                let (sums, exponent) = sparse::sums(shape.k, &chunks, theta.len());
                for (theta, (sum, weight)) in theta.iter_mut().zip(sums) {
                    *theta = step(*theta, sum, weight.max(plan.divisor_min), exponent);
                }
            }
            Form::Dense(width) => {
                for (block, theta) in theta.chunks_mut(BLOCK).enumerate() {
                    let (sums, exponent) = dense::sums(width, &chunks, block);
                    let pairs = theta.iter_mut().zip(sums);
                    pairs.for_each(|(theta, sum)| *theta = step(*theta, sum, plan.weight_sum, exponent));
                }
            }
            Form::Plain => {}
        }
    }
    next
}

/// θ − round(sum / divisor)·2^(E − 18).
fn step(theta: f32, sum: i32, divisor: u32, exponent: i32) -> f32 {
    if sum == 0 {
        return theta;
    }
    let quotient = divide_to_nearest(sum.unsigned_abs(), divisor);
    f32::from_bits(subtract_scaled(theta.to_bits(), quotient, sum < 0, exponent - FRACTION_BITS))
}
