use super::*;
use crate::layout::TensorSpec;

fn layout(shapes: &[&[usize]]) -> Layout {
    let (mut tensors, mut offset) = (Vec::new(), 0);
    for (index, shape) in shapes.iter().enumerate() {
        tensors.push(TensorSpec { name: format!("tensor {index}"), shape: shape.to_vec(), offset });
        offset += shape.iter().product::<usize>();
    }
    Layout { tensors, elements: offset }
}

fn noise(elements: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..elements).map(|_| next()).collect()
}

/// The textbook, in f64: Loshchilov and Hutter's algorithm 2.
fn reference(
    parameters: &mut [f64],
    gradients: &[Vec<f32>],
    config: &AdamWConfig,
    rate: f64,
    decays: impl Fn(usize) -> bool,
) {
    let (b1, b2) = (f64::from(config.beta1), f64::from(config.beta2));
    for (i, p) in parameters.iter_mut().enumerate() {
        let (mut m, mut v) = (0.0, 0.0);
        for (t, gradient) in gradients.iter().enumerate() {
            let (g, t) = (f64::from(gradient[i]), t as i32 + 1);
            m = b1 * m + (1.0 - b1) * g;
            v = b2 * v + (1.0 - b2) * g * g;
            let decay = if decays(i) { rate * f64::from(config.weight_decay) * *p } else { 0.0 };
            *p -=
                rate * (m / (1.0 - b1.powi(t))) / ((v / (1.0 - b2.powi(t))).sqrt() + f64::from(config.epsilon)) + decay;
        }
    }
}

#[test]
fn follows_the_textbook_and_decays_matrices_only() {
    let layout = layout(&[&[40, 1000], &[37], &[3, 5]]);
    let config = AdamWConfig::default();
    let start = noise(layout.elements, 1);
    let gradients: Vec<Vec<f32>> = (0..7).map(|seed| noise(layout.elements, 10 + seed)).collect();
    let mut parameters = start.clone();
    let mut state = OptimizerState::new(layout.elements);
    for gradient in &gradients {
        adamw_step(&mut parameters, gradient, &mut state, &config, &layout, 1e-2);
    }
    let mut expected: Vec<f64> = start.iter().map(|x| f64::from(*x)).collect();
    reference(&mut expected, &gradients, &config, f64::from(1e-2f32), |i| !(40_000..40_037).contains(&i));
    for (i, (found, expected)) in parameters.iter().zip(&expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() < 2e-6, "element {i}: {found} instead of {expected}");
    }
    assert_eq!(state.step, 7);
}

#[test]
fn bits_depend_on_neither_threads_nor_vector_width() {
    let layout = layout(&[&[300, 333], &[100]]);
    let config = AdamWConfig::default();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut parameters = noise(layout.elements, 3);
            let mut state = OptimizerState::new(layout.elements);
            let mut norms = Vec::new();
            for seed in 0..5 {
                let mut gradient = noise(layout.elements, 20 + seed);
                norms.push(clip_gradient(&mut gradient, 1.0).to_bits());
                adamw_step(&mut parameters, &gradient, &mut state, &config, &layout, 3e-3);
            }
            (parameters.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), norms)
        })
    };
    let reference = run(1);
    assert_eq!(reference, run(3));
    // The scalar sweep, one element at a time, against whatever width `apply` picked.
    let (mut p, mut m, mut v) =
        (noise(1003, 4), noise(1003, 5), noise(1003, 6).iter().map(|x| x * x).collect::<Vec<_>>());
    let (g, update) = (noise(1003, 7), Update::new(&config, 9, 1e-3, 0.7));
    let (mut p1, mut m1, mut v1) = (p.clone(), m.clone(), v.clone());
    update.apply(&mut p, &g, &mut m, &mut v, update.keep);
    for i in 0..p1.len() {
        let one = i..i + 1;
        update.sweep(&mut p1[one.clone()], &g[one.clone()], &mut m1[one.clone()], &mut v1[one], update.keep);
    }
    assert!(p.iter().zip(&p1).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert!(v.iter().zip(&v1).all(|(a, b)| a.to_bits() == b.to_bits()));
}

/// These bits were computed once; another processor or compiler that changes them breaks agreement between members.
#[test]
fn a_known_step_has_known_bits() {
    let layout = layout(&[&[2, 2]]);
    let mut parameters = vec![0.5, -0.25, 1.0e-3, 3.0];
    let mut state = OptimizerState::new(4);
    for gradient in [[0.1, -0.2, 1.0e-5, 7.0], [0.3, 0.2, -1.0e-5, -1.0]] {
        adamw_step(&mut parameters, &gradient, &mut state, &AdamWConfig::default(), &layout, 1e-2);
    }
    let bits: Vec<u32> = parameters.iter().map(|x| x.to_bits()).collect();
    assert_eq!(bits, KNOWN_BITS, "{bits:#x?}");
}

const KNOWN_BITS: [u32; 4] = [0x3ef5_b88c, 0xbe75_cc25, 0xbc0a_8bfe, 0x403e_9d85];

#[test]
fn clips_to_the_norm_and_leaves_smaller_gradients_alone() {
    let mut gradient = noise(100_001, 8);
    let exact = gradient.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let before = gradient.clone();
    let norm = clip_gradient(&mut gradient, 1e9);
    assert!((norm / exact - 1.0).abs() < 1e-12);
    assert_eq!(gradient, before);
    clip_gradient(&mut gradient, 2.0);
    assert!((gradient_norm(&gradient) - 2.0).abs() < 1e-5);
}

#[test]
fn scaling_within_the_step_has_the_bits_of_clipping_first() {
    let layout = layout(&[&[100, 100]]);
    let config = AdamWConfig::default();
    let gradient = noise(layout.elements, 9);
    let (mut a, mut b) = (noise(layout.elements, 2), noise(layout.elements, 2));
    let (mut state_a, mut state_b) = (OptimizerState::new(layout.elements), OptimizerState::new(layout.elements));
    let mut clipped = gradient.clone();
    let norm = clip_gradient(&mut clipped, 1.0);
    adamw_step(&mut a, &clipped, &mut state_a, &config, &layout, 1e-3);
    adamw_step_scaled(&mut b, &gradient, clip_factor(norm, 1.0), &mut state_b, &config, &layout, 1e-3);
    assert_eq!(a, b);
    assert_eq!(state_a, state_b);
}

#[test]
fn a_norm_that_is_not_finite_is_reported_and_changes_nothing() {
    let mut gradient = vec![1.0, f32::NAN, 2.0];
    assert!(clip_gradient(&mut gradient, 1.0).is_nan());
    assert_eq!((gradient[0], gradient[2]), (1.0, 2.0));
}
