//! The k largest magnitudes of a chunk, ties to the lower index.
//!
//! Invariant: the result is a function of the magnitudes' bits alone. The chunk is laid out in [`COLUMNS_MIN`] columns
//! or 2k; each column's largest is one element, so whatever bound k of those maxima reach, k elements reach. Bisecting
//! the bits among the maxima, which lie in a few registers, gives a bound that as a rule a few more than k elements
//! reach (73 for k = 64 of normal values); one pass marks them, and only they are looked at again.

use crate::format::CHUNK;
use crate::host::magnitude::{INFINITY_BITS, MAGNITUDE_MASK};
use crate::host::words::{WORD, WORDS, positions_of_ones, reaching};

/// Columns for k up to half of it.
const COLUMNS_MIN: usize = 256;

/// Columns for the largest k.
const COLUMNS_MAX: usize = 512;

/// Halvings of the interval that holds the bound among the maxima: each costs a pass over them and spares candidates.
const BOUND_STEPS: usize = 12;

/// The most that can be picked.
pub(crate) const PICKED_MAX: usize = 256;

/// Buffers of a selection, reused from chunk to chunk.
pub(crate) struct Selection {
    maxima: [i32; COLUMNS_MAX],
    masks: [u64; WORDS],
    /// Candidates; a group of positions may be written beyond the last.
    candidates: [u16; CHUNK + WORD],
    magnitudes: [i32; CHUNK],
    /// One more than are picked: where the candidates after the last picked one are put.
    picked: [u16; PICKED_MAX + 1],
    /// What was made of the picked ones.
    pub(super) sent: Sent,
}

/// The codes and magnitudes of a chunk's entries.
pub(super) struct Sent {
    /// Bit 0 for a negative entry, bit 1 for a high one.
    pub(super) codes: [u8; PICKED_MAX],
    /// bf16 bits of L and H.
    pub(super) magnitudes: [u16; 2],
    /// Entries that are not fillers.
    pub(super) count: usize,
}

impl Selection {
    /// Empty buffers.
    pub(crate) fn new() -> Self {
        Self {
            maxima: [0; COLUMNS_MAX],
            masks: [0; WORDS],
            candidates: [0; CHUNK + WORD],
            magnitudes: [0; CHUNK],
            picked: [0; PICKED_MAX + 1],
            sent: Sent { codes: [0; PICKED_MAX], magnitudes: [0; 2], count: 0 },
        }
    }

    /// The indices that were picked last.
    pub(super) fn picked(&self) -> &[u16] {
        &self.picked
    }

    /// The indices of the `K` largest magnitudes in rising order, none where an element is not finite.
    #[inline(always)]
    pub(crate) fn largest<const LEVEL: u8, const K: usize>(&mut self, chunk: &[f32; CHUNK]) -> Option<&[u16; K]> {
        let largest = self.find_maxima::<K>(chunk);
        if largest >= INFINITY_BITS as i32 {
            return None;
        }
        let bound = self.bound::<K>(largest);
        let found = self.mark::<LEVEL>(chunk, bound);
        if found == K {
            self.picked[..K].copy_from_slice(&self.candidates[..K]);
        } else {
            self.pick::<K>(chunk, found, bound, largest);
        }
        self.picked.first_chunk()
    }

    /// The largest of each column, and of all.
    #[inline(always)]
    fn find_maxima<const K: usize>(&mut self, chunk: &[f32; CHUNK]) -> i32 {
        let maxima = &mut self.maxima[..const { columns(K) }];
        maxima.fill(0);
        for row in chunk.chunks_exact(const { columns(K) }) {
            for (largest, value) in maxima.iter_mut().zip(row) {
                *largest = (*largest).max(magnitude(*value));
            }
        }
        maxima.iter().fold(0, |largest, &value| largest.max(value))
    }

    /// A magnitude that at least `K` elements reach.
    #[inline(always)]
    fn bound<const K: usize>(&self, largest: i32) -> i32 {
        let maxima = &self.maxima[..const { columns(K) }];
        let least = maxima.iter().fold(i32::MAX, |least, &value| least.min(value));
        let all = (least, maxima.len());
        bisect(maxima, K, all, largest + 1, BOUND_STEPS).0
    }

