use simd::{Level, vectorised};

use super::*;

const BASELINE: u8 = Level::Baseline as u8;

vectorised! {
    fn exponentials(values: &mut [f32]) {
        for x in values {
            *x = exp::<LEVEL>(*x);
        }
    }
}

fn scalar(values: &mut [f32]) {
    for x in values {
        *x = exp::<BASELINE>(*x);
    }
}

fn ulps(found: f32, exact: f64) -> f64 {
    let unit = f64::from(f32::from_bits(found.to_bits() + 1)) - f64::from(found);
    (f64::from(found) - exact).abs() / unit
}

#[test]
fn exponential_is_within_two_units_over_its_whole_range() {
    for run in [exponentials as fn(&mut [f32]), scalar] {
        let inputs: Vec<f32> = (-87_300..88_300).map(|i| i as f32 * 1e-3 + 3.1e-4).collect();
        let mut values = inputs.clone();
        run(&mut values);
        for (x, found) in inputs.iter().zip(&values) {
            let error = ulps(*found, f64::from(*x).exp());
            assert!(error <= 2.0, "exp({x}) = {found}, {error} units off");
        }
    }
}

#[test]
fn exponential_of_the_extremes() {
    for run in [exponentials as fn(&mut [f32]), scalar] {
        let mut values = [0.0, -0.0, f32::NEG_INFINITY, -1e30, 1e30, f32::INFINITY, f32::NAN, -88.0];
        run(&mut values);
        assert_eq!(values[..4], [1.0, 1.0, 0.0, 0.0]);
        assert!(values[4..6].iter().all(|x| *x > 2e38 && x.is_finite()));
        assert!(values[6].is_nan());
        assert_eq!(values[7], 0.0);
    }
}

#[test]
fn inner_products_of_any_length() {
    for len in [0, 1, 31, 32, 33, 100] {
        let a: Vec<f32> = (0..len).map(|i| (i as f32 * 0.7).sin()).collect();
        let b: Vec<f32> = (0..len).map(|i| (i as f32 * 0.3).cos()).collect();
        let exact: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        assert!((f64::from(dot::<BASELINE>(&a, &b)) - exact).abs() < 1e-5);
    }
}
