use super::*;

const EPSILON: f64 = 1e-3;

fn wave(count: usize, phase: f64) -> Vec<f32> {
    (0..count).map(|i| ((i as f64 * 1.7 + phase).sin() * 1.3) as f32).collect()
}

fn reference(x: &[f64], gain: &[f32]) -> Vec<f64> {
    let scale = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64 + EPSILON).sqrt();
    x.iter().zip(gain).map(|(x, g)| x * scale * f64::from(*g)).collect()
}

#[test]
fn forward_and_both_gradients_are_those_of_the_formula() {
    for d in [1, 6, 32, 45, 128] {
        let rows = 3;
        let (x, gain, dy, around) = (wave(rows * d, 0.1), wave(d, 2.0), wave(rows * d, 4.0), wave(rows * d, 5.0));
        let (mut y, mut scales) = (vec![0.0; rows * d], vec![0.0; rows]);
        forward(&x, &gain, EPSILON as f32, &mut y, &mut scales);
        let (mut dx, mut d_gain) = (vec![0.0; rows * d], vec![1.0; d]);
        backward(&dy, &x, &scales, &gain, &around, &mut dx, &mut d_gain);
        let mut expected_gain = vec![1.0; d];
        for row in 0..rows {
            let of = row * d..(row + 1) * d;
            let exact: Vec<f64> = x[of.clone()].iter().map(|x| f64::from(*x)).collect();
            let dot = |y: &[f64]| y.iter().zip(&dy[of.clone()]).map(|(y, dy)| y * f64::from(*dy)).sum::<f64>();
            for (i, expected) in reference(&exact, &gain).iter().enumerate() {
                assert!((f64::from(y[row * d + i]) - expected).abs() < 1e-5);
                expected_gain[i] += expected / f64::from(gain[i]) * f64::from(dy[row * d + i]);
                let (mut above, mut below) = (exact.clone(), exact.clone());
                above[i] += 1e-6;
                below[i] -= 1e-6;
                let slope = (dot(&reference(&above, &gain)) - dot(&reference(&below, &gain))) / 2e-6;
                let found = f64::from(dx[row * d + i] - around[row * d + i]);
                assert!((found - slope).abs() < 1e-4 * slope.abs().max(1.0), "d {d}: {found} instead of {slope}");
            }
        }
        assert!(d_gain.iter().zip(&expected_gain).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-4));
    }
}
