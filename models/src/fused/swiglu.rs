//! SwiGLU (Shazeer 2020): silu(gate) · up, the two halves of each row of one product.

use simd::vectorised;

use super::float::{mul_add, sigmoid};

vectorised! {
    /// # Shapes
    /// gate_up [rows, 2f], output [rows, f].
    pub(super) fn forward(gate_up: &[f32], output: &mut [f32], f: usize) {
        for (row, out) in gate_up.chunks_exact(2 * f).zip(output.chunks_exact_mut(f)) {
            let (gate, up) = row.split_at(f);
            let (gate, up) = (&gate[..f], &up[..f]);
            for i in 0..f {
                out[i] = gate[i] * sigmoid::<LEVEL>(gate[i]) * up[i];
            }
        }
    }
}

vectorised! {
    /// Replaces gate and up by their gradients.
    ///
    /// With σ = sigmoid(g): d_gate = dy · up · σ · (1 + g · (1 − σ)), d_up = dy · g · σ.
    ///
    /// # Shapes
    /// gate_up [rows, 2f], d_output [rows, f].
    pub(super) fn backward(gate_up: &mut [f32], d_output: &[f32], f: usize) {
        for (row, dy) in gate_up.chunks_exact_mut(2 * f).zip(d_output.chunks_exact(f)) {
            let (gate, up) = row.split_at_mut(f);
            let up = &mut up[..f];
            for i in 0..f {
                let g = gate[i];
                let s = sigmoid::<LEVEL>(g);
                let slope = s * mul_add::<LEVEL>(g, 1.0 - s, 1.0);
                gate[i] = dy[i] * up[i] * slope;
                up[i] = dy[i] * g * s;
            }
        }
    }
}

#[cfg(test)]
mod tests;
