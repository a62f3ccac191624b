//! The head: last norm, logits and cross-entropy, whose gradient is formed while the logits are at hand.
//!
//! Logits are made for a block of rows at a time, so a large vocabulary needs no [tokens, vocab] buffer.

use rayon::prelude::*;
use simd::vectorised;

use super::block::{Context, sum_gains};
use super::float::{LANES, exp};
use super::matrix::{Matrix, MatrixMut, Store, multiply};
use super::norm;
use super::shape::OuterGradients;
use super::workspace::Workspace;

/// Logits held at once, in elements (32 MiB); at least eight rows for each lane.
const LOGITS_MAX: usize = 8 << 20;

/// The matrices that the head uses.
pub(super) struct HeadWeights<'a> {
    pub(super) norm: &'a [f32],
    pub(super) matrix: &'a [f32],
}

/// Rows of logits made at once.
fn block_rows(context: &Context<'_>) -> usize {
    let affordable = LOGITS_MAX / context.shape.vocab / context.pass.lanes;
    (affordable.max(8) / 8 * 8).min(context.pass.block()) * context.pass.lanes
}

/// Normalises the residual stream after the last layer.
pub(super) fn normalise(context: &Context<'_>, weights: &HeadWeights<'_>, workspace: &mut Workspace) {
    let (d, block) = (context.shape.hidden, context.pass.block());
    let lanes = (
        workspace.output.par_chunks(block * d),
        workspace.output_normed.par_chunks_mut(block * d),
        workspace.output_scales.par_chunks_mut(block),
    );
    lanes.into_par_iter().with_max_len(1).for_each(|(output, normed, scales)| {
        norm::forward(output, weights.norm, context.shape.epsilon, normed, scales);
    });
}

/// The loss of every row, in nats, into `workspace.losses`.
pub(super) fn losses(context: &Context<'_>, weights: &HeadWeights<'_>, workspace: &mut Workspace, targets: &[u32]) {
    for first in (0..context.pass.rows()).step_by(block_rows(context)) {
        block(context, weights, workspace, targets, first, None);
    }
}

/// The loss of every row, and the gradients of the head, of the last norm and of the residual stream before it
/// (into `workspace.d_output`). Each row's loss counts `weight`.
pub(super) fn losses_and_gradient(
    context: &Context<'_>,
    weights: &HeadWeights<'_>,
    workspace: &mut Workspace,
    targets: &[u32],
    weight: f32,
    gradients: &mut OuterGradients<'_>,
    store: Store,
) {
    let step = block_rows(context);
    for first in (0..context.pass.rows()).step_by(step) {
        block(context, weights, workspace, targets, first, Some(weight));
        let matrix = if context.shape.tied { &mut *gradients.embedding } else { &mut *gradients.head };
        let store = Store::add_if(store == Store::Add || first > 0);
        matrix_gradient(context, workspace, first, step, matrix, store);
    }
    backward_norm(context, weights, workspace, gradients.final_norm, store);
}

/// Logits of the rows from `first` on, their losses and, if asked, the gradient of the normalised stream.
fn block(
    context: &Context<'_>,
    weights: &HeadWeights<'_>,
    workspace: &mut Workspace,
    targets: &[u32],
    first: usize,
    weight: Option<f32>,
) {
    let (d, vocab, step) = (context.shape.hidden, context.shape.vocab, block_rows(context));
    let last = (first + step).min(context.pass.rows());
    let share = step / context.pass.lanes;
    workspace.logits.resize(step * vocab, 0.0);
    // Unused without a gradient, but every lane is given its part.
    workspace.d_normed.resize(context.pass.rows() * d, 0.0);
    let lanes = (
        workspace.output_normed[first * d..last * d].par_chunks(share * d),
        workspace.logits[..(last - first) * vocab].par_chunks_mut(share * vocab),
        targets[first..last].par_chunks(share),
        workspace.losses[first..last].par_chunks_mut(share),
        workspace.d_normed[first * d..last * d].par_chunks_mut(share * d),
    );
    lanes.into_par_iter().with_max_len(1).for_each(|(normed, logits, targets, losses, d_normed)| {
        let right = Matrix::new(weights.matrix, d);
        multiply(MatrixMut::new(logits, vocab), Matrix::new(normed, d), right.transposed(), Store::Set);
        for ((row, target), loss) in logits.chunks_exact_mut(vocab).zip(targets).zip(losses) {
            *loss = cross_entropy(row, *target as usize, weight.unwrap_or(0.0));
        }
        if weight.is_some() {
            multiply(MatrixMut::new(d_normed, d), Matrix::new(logits, vocab), right, Store::Set);
        }
    });
}

