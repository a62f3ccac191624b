//! The k largest magnitudes of a chunk, ties to the lower index.
//!
//! Invariant: the result is a function of the magnitudes' bits alone. The chunk is laid out in k columns; each column's
//! largest is one of k elements, so the least of those maxima bounds the k-th largest from below. Only what reaches
//! the bound is gathered, some hundred elements as a rule, and the k greatest keys of those are taken.

use crate::CHUNK;
use crate::magnitude::MAGNITUDE_MASK;

/// Buffers of a selection, reused from chunk to chunk.
pub(crate) struct Selection {
    keys: Vec<u64>,
    columns: Vec<i32>,
    indices: Vec<u16>,
}

/// Bits of a key that hold the index, turned round so that the lower index has the greater key.
const INDEX_BITS: u32 = CHUNK.ilog2();

impl Selection {
    /// Empty buffers.
    pub(crate) fn new() -> Self {
        Self { keys: Vec::with_capacity(CHUNK), columns: Vec::new(), indices: Vec::new() }
    }

    /// The indices of the `k` largest magnitudes in rising order; all indices where there are no more than `k`.
    pub(crate) fn largest(&mut self, chunk: &[f32], k: usize) -> &[u16] {
        self.indices.clear();
        if chunk.len() <= k {
            self.indices.extend(0..chunk.len() as u16);
            return &self.indices;
        }
        let bound = self.lower_bound(chunk, k);
        self.gather(chunk, bound);
        if self.keys.len() > k {
            self.keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
        }
        let index = |key: &u64| (CHUNK - 1) as u16 - (key & (CHUNK as u64 - 1)) as u16;
        self.indices.extend(self.keys[..k].iter().map(index));
        self.indices.sort_unstable();
        &self.indices
    }

    /// A magnitude that at least `k` elements reach.
    fn lower_bound(&mut self, chunk: &[f32], k: usize) -> i32 {
        self.columns.clear();
        self.columns.resize(k, 0);
        for row in chunk.chunks(k) {
            for (largest, value) in self.columns.iter_mut().zip(row) {
                *largest = (*largest).max(magnitude(*value));
            }
        }
        self.columns.iter().copied().min().unwrap_or(0)
    }

    /// The keys of all elements whose magnitude reaches `bound`.
    fn gather(&mut self, chunk: &[f32], bound: i32) {
        const ROW: usize = 16;
        self.keys.clear();
        for (row, values) in chunk.chunks(ROW).enumerate() {
            let largest = values.iter().fold(0, |largest, value| magnitude(*value).max(largest));
            if largest < bound {
                continue;
            }
            for (column, value) in values.iter().enumerate() {
                if magnitude(*value) >= bound {
                    self.keys.push(key(*value, row * ROW + column));
                }
            }
        }
    }
}

/// The magnitude's bits; signed, since that is what narrow vector units compare, and never negative.
#[inline]
fn magnitude(value: f32) -> i32 {
    (value.to_bits() & MAGNITUDE_MASK) as i32
}

#[inline]
fn key(value: f32, index: usize) -> u64 {
    u64::from(value.to_bits() & MAGNITUDE_MASK) << INDEX_BITS | (CHUNK - 1 - index) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_sorting(chunk: &[f32], k: usize) -> Vec<u16> {
        let mut order: Vec<u16> = (0..chunk.len() as u16).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(chunk[i as usize].abs().to_bits()));
        order.truncate(k);
        order.sort_unstable();
        order
    }

    proptest! {
        #[test]
        fn equals_a_stable_sort(
            chunk in prop_oneof![
                prop::collection::vec(-4i8..4, 1..=CHUNK).prop_map(|v| v.iter().map(|&x| f32::from(x)).collect::<Vec<_>>()),
                prop::collection::vec(-1e3f32..1e3, 1..=CHUNK),
            ],
            k in prop_oneof![Just(32usize), Just(64), Just(128), Just(256)],
        ) {
            let mut selection = Selection::new();
            let expected = by_sorting(&chunk, k);
            prop_assert_eq!(selection.largest(&chunk, k), expected.as_slice());
        }
    }
}
