//! Rotary position embedding (Su et al. 2021) as Hugging Face rotates: element i pairs with i + head_dim / 2.

use simd::vectorised;

use super::float::mul_add;

/// Cosines and sines of every position up to the longest sequence seen.
pub(super) struct Rope {
    half: usize,
    inverse_frequencies: Vec<f32>,
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Rope {
    /// The frequencies of a head; positions are added by [`Rope::reserve`].
    pub(super) fn new(head_dim: usize, theta: f32) -> Self {
        let half = head_dim / 2;
        let frequency = |i: usize| f64::from(theta).powf(-((2 * i) as f64) / head_dim as f64) as f32;
        let inverse_frequencies = (0..half).map(frequency).collect();
        Self { half, inverse_frequencies, cosines: Vec::new(), sines: Vec::new() }
    }

    /// Extends the tables to `length` positions. The angle is a product in f32, as in the reference implementation.
    pub(super) fn reserve(&mut self, length: usize) {
        for position in self.cosines.len() / self.half..length {
            for frequency in &self.inverse_frequencies {
                let angle = f64::from(position as f32 * frequency);
                self.cosines.push(angle.cos() as f32);
                self.sines.push(angle.sin() as f32);
            }
        }
    }

    /// The tables of the first `length` positions, each [length, head_dim / 2].
    pub(super) fn tables(&self, length: usize) -> (&[f32], &[f32]) {
        (&self.cosines[..length * self.half], &self.sines[..length * self.half])
    }
}

vectorised! {
    /// Copies one head out of wider rows, rotating and scaling it.
    ///
    /// # Shapes
    /// source: `length` rows `stride` apart, the head first; destination [length, 2 · half]; tables [length, half].
    pub(super) fn rotate_into(
        source: &[f32],
        stride: usize,
        cosines: &[f32],
        sines: &[f32],
        scale: f32,
        half: usize,
        destination: &mut [f32],
    ) {
        let rows = source.chunks(stride).zip(destination.chunks_exact_mut(2 * half));
        for ((row, out), (c, s)) in rows.zip(cosines.chunks_exact(half).zip(sines.chunks_exact(half))) {
            let (first, second) = row[..2 * half].split_at(half);
            let (out_first, out_second) = out.split_at_mut(half);
            for i in 0..half {
                let (a, b) = (first[i] * scale, second[i] * scale);
                out_first[i] = mul_add::<LEVEL>(a, c[i], -(b * s[i]));
                out_second[i] = mul_add::<LEVEL>(b, c[i], a * s[i]);
            }
        }
    }
}

vectorised! {
    /// The transposed rotation in place, with the scale: the gradient of [`rotate_into`].
    ///
    /// # Shapes
    /// gradient [length, 2 · half]; tables [length, half].
    pub(super) fn rotate_back(gradient: &mut [f32], cosines: &[f32], sines: &[f32], scale: f32, half: usize) {
        let tables = cosines.chunks_exact(half).zip(sines.chunks_exact(half));
        for (row, (c, s)) in gradient.chunks_exact_mut(2 * half).zip(tables) {
            let (first, second) = row.split_at_mut(half);
            for i in 0..half {
                let (a, b) = (first[i] * scale, second[i] * scale);
                first[i] = mul_add::<LEVEL>(a, c[i], b * s[i]);
                second[i] = mul_add::<LEVEL>(b, c[i], -(a * s[i]));
            }
        }
    }
}

#[cfg(test)]
mod tests;
