//! A block forward: project, attend, finish.

use rayon::prelude::*;

use super::{Context, sequence_rows};
use crate::fused::attention::{Group, Scratch};
use crate::fused::matrix::{Matrix, MatrixMut, Store, multiply};
use crate::fused::shape::LayerWeights;
use crate::fused::workspace::{Saved, Workspace};
use crate::fused::{norm, swiglu};

/// Runs layer `index` forward: from `saved[index].input` to the next layer's input or the output of the model.
pub(in crate::fused) fn forward(
    context: &Context<'_>,
    weights: &LayerWeights<'_>,
    workspace: &mut Workspace,
    slot: usize,
    last: bool,
) {
    let (kept, following) = workspace.saved.split_at_mut(slot + 1);
    let saved = &mut kept[slot];
    let next = if last { &mut workspace.output } else { &mut following[0].input };
    project(context, weights, saved, &mut workspace.qkv);
    attend(context, saved, &workspace.qkv, &mut workspace.heads_output, &mut workspace.scratch);
    finish(context, weights, saved, &workspace.heads_output, next);
}

/// Norm, then queries, keys and values in one product.
fn project(context: &Context<'_>, weights: &LayerWeights<'_>, saved: &mut Saved, qkv: &mut [f32]) {
    let (d, width, block) = (context.shape.hidden, context.shape.qkv(), context.pass.block());
    let lanes = (
        saved.input.par_chunks(block * d),
        saved.normed.par_chunks_mut(block * d),
        saved.input_scales.par_chunks_mut(block),
        qkv.par_chunks_mut(block * width),
    );
    lanes.into_par_iter().with_max_len(1).for_each(|(input, normed, scales, qkv)| {
        norm::forward(input, weights.input_norm, context.shape.epsilon, normed, scales);
        let right = Matrix::new(weights.qkv, d).transposed();
        multiply(MatrixMut::new(qkv, width), Matrix::new(normed, d), right, Store::Set);
    });
}

fn attend(context: &Context<'_>, saved: &mut Saved, qkv: &[f32], output: &mut [f32], scratch: &mut [Scratch]) {
    let (shape, geometry) = (context.shape, &context.geometry);
    let (unit, out, per_lane) = (geometry.unit(), context.group_output(), context.groups_per_lane());
    let sums = shape.group() * context.pass.length;
    let lanes = (
        saved.heads.par_chunks_mut(per_lane * unit),
        output.par_chunks_mut(per_lane * out),
        saved.log_sums.par_chunks_mut(per_lane * sums),
        scratch.par_iter_mut(),
    );
    lanes.into_par_iter().with_max_len(1).enumerate().for_each(|(lane, (units, outputs, log_sums, scratch))| {
        let groups =
            units.chunks_exact_mut(unit).zip(outputs.chunks_exact_mut(out)).zip(log_sums.chunks_exact_mut(sums));
        for (index, ((unit, output), log_sums)) in groups.enumerate() {
            let group = lane * per_lane + index;
            let rows = sequence_rows(qkv, group / shape.kv_heads, context.pass.length * shape.qkv());
            let kv_head = group % shape.kv_heads;
            Group { geometry, shape, kv_head }.forward(rows, unit, output, log_sums, scratch);
        }
    });
}

/// Output projection, residual, norm, SwiGLU, residual.
fn finish(
    context: &Context<'_>,
    weights: &LayerWeights<'_>,
    saved: &mut Saved,
    heads_output: &[f32],
    next: &mut [f32],
) {
    let shape = context.shape;
    let (d, a, f, block) = (shape.hidden, shape.attention(), shape.feed_forward, context.pass.block());
    let lanes = (
        saved.attended.par_chunks_mut(block * a),
        saved.input.par_chunks(block * d),
        saved.middle.par_chunks_mut(block * d),
        saved.middle_scales.par_chunks_mut(block),
        saved.middle_normed.par_chunks_mut(block * d),
        saved.gate_up.par_chunks_mut(block * 2 * f),
        saved.activated.par_chunks_mut(block * f),
        next.par_chunks_mut(block * d),
    );
    lanes.into_par_iter().with_max_len(1).enumerate().for_each(
        |(lane, (attended, input, middle, scales, normed, gate_up, activated, next))| {
            collect_heads(context, lane * block, heads_output, attended);
            middle.copy_from_slice(input);
            let output = Matrix::new(weights.output, a).transposed();
            multiply(MatrixMut::new(middle, d), Matrix::new(attended, a), output, Store::Add);
            norm::forward(middle, weights.post_norm, shape.epsilon, normed, scales);
            let right = Matrix::new(weights.gate_up, d).transposed();
            multiply(MatrixMut::new(gate_up, 2 * f), Matrix::new(normed, d), right, Store::Set);
            swiglu::forward(gate_up, activated, f);
            next.copy_from_slice(middle);
            let down = Matrix::new(weights.down, f).transposed();
            multiply(MatrixMut::new(next, d), Matrix::new(activated, f), down, Store::Add);
        },
    );
}

/// From groups back to rows of concatenated heads.
fn collect_heads(context: &Context<'_>, first_row: usize, heads_output: &[f32], attended: &mut [f32]) {
    let (shape, unit) = (context.shape, context.group_output());
    for (offset, row) in attended.chunks_exact_mut(shape.attention()).enumerate() {
        for (head, part) in row.chunks_exact_mut(shape.head_dim).enumerate() {
            let (kv_head, slot) = (head / shape.group(), head % shape.group());
            part.copy_from_slice(&heads_output[context.unit_row(first_row + offset, kv_head, slot, unit)]);
        }
    }
}