    /// Lists what reaches the bound, by rising index, and counts it.
    #[inline(always)]
    fn mark<const LEVEL: u8>(&mut self, chunk: &[f32; CHUNK], bound: i32) -> usize {
        for (mask, values) in self.masks.iter_mut().zip(chunk.as_chunks::<WORD>().0) {
            *mask = reaching::<LEVEL>(values, bound as u32);
        }
        positions_of_ones::<LEVEL>(&self.masks, &mut self.candidates)
    }

    /// Picks `K` of the `found` candidates: all above the K-th largest, and the first of those equal to it.
    #[inline(always)]
    fn pick<const K: usize>(&mut self, chunk: &[f32; CHUNK], found: usize, bound: i32, largest: i32) {
        let candidates = &self.candidates[..found];
        let magnitudes = &mut self.magnitudes[..found];
        for (own, &index) in magnitudes.iter_mut().zip(candidates) {
            *own = magnitude(chunk[usize::from(index) % CHUNK]);
        }
        let (threshold, reached) = bisect(magnitudes, K, (bound, found), largest + 1, usize::MAX);
        // Where exactly K reach the threshold, all that equal it are wanted.
        let mut ties = if reached == K { K } else { K - count(magnitudes, threshold + 1) };
        let mut place = 0;
        for (&own, &index) in magnitudes.iter().zip(candidates) {
            let tie = own == threshold && ties > 0;
            ties -= usize::from(tie);
            self.picked[place] = index;
            place += usize::from(own > threshold || tie);
        }
    }
}

const fn columns(k: usize) -> usize {
    if 2 * k > COLUMNS_MIN { 2 * k } else { COLUMNS_MIN }
}

/// The greatest bound found within so many halvings that at least `k` of the values reach, and how many do. `reached`
/// is such a bound with its count; fewer than `k` values reach `limit`. Unless the halvings run out, it is the k-th
/// largest, or a bound that exactly `k` values reach.
#[inline(always)]
fn bisect(values: &[i32], k: usize, reached: (i32, usize), limit: i32, halvings: usize) -> (i32, usize) {
    let ((mut bound, mut found), mut limit) = (reached, limit);
    let mut left = halvings;
    while limit - bound > 1 && found > k && left > 0 {
        let middle = bound + (limit - bound) / 2;
        let reaching = count(values, middle);
        if reaching >= k {
            (bound, found) = (middle, reaching);
        } else {
            limit = middle;
        }
        left -= 1;
    }
    (bound, found)
}

#[inline(always)]
fn count(values: &[i32], bound: i32) -> usize {
    values.iter().map(|&value| u32::from(value >= bound)).sum::<u32>() as usize
}

/// The magnitude's bits; signed, since that is what narrow vector units compare, and never negative.
#[inline(always)]
fn magnitude(value: f32) -> i32 {
    (value.to_bits() & MAGNITUDE_MASK) as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simd::vectorised;

    use super::*;

    vectorised! {
        #![bytes]
        fn picked<'a>(selection: &'a mut Selection, chunk: &[f32; CHUNK], k: usize) -> Option<Vec<u16>> {
            Some(match k {
                32 => selection.largest::<LEVEL, 32>(chunk)?.to_vec(),
                64 => selection.largest::<LEVEL, 64>(chunk)?.to_vec(),
                128 => selection.largest::<LEVEL, 128>(chunk)?.to_vec(),
                _ => selection.largest::<LEVEL, 256>(chunk)?.to_vec(),
            })
        }
    }

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
                prop::collection::vec(-4i8..4, CHUNK).prop_map(|v| v.iter().map(|&x| f32::from(x)).collect::<Vec<_>>()),
                prop::collection::vec(-1e3f32..1e3, CHUNK),
                prop::collection::vec(prop_oneof![20 => Just(0.0f32), 1 => -1.0f32..1.0], CHUNK),
            ],
            k in prop_oneof![Just(32usize), Just(64), Just(128), Just(256)],
        ) {
            let chunk = chunk.first_chunk::<CHUNK>().unwrap();
            prop_assert_eq!(picked(&mut Selection::new(), chunk, k), Some(by_sorting(chunk, k)));
        }
    }

    #[test]
    fn nothing_is_picked_of_what_is_not_finite() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut chunk = [0.0; CHUNK];
            chunk[4095] = bad;
            assert_eq!(picked(&mut Selection::new(), &chunk, 64), None);
        }
    }
}
