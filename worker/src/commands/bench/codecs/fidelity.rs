//! How near the values of a payload are to the vector that they stand for.
//!
//! Invariants: sums are f64, within a chunk by rising index and then chunk after chunk, so that threads change nothing;
//! a vector of zeros is met exactly and its shares are 0, never a quotient of zeros.

use kernels::{CHUNK, Codec};
use rayon::prelude::*;
use serde::Serialize;

use super::split::{Split, loss};

/// Parts of the energy of a vector e of which a payload says v.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Fidelity {
    /// ‖e‖.
    pub(super) norm: f64,
    /// Σ picked² / Σ e²: what the selection keeps; 1 where everything is sent.
    pub(super) selected: f64,
    /// Σ (picked − v)² / Σ picked²: what rounding loses of it.
    pub(super) quantiser_loss: f64,
    /// ‖e − v‖² / ‖e‖².
    pub(super) error: f64,
}

/// The fidelity of `decoded` to `values`, and for a sparse codec that of every split of the same picks. Both
/// [elements].
pub(super) fn measure(codec: Codec, values: &[f32], decoded: &[f32]) -> Vec<(Option<Split>, Fidelity)> {
    let entries = codec.is_sparse().then(|| kernels::coordinates(codec, CHUNK) as usize);
    let chunks: Vec<Energy> = values
        .par_chunks(CHUNK)
        .zip(decoded.par_chunks(CHUNK))
        .map(|(values, decoded)| Energy::of_chunk(values, decoded, entries))
        .collect();
    let total = chunks.iter().fold(Energy::default(), |total, chunk| total.plus(chunk));
    match entries {
        None => vec![(None, total.fidelity(total.rounded, total.error))],
        Some(_) => Split::ALL.into_iter().map(|split| (Some(split), total.of_split(split))).collect(),
    }
}

/// Sums of squares over some of the elements.
#[derive(Clone, Copy, Debug, Default)]
struct Energy {
    whole: f64,
    picked: f64,
    /// Of picked − v.
    rounded: f64,
    /// Of e − v.
    error: f64,
    /// Of picked − v, had v been chosen by each of the splits.
    splits: [f64; Split::ALL.len()],
}

impl Energy {
    /// One chunk of a codec that sends so many entries of it, or all.
    fn of_chunk(values: &[f32], decoded: &[f32], entries: Option<usize>) -> Self {
        let mut energy = Self::default();
        for (value, decoded) in values.iter().zip(decoded) {
            energy.whole += square(*value);
            energy.error += difference(*value, *decoded);
        }
        let Some(entries) = entries else {
            return Self { picked: energy.whole, rounded: energy.error, ..energy };
        };
        let picks = largest(values, entries);
        let mut magnitudes: Vec<f64> = picks.iter().map(|&index| f64::from(values[index]).abs()).collect();
        magnitudes.sort_unstable_by(f64::total_cmp);
        for index in picks {
            energy.picked += square(values[index]);
            energy.rounded += difference(values[index], decoded[index]);
        }
        Self { splits: Split::ALL.map(|split| loss(split, &magnitudes)), ..energy }
    }

    fn plus(mut self, other: &Self) -> Self {
        self.whole += other.whole;
        self.picked += other.picked;
        self.rounded += other.rounded;
        self.error += other.error;
        self.splits.iter_mut().zip(other.splits).for_each(|(sum, part)| *sum += part);
        self
    }

    /// The codec's own split as it was decoded; another one as it would be.
    fn of_split(&self, split: Split) -> Fidelity {
        match split {
            Split::Mean => self.fidelity(self.rounded, self.error),
            Split::Lloyd | Split::Best => {
                let rounded = self.splits[split as usize];
                self.fidelity(rounded, self.whole - self.picked + rounded)
            }
        }
    }

    fn fidelity(&self, rounded: f64, error: f64) -> Fidelity {
        Fidelity {
            norm: self.whole.sqrt(),
            selected: share(self.picked, self.whole),
            quantiser_loss: share(rounded, self.picked),
            error: share(error, self.whole),
        }
    }
}

