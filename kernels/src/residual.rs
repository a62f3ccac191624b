//! Error feedback: what a contribution left unsaid is said in a later one.

use rayon::prelude::*;

use crate::CHUNK;
use crate::body::CHUNKS_PER_TASK;

/// e ← β·e + (base − local), the product rounded before the sum. All [elements].
///
/// The residual is local state on which no one has to agree; this is the host's rounding of it.
///
/// # Panics
/// When the three differ in length, which is a fault of the caller.
pub fn accumulate(residual: &mut [f32], base: &[f32], local: &[f32], beta: f32) {
    assert!(residual.len() == base.len() && base.len() == local.len(), "one length for residual, base and local");
    residual
        .par_chunks_mut(CHUNK)
        .zip(base.par_chunks(CHUNK))
        .zip(local.par_chunks(CHUNK))
        .with_min_len(CHUNKS_PER_TASK)
        .for_each(|((residual, base), local)| {
            for ((e, base), local) in residual.iter_mut().zip(base).zip(local) {
                let decayed = beta * *e;
                *e = decayed + (base - local);
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decays_adds_and_rounds_the_product_first() {
        let mut residual = vec![1.0, -2.0, 0.1];
        accumulate(&mut residual, &[1.0, 1.0, 0.3], &[0.5, 2.0, 0.2], 0.95);
        let product: f32 = 0.95 * 0.1;
        assert_eq!(residual, [0.95 + 0.5, -1.9 - 1.0, product + (0.3f32 - 0.2f32)]);
    }

    #[test]
    fn beta_zero_leaves_the_pseudo_gradient_alone() {
        let mut residual = vec![3.0; 2 * CHUNK + 5];
        let base = vec![2.0; residual.len()];
        let local = vec![0.5; residual.len()];
        accumulate(&mut residual, &base, &local, 0.0);
        assert!(residual.iter().all(|&e| e == 1.5));
    }
}
