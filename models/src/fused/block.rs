//! One transformer block, forward and backward, over lanes of rows.
//!
//! A lane is a fixed block of rows (or of attention groups, or of a weight's rows) that one thread takes through a
//! chain of serial products and elementwise loops. Nothing is summed across lanes in an order that could change,
//! so a pass repeats bit for bit for a given number of lanes.

mod backward;
mod forward;
mod weights;

pub(in crate::fused) use backward::backward;
pub(in crate::fused) use forward::forward;

use super::attention::Geometry;
use super::matrix::Store;
use super::shape::Shape;
use super::workspace::Pass;

/// What all parts of a block's computation share.
pub(super) struct Context<'a> {
    pub(super) shape: &'a Shape,
    pub(super) pass: Pass,
    pub(super) geometry: Geometry<'a>,
}

impl Context<'_> {
    fn groups_per_lane(&self) -> usize {
        (self.pass.sequences * self.shape.kv_heads).div_ceil(self.pass.lanes)
    }

    /// Elements of one attention group's output.
    fn group_output(&self) -> usize {
        self.shape.group() * self.pass.length * self.shape.head_dim
    }

    /// Where row `row` of part `slot` (a query head of the group, then keys, then values) lies in a buffer of units.
    fn unit_row(&self, row: usize, kv_head: usize, slot: usize, unit: usize) -> std::ops::Range<usize> {
        let (sequence, position) = (row / self.pass.length, row % self.pass.length);
        let group = sequence * self.shape.kv_heads + kv_head;
        let start = group * unit + (slot * self.pass.length + position) * self.shape.head_dim;
        start..start + self.shape.head_dim
    }
}

/// Adds the lanes' partial sums in the order of lanes.
pub(super) fn sum_gains(partial: &[f32], d_gain: &mut [f32], store: Store) {
    if store == Store::Set {
        d_gain.fill(0.0);
    }
    for lane in partial.chunks_exact(d_gain.len()) {
        for (sum, part) in d_gain.iter_mut().zip(lane) {
            *sum += part;
        }
    }
}

/// The rows of one sequence in a buffer of `elements` a sequence.
fn sequence_rows(buffer: &[f32], sequence: usize, elements: usize) -> &[f32] {
    &buffer[sequence * elements..(sequence + 1) * elements]
}