/// The indices of the largest magnitudes in rising order, ties to the lower index: the format's own rule.
fn largest(values: &[f32], entries: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    if entries < order.len() {
        let key = |&index: &usize| (std::cmp::Reverse(values[index].abs().to_bits()), index);
        order.select_nth_unstable_by_key(entries, key);
        order.truncate(entries);
        order.sort_unstable();
    }
    order
}

fn square(value: f32) -> f64 {
    f64::from(value) * f64::from(value)
}

fn difference(value: f32, decoded: f32) -> f64 {
    let rest = f64::from(value) - f64::from(decoded);
    rest * rest
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(codec: Codec, values: &[f32]) -> Vec<(Option<Split>, Fidelity)> {
        let body = kernels::encode(codec, values).unwrap();
        measure(codec, values, &kernels::decode(codec, values.len(), &body).unwrap())
    }

    /// Three chunks, the last one not full, of values with a heavy tail.
    fn heavy_tailed() -> Vec<f32> {
        let uniform = |index: u32| (index.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5;
        (0..2 * CHUNK as u32 + 700).map(|index| 1e-3 * uniform(index + 1).powi(9)).collect()
    }

    #[test]
    fn two_magnitudes_are_met_exactly() {
        let mut values = vec![0.0; CHUNK];
        (0..64).for_each(|index| values[60 * index] = if index % 3 == 0 { -0.5 } else { 0.25 });
        for (split, fidelity) in of(Codec::TopK64, &values) {
            let (selected, lost, error) = (fidelity.selected, fidelity.quantiser_loss, fidelity.error);
            assert_eq!((selected, lost, error), (1.0, 0.0, 0.0), "{split:?}");
        }
    }

    #[test]
    fn the_picks_are_those_of_the_payload() {
        let values = heavy_tailed();
        for codec in Codec::ALL.into_iter().filter(|codec| codec.is_sparse()) {
            let (_, fidelity) = of(codec, &values)[0];
            // A pick that the payload does not send, or one more that it does, would break the balance.
            let balance = 1.0 - fidelity.selected + fidelity.selected * fidelity.quantiser_loss;
            assert!((fidelity.error / balance - 1.0).abs() < 1e-9, "{codec}: {fidelity:?} against {balance}");
        }
    }

    #[test]
    fn the_computed_mean_split_is_the_codecs() {
        let values = heavy_tailed();
        for codec in Codec::ALL.into_iter().filter(|codec| codec.is_sparse()) {
            let entries = kernels::coordinates(codec, CHUNK) as usize;
            let body = kernels::encode(codec, &values).unwrap();
            let decoded = kernels::decode(codec, values.len(), &body).unwrap();
            let energy = values
                .chunks(CHUNK)
                .zip(decoded.chunks(CHUNK))
                .fold(Energy::default(), |sum, (e, v)| sum.plus(&Energy::of_chunk(e, v, Some(entries))));
            let computed = energy.splits[Split::Mean as usize];
            assert!((computed / energy.rounded - 1.0).abs() < 1e-3, "{codec}: {computed} against {}", energy.rounded);
        }
    }

    #[test]
    fn more_entries_and_more_bits_lose_less() {
        let values = heavy_tailed();
        let error = |codec| of(codec, &values)[0].1.error;
        let sparse = [Codec::TopK32, Codec::TopK64, Codec::TopK128, Codec::TopK256].map(error);
        assert!(sparse.is_sorted_by(|few, many| few > many), "{sparse:?}");
        assert!(error(Codec::DenseInt4) > error(Codec::DenseInt8));
        assert_eq!(of(Codec::None, &values), [(None, Fidelity { error: 0.0, ..of(Codec::None, &values)[0].1 })]);
    }

    #[test]
    fn zeros_have_no_shares() {
        for codec in Codec::ALL {
            for (_, fidelity) in of(codec, &[0.0; 100]) {
                assert_eq!(fidelity, Fidelity { norm: 0.0, selected: 0.0, quantiser_loss: 0.0, error: 0.0 });
            }
        }
    }
}
