//! Causal grouped-query attention in tiles of queries that skip the keys they may not see.
//!
//! Scores lie transposed, [key, query], so that the softmax runs down a tile with one query per vector lane and the
//! products read them without a copy. Probabilities are not kept: the backward recomputes them from the logarithm
//! of each query's sum (Dao et al. 2022), which is cheaper than moving them through memory.
//! Long sequences go through blocks of keys with a running maximum, so the scratch does not grow with their square.

mod backward;
mod forward;

use super::matrix::{Matrix, MatrixMut, Store, multiply};
use super::rope;
use super::shape::Shape;

/// Queries in a tile.
const TILE: usize = 64;
/// Keys that a tile meets at once: a block of scores stays in the second-level cache. A multiple of [`TILE`], so that
/// every block that a tile meets holds at least one key that all its queries see.
const KEYS: usize = 512;

/// A lane's buffers.
#[derive(Default)]
pub(super) struct Scratch {
    scores: Vec<f32>,   // [KEYS, TILE]
    d_scores: Vec<f32>, // [KEYS, TILE]
    d_output: Vec<f32>, // [length, head_dim]
    deltas: Vec<f32>,   // [length]
}

impl Scratch {
    /// Sizes the buffers for one head of a sequence.
    pub(super) fn reserve(&mut self, length: usize, head_dim: usize) {
        let keys = KEYS.min(length.next_multiple_of(TILE));
        self.scores.resize(keys * TILE, 0.0);
        self.d_scores.resize(keys * TILE, 0.0);
        self.d_output.resize(length * head_dim, 0.0);
        self.deltas.resize(length, 0.0);
    }
}

/// The widths of a sequence's heads and the tables of the rotary embedding.
#[derive(Clone, Copy)]
pub(super) struct Geometry<'a> {
    pub(super) length: usize,
    pub(super) head_dim: usize,
    pub(super) group: usize,
    pub(super) cosines: &'a [f32],
    pub(super) sines: &'a [f32],
}

impl Geometry<'_> {
    /// Elements of one head of a sequence.
    fn head(&self) -> usize {
        self.length * self.head_dim
    }

    /// Elements of one group's queries, keys and values.
    pub(super) fn unit(&self) -> usize {
        (self.group + 2) * self.head()
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// One key-value head of one sequence with the query heads that share it: what one lane computes at a time.
pub(super) struct Group<'a> {
    pub(super) geometry: &'a Geometry<'a>,
    pub(super) shape: &'a Shape,
    pub(super) kv_head: usize,
}

/// What the backward of a group reads.
pub(super) struct SavedGroup<'a> {
    pub(super) unit: &'a [f32],       // [group + 2, length, head_dim], rotated
    pub(super) log_sums: &'a [f32],   // [group, length]
    pub(super) attended: &'a [f32],   // [length, heads · head_dim]
    pub(super) d_attended: &'a [f32], // [length, heads · head_dim]
}