/// Replaces a row of logits by weight · (softmax − target) and returns the loss of the target in nats.
fn cross_entropy(row: &mut [f32], target: usize, weight: f32) -> f64 {
    let chosen = row[target];
    let (maximum, sum) = exponentials(row);
    scale(row, weight / sum);
    row[target] -= weight;
    f64::from(maximum) + f64::from(sum).ln() - f64::from(chosen)
}

vectorised! {
    /// Replaces the row by exponentials against its maximum; returns that maximum and their sum.
    fn exponentials(row: &mut [f32]) -> (f32, f32) {
        let mut maxima = [f32::NEG_INFINITY; LANES];
        for chunk in row.chunks_exact(LANES) {
            for i in 0..LANES {
                maxima[i] = if chunk[i] > maxima[i] { chunk[i] } else { maxima[i] };
            }
        }
        let mut maximum = f32::NEG_INFINITY;
        for x in maxima.iter().chain(row.chunks_exact(LANES).remainder()) {
            maximum = maximum.max(*x);
        }
        let mut sums = [0.0f32; LANES];
        let mut chunks = row.chunks_exact_mut(LANES);
        for chunk in &mut chunks {
            for i in 0..LANES {
                chunk[i] = exp::<LEVEL>(chunk[i] - maximum);
                sums[i] += chunk[i];
            }
        }
        let mut tail = 0.0;
        for x in chunks.into_remainder() {
            *x = exp::<LEVEL>(*x - maximum);
            tail += *x;
        }
        (maximum, super::float::sum_lanes(sums) + tail)
    }
}

vectorised! {
    fn scale(row: &mut [f32], factor: f32) {
        for x in row {
            *x *= factor;
        }
    }
}

/// d_matrix gains d_logitsᵀ · normed over the rows of the block; each lane takes a part of the vocabulary.
fn matrix_gradient(
    context: &Context<'_>,
    workspace: &Workspace,
    first: usize,
    step: usize,
    matrix: &mut [f32],
    store: Store,
) {
    let (d, vocab) = (context.shape.hidden, context.shape.vocab);
    let rows = (context.pass.rows() - first).min(step);
    let normed = Matrix::new(&workspace.output_normed[first * d..(first + rows) * d], d);
    let share = vocab.div_ceil(context.pass.lanes).next_multiple_of(8);
    matrix.par_chunks_mut(share * d).with_max_len(1).enumerate().for_each(|(lane, part)| {
        let logits = &workspace.logits[lane * share..];
        let columns = Matrix::strided(logits, rows, part.len() / d, vocab).transposed();
        multiply(MatrixMut::new(part, d), columns, normed, store);
    });
}

fn backward_norm(
    context: &Context<'_>,
    weights: &HeadWeights<'_>,
    workspace: &mut Workspace,
    d_gain: &mut [f32],
    store: Store,
) {
    let (d, block) = (context.shape.hidden, context.pass.block());
    workspace.d_gains.fill(0.0);
    // Nothing bypasses the last norm: the gradient around it is zero.
    workspace.d_input.fill(0.0);
    let lanes = (
        workspace.d_normed.par_chunks(block * d),
        workspace.output.par_chunks(block * d),
        workspace.output_scales.par_chunks(block),
        workspace.d_input.par_chunks(block * d),
        workspace.d_output.par_chunks_mut(block * d),
        workspace.d_gains.par_chunks_mut(d),
    );
    lanes.into_par_iter().with_max_len(1).for_each(|(d_normed, output, scales, through, d_output, d_gains)| {
        norm::backward(d_normed, output, scales, weights.norm, through, d_output, d_gains);
    });
    sum_gains(&workspace.d_gains, d_gain, store);
}

/// Logits of the rows `rows`, written to `output`.
///
/// # Shapes
/// output [rows, vocab].
pub(super) fn logits(
    context: &Context<'_>,
    weights: &HeadWeights<'_>,
    workspace: &Workspace,
    first: usize,
    output: &mut [f32],
) {
    let (d, vocab) = (context.shape.hidden, context.shape.vocab);
    let share = (output.len() / vocab).div_ceil(context.pass.lanes);
    let normed = &workspace.output_normed[first * d..first * d + output.len() / vocab * d];
    let lanes = (normed.par_chunks(share * d), output.par_chunks_mut(share * vocab));
    lanes.into_par_iter().with_max_len(1).for_each(|(normed, output)| {
        let right = Matrix::new(weights.matrix, d).transposed();
        multiply(MatrixMut::new(output, vocab), Matrix::new(normed, d), right, Store::Set);
    });
}

#[cfg(test)]
mod tests;
