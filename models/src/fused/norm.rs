//! RMSNorm (Zhang and Sennrich 2019), forward and backward, over rows.

use simd::vectorised;

use super::float::{dot, mul_add};

vectorised! {
    /// y = x · rsqrt(mean(x²) + ε) · gain, and the reciprocal root of every row for the backward.
    ///
    /// # Shapes
    /// input, output [rows, d]; gain [d]; scales [rows].
    pub(super) fn forward(input: &[f32], gain: &[f32], epsilon: f32, output: &mut [f32], scales: &mut [f32]) {
        let d = gain.len();
        for ((x, y), scale) in input.chunks_exact(d).zip(output.chunks_exact_mut(d)).zip(scales) {
            let mean = dot::<LEVEL>(x, x) / d as f32;
            let s = 1.0 / (mean + epsilon).sqrt();
            *scale = s;
            for i in 0..d {
                y[i] = x[i] * s * gain[i];
            }
        }
    }
}

vectorised! {
    /// d_input ← d_through + the gradient through the norm; d_gain gains Σ d_output · x̂.
    ///
    /// With x̂ = x · s: dx = s · (dy · g − x̂ · mean(dy · g · x̂)).
    ///
    /// # Shapes
    /// d_output, input, d_through, d_input [rows, d]; gain, d_gain [d]; scales [rows].
    pub(super) fn backward(
        d_output: &[f32],
        input: &[f32],
        scales: &[f32],
        gain: &[f32],
        d_through: &[f32],
        d_input: &mut [f32],
        d_gain: &mut [f32],
    ) {
        let d = gain.len();
        let d_gain = &mut d_gain[..d];
        let rows = d_output.chunks_exact(d).zip(input.chunks_exact(d)).zip(scales);
        let through = d_through.chunks_exact(d);
        for ((((dy, x), s), through), dx) in rows.zip(through).zip(d_input.chunks_exact_mut(d)) {
            for i in 0..d {
                let product = dy[i] * x[i];
                d_gain[i] = mul_add::<LEVEL>(product, *s, d_gain[i]);
                dx[i] = dy[i] * gain[i];
            }
            let projection = dot::<LEVEL>(dx, x) * *s * *s / d as f32;
            for i in 0..d {
                let inner = mul_add::<LEVEL>(-projection, x[i], dx[i]);
                dx[i] = mul_add::<LEVEL>(*s, inner, through[i]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
