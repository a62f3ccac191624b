//! Ways to choose the two magnitudes of a chunk's picks, all of the same size in the payload.
//!
//! Invariant: the low ones are a beginning of the sorted picks, and each side is sent as its mean, rounded to bf16.

use serde::Serialize;

/// Where the picks are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Split {
    /// At their mean, as the codecs do.
    Mean,
    /// Midway between the two means of that split: one iteration of Lloyd's (Least squares quantization in PCM, 1982).
    Lloyd,
    /// Where the squares of what is lost have the least sum.
    Best,
}

impl Split {
    /// All of them, each at the place of its number.
    pub(super) const ALL: [Self; 3] = [Self::Mean, Self::Lloyd, Self::Best];

    /// The word in tables.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Lloyd => "lloyd",
            Self::Best => "best",
        }
    }
}

/// Σ (magnitude − sent)² over picks in rising order.
pub(super) fn loss(split: Split, sorted: &[f64]) -> f64 {
    let at = match split {
        Split::Mean => at_mean(sorted),
        Split::Lloyd => {
            let (low, high) = sorted.split_at(at_mean(sorted));
            below(sorted, (mean(low) + mean(high)) / 2.0)
        }
        Split::Best => best(sorted),
    };
    let (low, high) = sorted.split_at(at);
    side_loss(low) + side_loss(high)
}

fn at_mean(sorted: &[f64]) -> usize {
    below(sorted, mean(sorted))
}

fn below(sorted: &[f64], threshold: f64) -> usize {
    sorted.partition_point(|&magnitude| magnitude < threshold)
}

/// The number of low ones that leaves the most in the squares of the two sums: Σ(m − mean)² = Σm² − (Σm)²/n.
fn best(sorted: &[f64]) -> usize {
    let whole: f64 = sorted.iter().sum();
    let (mut best, mut most, mut low) = (0, 0.0, 0.0);
    for (at, magnitude) in sorted.iter().enumerate() {
        let high = whole - low;
        let kept = low * low / at.max(1) as f64 + high * high / (sorted.len() - at) as f64;
        if kept > most {
            (best, most) = (at, kept);
        }
        low += magnitude;
    }
    best
}

fn side_loss(side: &[f64]) -> f64 {
    let sent = bf16(mean(side));
    side.iter().map(|magnitude| (magnitude - sent).powi(2)).sum()
}

fn mean(side: &[f64]) -> f64 {
    if side.is_empty() { 0.0 } else { side.iter().sum::<f64>() / side.len() as f64 }
}

/// A magnitude rounded to bf16, to nearest even, at most the largest finite one.
fn bf16(magnitude: f64) -> f64 {
    const LARGEST: u32 = 0x7f7f_0000;
    let bits = (magnitude as f32).to_bits();
    let rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
    f64::from(f32::from_bits(rounded.min(LARGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn least_by_trying(sorted: &[f64]) -> f64 {
        let losses = (0..sorted.len()).map(|at| side_loss(&sorted[..at]) + side_loss(&sorted[at..]));
        losses.fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn the_best_split_is_the_least_of_all() {
        // Powers of two and their multiples keep most means exact, so that bf16 moves no choice.
        for sorted in [vec![1.0, 1.0, 1.0, 2.0, 16.0], vec![0.0, 0.0, 1.0, 1.0], vec![3.0; 4], vec![5.0], vec![]] {
            let least = if sorted.is_empty() { 0.0 } else { least_by_trying(&sorted) };
            assert_eq!(loss(Split::Best, &sorted), least, "{sorted:?}");
        }
    }

    #[test]
    fn an_outlier_leaves_the_mean_behind() {
        // 64 draws the mean to 12.4, so 24 is sent as 44; midway between 4.5 and 44 it is a low one.
        let sorted = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 24.0, 64.0];
        let [at_mean, lloyd, best] = Split::ALL.map(|split| loss(split, &sorted));
        assert!(at_mean > lloyd && lloyd >= best, "{at_mean} {lloyd} {best}");
        assert_eq!(best, least_by_trying(&sorted));
    }

    #[test]
    fn rounds_to_bf16_as_the_format_does() {
        assert_eq!(bf16(1.0 + 1.0 / 256.0), 1.0);
        assert_eq!(bf16(1.0 + 3.0 / 256.0), 1.0 + 4.0 / 256.0);
        assert_eq!(bf16(0.0), 0.0);
        assert!(bf16(f64::from(f32::MAX)).is_finite());
    }
}
