//! The gradients of a block's weights, each lane computing some rows of every one over all tokens of the pass.

use rayon::prelude::*;

use crate::fused::matrix::{Matrix, MatrixMut, Store, multiply};
use crate::fused::workspace::Pass;

/// The gradient of one weight, or of some of its rows: d_outputᵀ · input over all rows of the pass.
pub(super) struct Product<'a> {
    pub(super) gradient: &'a mut [f32], // [out, width]
    pub(super) d_output: &'a [f32],     // [rows, out]
    pub(super) input: &'a [f32],        // [rows, width]
    pub(super) width: usize,
}

impl Product<'_> {
    /// Computes the rows of the gradient that `part` holds, `first` being the first and `out` their number in all.
    fn run(part: &mut [f32], first: usize, out: usize, d_output: &[f32], input: &[f32], width: usize, store: Store) {
        let (count, rows) = (part.len() / width, input.len() / width);
        let columns = Matrix::strided(&d_output[first..], rows, count, out).transposed();
        multiply(MatrixMut::new(part, width), columns, Matrix::new(input, width), store);
    }
}

/// Every lane takes its share of the rows of each weight.
pub(super) fn weight_gradients(pass: &Pass, products: [Product<'_>; 4], store: Store) {
    let mut shares = Vec::with_capacity(products.len() * pass.lanes);
    for product in products {
        let Product { gradient, d_output, input, width } = product;
        let out = gradient.len() / width;
        let share = out.div_ceil(pass.lanes).next_multiple_of(8);
        for (lane, part) in gradient.chunks_mut(share * width).enumerate() {
            shares.push((lane, move || Product::run(part, lane * share, out, d_output, input, width, store)));
        }
    }
    shares.sort_by_key(|(lane, _)| *lane);
    shares.into_par_iter().with_max_len(1).for_each(|(_, mut run)| run());
}
