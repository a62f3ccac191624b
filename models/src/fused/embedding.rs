//! Token embeddings: a lookup, and the sum of the gradients of each token's occurrences.

use rayon::prelude::*;

use super::matrix::Store;

/// # Shapes
/// table [vocab, d], output [tokens, d].
pub(super) fn forward(table: &[f32], tokens: &[u32], d: usize, output: &mut [f32]) {
    for (token, row) in tokens.iter().zip(output.chunks_exact_mut(d)) {
        row.copy_from_slice(&table[*token as usize * d..][..d]);
    }
}

/// Adds every row's gradient to its token's, in the order of rows; each lane owns a part of the vocabulary.
///
/// # Shapes
/// gradient [vocab, d], d_output [tokens, d].
pub(super) fn backward(gradient: &mut [f32], tokens: &[u32], d: usize, d_output: &[f32], lanes: usize, store: Store) {
    let share = (gradient.len() / d).div_ceil(lanes);
    gradient.par_chunks_mut(share * d).with_max_len(1).enumerate().for_each(|(lane, part)| {
        if store == Store::Set {
            part.fill(0.0);
        }
        let owned = lane * share..lane * share + part.len() / d;
        for (token, row) in tokens.iter().zip(d_output.chunks_exact(d)) {
            let token = *token as usize;
            if owned.contains(&token) {
                let sum = &mut part[(token - owned.start) * d..][..d];
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
        }
    });
}

#[cfg(test)]
mod tests;
