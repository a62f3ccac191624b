//! One tile of queries forward, with the softmax of the keys seen so far kept up to date.

use simd::vectorised;

use super::{Head, KEYS, TILE, mask, score};
use crate::fused::float::exp;
use crate::fused::matrix::{Matrix, MatrixMut, Store, multiply};

/// The running softmax of each query of a tile.
struct Running {
    maximum: [f32; TILE],
    sum: [f32; TILE],
    correction: [f32; TILE],
}

impl Head<'_> {
    /// Attends for the queries from `start` on.
    ///
    /// # Shapes
    /// output [length, dim]; log_sums [length]; scores [at least the block of keys, TILE].
    pub(super) fn forward_tile(&self, start: usize, output: &mut [f32], log_sums: &mut [f32], scores: &mut [f32]) {
        let dim = self.dim;
        let end = (start + TILE).min(log_sums.len());
        let mut running = Running { maximum: [f32::NEG_INFINITY; TILE], sum: [0.0; TILE], correction: [0.0; TILE] };
        let query = &self.query[start * dim..end * dim];
        let output = &mut output[start * dim..end * dim];
        for first in (0..end).step_by(KEYS) {
            let last = (first + KEYS).min(end);
            let block = &mut scores[..(last - first) * TILE];
            score(query, &self.keys[first * dim..last * dim], dim, block);
            mask(block, first, start);
            soften(block, &mut running);
            if first > 0 {
                scale_rows(output, &running.correction, dim);
            }
            let probabilities = Matrix::strided(block, last - first, end - start, TILE).transposed();
            let values = Matrix::new(&self.values[first * dim..last * dim], dim);
            multiply(MatrixMut::new(output, dim), probabilities, values, Store::add_if(first > 0));
        }
        for (i, log_sum) in log_sums[start..end].iter_mut().enumerate() {
            *log_sum = running.maximum[i] + running.sum[i].ln();
            running.sum[i] = 1.0 / running.sum[i];
        }
        scale_rows(output, &running.sum, dim);
    }
}

vectorised! {
    /// Turns scores into exponentials against the running maximum and adds them to the running sum.
    fn soften(scores: &mut [f32], running: &mut Running) {
        let mut maximum = running.maximum;
        for row in scores.chunks_exact(TILE) {
            for i in 0..TILE {
                maximum[i] = if row[i] > maximum[i] { row[i] } else { maximum[i] };
            }
        }
        let mut sum = running.sum;
        for i in 0..TILE {
            running.correction[i] = exp::<LEVEL>(running.maximum[i] - maximum[i]);
            sum[i] *= running.correction[i];
        }
        for row in scores.chunks_exact_mut(TILE) {
            for i in 0..TILE {
                let e = exp::<LEVEL>(row[i] - maximum[i]);
                row[i] = e;
                sum[i] += e;
            }
        }
        running.maximum = maximum;
        running.sum = sum;
    }
}

vectorised! {
    fn scale_rows(rows: &mut [f32], factors: &[f32; TILE], width: usize) {
        for (row, factor) in rows.chunks_exact_mut(width).zip(factors) {
            for x in row {
                *x *= factor;
            }
        }
    }
}
