use super::*;

fn reference(g: f64, u: f64) -> f64 {
    g / (1.0 + (-g).exp()) * u
}

#[test]
fn value_and_gradient_are_those_of_the_formula_far_into_both_tails() {
    for f in [1, 7, 8, 33] {
        let rows = 41;
        let gate_up: Vec<f32> = (0..rows * 2 * f).map(|i| ((i * 37) % 201) as f32 - 100.0).map(|x| x * 0.4).collect();
        let dy: Vec<f32> = (0..rows * f).map(|i| (i as f32).sin()).collect();
        let mut output = vec![0.0; rows * f];
        forward(&gate_up, &mut output, f);
        let mut gradient = gate_up.clone();
        backward(&mut gradient, &dy, f);
        for i in 0..rows * f {
            let (row, column) = (i / f, i % f);
            let (at_gate, at_up) = (row * 2 * f + column, row * 2 * f + f + column);
            let (g, u, d) = (f64::from(gate_up[at_gate]), f64::from(gate_up[at_up]), f64::from(dy[i]));
            let value = reference(g, u);
            assert!((f64::from(output[i]) - value).abs() < 1e-6 * value.abs().max(1.0));
            let d_gate = d * (reference(g + 1e-6, u) - reference(g - 1e-6, u)) / 2e-6;
            let d_up = d * reference(g, 1.0);
            assert!((f64::from(gradient[at_gate]) - d_gate).abs() < 1e-5 * d_gate.abs().max(1.0));
            assert!((f64::from(gradient[at_up]) - d_up).abs() < 1e-5 * d_up.abs().max(1.0));
        }
    }
}
