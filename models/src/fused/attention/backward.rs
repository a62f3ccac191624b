//! One tile of queries backward: probabilities anew from the kept sums, then the gradients of all three operands.

use simd::vectorised;

use super::{Head, KEYS, Scratch, TILE, mask, score};
use crate::fused::float::{dot, exp, mul_add};
use crate::fused::matrix::{Matrix, MatrixMut, Store, multiply};

impl Head<'_> {
    /// The gradients that the queries from `start` on give: set for themselves, added for keys and values.
    ///
    /// # Shapes
    /// log_sums [length]; d_query, d_keys, d_values [length, dim]; `scratch` holds the gradient of the head's output.
    pub(super) fn backward_tile(
        &self,
        start: usize,
        log_sums: &[f32],
        d_query: &mut [f32],
        d_keys: &mut [f32],
        d_values: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let dim = self.dim;
        let end = (start + TILE).min(log_sums.len());
        let (width, rows) = (end - start, start * dim..end * dim);
        let (query, d_output, d_query) =
            (&self.query[rows.clone()], &scratch.d_output[rows.clone()], &mut d_query[rows]);
        let (log_sums, deltas) = (padded(&log_sums[start..end]), padded(&scratch.deltas[start..end]));
        for first in (0..end).step_by(KEYS) {
            let last = (first + KEYS).min(end);
            let (count, columns) = (last - first, first * dim..last * dim);
            let keys = &self.keys[columns.clone()];
            let (scores, d_scores) = (&mut scratch.scores[..count * TILE], &mut scratch.d_scores[..count * TILE]);
            score(query, keys, dim, scores);
            mask(scores, first, start);
            score(d_output, &self.values[columns.clone()], dim, d_scores);
            differentiate(scores, d_scores, &log_sums, &deltas);
            let probabilities = Matrix::strided(scores, count, width, TILE);
            let d_scores = Matrix::strided(d_scores, count, width, TILE);
            let d_values = MatrixMut::new(&mut d_values[columns.clone()], dim);
            multiply(d_values, probabilities, Matrix::new(d_output, dim), Store::Add);
            let d_keys = MatrixMut::new(&mut d_keys[columns], dim);
            multiply(d_keys, d_scores, Matrix::new(query, dim), Store::Add);
            let d_query = MatrixMut::new(d_query, dim);
            multiply(d_query, d_scores.transposed(), Matrix::new(keys, dim), Store::add_if(first > 0));
        }
    }
}

fn padded(values: &[f32]) -> [f32; TILE] {
    let mut tile = [0.0; TILE];
    tile[..values.len()].copy_from_slice(values);
    tile
}

vectorised! {
    /// Scores become probabilities P; their gradients dP become dS = P · (dP − δ).
    fn differentiate(scores: &mut [f32], d_scores: &mut [f32], log_sums: &[f32; TILE], deltas: &[f32; TILE]) {
        for (s, d) in scores.chunks_exact_mut(TILE).zip(d_scores.chunks_exact_mut(TILE)) {
            for i in 0..TILE {
                let p = exp::<LEVEL>(s[i] - log_sums[i]);
                s[i] = p;
                d[i] = mul_add::<LEVEL>(p, d[i], -(p * deltas[i]));
            }
        }
    }
}

vectorised! {
    /// Copies one head's gradient out of its rows, with the inner product δ of output and gradient per query.
    ///
    /// # Shapes
    /// output, d_output: rows `stride` apart, the head first; gathered [length, dim]; deltas [length].
    pub(super) fn gather_gradient(
        output: &[f32],
        d_output: &[f32],
        stride: usize,
        dim: usize,
        gathered: &mut [f32],
        deltas: &mut [f32],
    ) {
        let rows = output.chunks(stride).zip(d_output.chunks(stride));
        for ((o, d), (copy, delta)) in rows.zip(gathered.chunks_exact_mut(dim).zip(deltas)) {
            let (o, d) = (&o[..dim], &d[..dim]);
            copy.copy_from_slice(d);
            *delta = dot::<LEVEL>(o, d);
        }
    }
}
