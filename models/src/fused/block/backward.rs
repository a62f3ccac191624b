//! A block backward: through the feed-forward, the attention, the projection; then the gradients of the weights.

use rayon::prelude::*;

use super::weights::{Product, weight_gradients};
use super::{Context, sequence_rows, sum_gains};
use crate::fused::attention::{Group, SavedGroup};
use crate::fused::matrix::{Matrix, MatrixMut, Store, multiply};
use crate::fused::shape::{LayerGradients, LayerWeights};
use crate::fused::workspace::Workspace;
use crate::fused::{norm, swiglu};

/// Runs a layer backward: `d_output` holds the gradient of its output before, of its input after.
pub(in crate::fused) fn backward(
    context: &Context<'_>,
    weights: &LayerWeights<'_>,
    workspace: &mut Workspace,
    slot: usize,
    gradients: LayerGradients<'_>,
    store: Store,
) {
    backward_feed_forward(context, weights, workspace, slot, gradients.post_norm, store);
    backward_attention(context, workspace, slot);
    backward_projection(context, weights, workspace, slot, gradients.input_norm, store);
    let saved = &workspace.saved[slot];
    let (d, a, f) = (context.shape.hidden, context.shape.attention(), context.shape.feed_forward);
    let products = [
        Product { gradient: gradients.gate_up, d_output: &saved.gate_up, input: &saved.middle_normed, width: d },
        Product { gradient: gradients.down, d_output: &workspace.d_output, input: &saved.activated, width: f },
        Product { gradient: gradients.qkv, d_output: &workspace.qkv, input: &saved.normed, width: d },
        Product { gradient: gradients.output, d_output: &workspace.d_middle, input: &saved.attended, width: a },
    ];
    weight_gradients(&context.pass, products, store);
    std::mem::swap(&mut workspace.d_output, &mut workspace.d_input);
}

/// Down projection, SwiGLU, norm, residual and the output projection.
fn backward_feed_forward(
    context: &Context<'_>,
    weights: &LayerWeights<'_>,
    workspace: &mut Workspace,
    slot: usize,
    d_gain: &mut [f32],
    store: Store,
) {
    let shape = context.shape;
    let (d, a, f, block) = (shape.hidden, shape.attention(), shape.feed_forward, context.pass.block());
    let saved = &mut workspace.saved[slot];
    let (middle, scales, d_output) = (&saved.middle, &saved.middle_scales, &workspace.d_output);
    workspace.d_gains.fill(0.0);
    let lanes = (
        saved.gate_up.par_chunks_mut(block * 2 * f),
        workspace.d_activated.par_chunks_mut(block * f),
        workspace.d_normed.par_chunks_mut(block * d),
        workspace.d_middle.par_chunks_mut(block * d),
        workspace.d_attended.par_chunks_mut(block * a),
        workspace.d_gains.par_chunks_mut(d),
    );
    lanes.into_par_iter().with_max_len(1).enumerate().for_each(
        |(lane, (gate_up, d_activated, d_normed, d_middle, d_attended, d_gain))| {
            let rows = lane * block..lane * block + d_normed.len() / d;
            let of_rows = rows.start * d..rows.end * d;
            let d_output = &d_output[of_rows.clone()];
            let down = Matrix::new(weights.down, f);
            multiply(MatrixMut::new(d_activated, f), Matrix::new(d_output, d), down, Store::Set);
            swiglu::backward(gate_up, d_activated, f);
            let right = Matrix::new(weights.gate_up, d);
            multiply(MatrixMut::new(d_normed, d), Matrix::new(gate_up, 2 * f), right, Store::Set);
            norm::backward(d_normed, &middle[of_rows], &scales[rows], weights.post_norm, d_output, d_middle, d_gain);
            let output = Matrix::new(weights.output, a);
            multiply(MatrixMut::new(d_attended, a), Matrix::new(d_middle, d), output, Store::Set);
        },
    );
    sum_gains(&workspace.d_gains, d_gain, store);
}

fn backward_attention(context: &Context<'_>, workspace: &mut Workspace, slot: usize) {
    let (shape, geometry) = (context.shape, &context.geometry);
    let (unit, per_lane) = (geometry.unit(), context.groups_per_lane());
    let (sums, rows) = (shape.group() * context.pass.length, context.pass.length * shape.attention());
    let saved = &workspace.saved[slot];
    let d_attended = &workspace.d_attended;
    let lanes = (workspace.d_heads.par_chunks_mut(per_lane * unit), workspace.scratch.par_iter_mut());
    lanes.into_par_iter().with_max_len(1).enumerate().for_each(|(lane, (d_units, scratch))| {
        for (index, d_unit) in d_units.chunks_exact_mut(unit).enumerate() {
            let group = lane * per_lane + index;
            let (sequence, kv_head) = (group / shape.kv_heads, group % shape.kv_heads);
            let saved = SavedGroup {
                unit: &saved.heads[group * unit..(group + 1) * unit],
                log_sums: &saved.log_sums[group * sums..(group + 1) * sums],
                attended: sequence_rows(&saved.attended, sequence, rows),
                d_attended: sequence_rows(d_attended, sequence, rows),
            };
            Group { geometry, shape, kv_head }.backward(&saved, d_unit, scratch);
        }
    });
}

/// The product of queries, keys and values, and the first norm.
fn backward_projection(
    context: &Context<'_>,
    weights: &LayerWeights<'_>,
    workspace: &mut Workspace,
    slot: usize,
    d_gain: &mut [f32],
    store: Store,
) {
    let (d, width, block) = (context.shape.hidden, context.shape.qkv(), context.pass.block());
    let saved = &workspace.saved[slot];
    let (d_heads, d_middle) = (&workspace.d_heads, &workspace.d_middle);
    workspace.d_gains.fill(0.0);
    let lanes = (
        workspace.qkv.par_chunks_mut(block * width),
        workspace.d_normed.par_chunks_mut(block * d),
        workspace.d_input.par_chunks_mut(block * d),
        workspace.d_gains.par_chunks_mut(d),
    );
    lanes.into_par_iter().with_max_len(1).enumerate().for_each(|(lane, (d_qkv, d_normed, d_input, d_gain))| {
        let rows = lane * block..lane * block + d_normed.len() / d;
        let of_rows = rows.start * d..rows.end * d;
        spread_heads(context, rows.start, d_heads, d_qkv);
        let right = Matrix::new(weights.qkv, d);
        multiply(MatrixMut::new(d_normed, d), Matrix::new(d_qkv, width), right, Store::Set);
        let (input, through) = (&saved.input[of_rows.clone()], &d_middle[of_rows]);
        norm::backward(d_normed, input, &saved.input_scales[rows], weights.input_norm, through, d_input, d_gain);
    });
    sum_gains(&workspace.d_gains, d_gain, store);
}

/// From groups of queries, keys and values back to rows of the product.
fn spread_heads(context: &Context<'_>, first_row: usize, d_heads: &[f32], d_qkv: &mut [f32]) {
    let (shape, unit) = (context.shape, context.geometry.unit());
    for (offset, row) in d_qkv.chunks_exact_mut(shape.qkv()).enumerate() {
        for (head, part) in row.chunks_exact_mut(shape.head_dim).enumerate() {
            let (kv_head, slot) = match head.checked_sub(shape.heads) {
                None => (head / shape.group(), head % shape.group()),
                Some(key) if key < shape.kv_heads => (key, shape.group()),
                Some(value) => (value - shape.kv_heads, shape.group() + 1),
            };
            part.copy_from_slice(&d_heads[context.unit_row(first_row + offset, kv_head, slot, unit)]);
        }
    }
}