impl Group<'_> {
    /// Gathers, rotates and attends.
    ///
    /// # Shapes
    /// qkv [length, qkv] of the sequence; unit [group + 2, length, head_dim], filled; output [group, length, head_dim];
    /// log_sums [group, length].
    pub(super) fn forward(
        &self,
        qkv: &[f32],
        unit: &mut [f32],
        output: &mut [f32],
        log_sums: &mut [f32],
        scratch: &mut Scratch,
    ) {
        self.gather(qkv, unit);
        let (head, length) = (self.geometry.head(), self.geometry.length);
        let (queries, keys, values) = self.split(unit);
        let heads =
            queries.chunks_exact(head).zip(output.chunks_exact_mut(head)).zip(log_sums.chunks_exact_mut(length));
        for ((query, output), log_sums) in heads {
            let head = Head { dim: self.geometry.head_dim, query, keys, values };
            for start in (0..length).step_by(TILE) {
                head.forward_tile(start, output, log_sums, &mut scratch.scores);
            }
        }
    }

    /// The gradient of [`Group::forward`] up to the product that made `qkv`.
    ///
    /// # Shapes
    /// d_unit [group + 2, length, head_dim], overwritten.
    pub(super) fn backward(&self, saved: &SavedGroup<'_>, d_unit: &mut [f32], scratch: &mut Scratch) {
        let (dim, head, length) = (self.geometry.head_dim, self.geometry.head(), self.geometry.length);
        let (queries, keys, values) = self.split(saved.unit);
        let (d_queries, d_keys_values) = d_unit.split_at_mut(queries.len());
        d_keys_values.fill(0.0);
        let (d_keys, d_values) = d_keys_values.split_at_mut(head);
        let heads = queries.chunks_exact(head).zip(saved.log_sums.chunks_exact(length));
        for (g, ((query, log_sums), d_query)) in heads.zip(d_queries.chunks_exact_mut(head)).enumerate() {
            let column = (self.kv_head * self.geometry.group + g) * dim;
            let (output, d_output) = (&saved.attended[column..], &saved.d_attended[column..]);
            let (gathered, deltas) = (&mut scratch.d_output, &mut scratch.deltas);
            backward::gather_gradient(output, d_output, self.shape.attention(), dim, gathered, deltas);
            let head = Head { dim, query, keys, values };
            for start in (0..length).step_by(TILE) {
                head.backward_tile(start, log_sums, d_query, d_keys, d_values, scratch);
            }
            rope::rotate_back(d_query, self.geometry.cosines, self.geometry.sines, self.geometry.scale(), dim / 2);
        }
        rope::rotate_back(d_keys, self.geometry.cosines, self.geometry.sines, 1.0, dim / 2);
    }

    /// Queries, keys and values of a unit.
    fn split<'b>(&self, unit: &'b [f32]) -> (&'b [f32], &'b [f32], &'b [f32]) {
        let (queries, keys_values) = unit.split_at(self.geometry.group * self.geometry.head());
        let (keys, values) = keys_values.split_at(self.geometry.head());
        (queries, keys, values)
    }

    /// Takes the heads of the group out of the rows of the product; queries carry the scale of the scores.
    fn gather(&self, qkv: &[f32], unit: &mut [f32]) {
        let (geometry, shape) = (self.geometry, self.shape);
        let (dim, width) = (geometry.head_dim, shape.qkv());
        for (slot, part) in unit.chunks_exact_mut(geometry.head()).enumerate() {
            let (head, scale) = match slot.checked_sub(geometry.group) {
                None => (self.kv_head * geometry.group + slot, geometry.scale()),
                Some(0) => (shape.heads + self.kv_head, 1.0),
                Some(_) => {
                    let column = (shape.heads + shape.kv_heads + self.kv_head) * dim;
                    copy_columns(&qkv[column..], width, dim, part);
                    continue;
                }
            };
            rope::rotate_into(&qkv[head * dim..], width, geometry.cosines, geometry.sines, scale, dim / 2, part);
        }
    }
}

/// One query head with the keys and values that it reads, each [length, dim].
struct Head<'a> {
    dim: usize,
    query: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
}

fn copy_columns(source: &[f32], stride: usize, width: usize, destination: &mut [f32]) {
    for (row, out) in source.chunks(stride).zip(destination.chunks_exact_mut(width)) {
        out.copy_from_slice(&row[..width]);
    }
}

/// scores[key, query] ← key · query
///
/// # Shapes
/// query [at most TILE, dim], keys [n, dim], scores [n, TILE].
fn score(query: &[f32], keys: &[f32], dim: usize, scores: &mut [f32]) {
    let scores = MatrixMut::strided(scores, keys.len() / dim, query.len() / dim, TILE);
    multiply(scores, Matrix::new(keys, dim), Matrix::new(query, dim).transposed(), Store::Set);
}

/// Hides from each query of the tile at `start` the keys, from `first` on, that come after it.
fn mask(scores: &mut [f32], first: usize, start: usize) {
    for (key, row) in scores.chunks_exact_mut(TILE).enumerate().skip(start + 1 - first) {
        row[..first + key - start].fill(f32::NEG_INFINITY);
    }
}

#[cfg(test)]
mod tests;
