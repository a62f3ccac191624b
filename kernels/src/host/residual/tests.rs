use half::bf16;

use super::*;
use crate::host::body::{encode, subtract};
use crate::host::rounding::threefry;

fn vector(length: usize, seed: u64) -> Vec<f32> {
    let word = |index: usize| {
        let [a, b] = threefry([seed as u32, 9], [index as u32, 0]);
        (a as f32 - b as f32) / 4e9
    };
    (0..length).map(word).collect()
}

const LENGTHS: [usize; 4] = [1, 63, 4096, 3 * CHUNK + 77];

#[test]
fn accumulating_decays_adds_and_rounds_the_product_first() {
    let mut residual = vec![1.0, -2.0, 0.1];
    accumulate(&mut residual, &[1.0, 1.0, 0.3], &[0.5, 2.0, 0.2], 0.95);
    let product: f32 = 0.95 * 0.1;
    assert_eq!(residual, [0.95 + 0.5, -1.9 - 1.0, product + (0.3f32 - 0.2f32)]);
}

#[test]
fn the_body_is_that_of_the_sum_and_the_rest_is_left() {
    for codec in Codec::ALL {
        for length in LENGTHS {
            let [residual, base, local] = [1, 2, 3].map(|seed| vector(length, seed));
            let mut left = vec![9.0; length];
            let body = compress(codec, Rounding::Nearest, [&residual, &base, &local], 0.95, &mut left).unwrap();
            let mut sum = residual.clone();
            accumulate(&mut sum, &base, &local, 0.95);
            assert!(body == encode(codec, &sum).unwrap(), "{codec} {length}");
            let mut expected = sum.clone();
            subtract(codec, &body, &mut expected).unwrap();
            assert_eq!(left, expected, "{codec} {length}");
            restore(codec, &body, &mut left).unwrap();
            let near = |(found, sum): (&f32, &f32)| (found - sum).abs() <= if codec.is_sparse() { 1e-7 } else { 0.0 };
            assert!(left.iter().zip(&sum).all(near), "{codec} {length}");
        }
    }
}

#[test]
fn a_state_in_bf16_gives_the_body_of_its_sum_in_f32() {
    for codec in Codec::ALL {
        for length in LENGTHS {
            let narrow = |seed| vector(length, seed).into_iter().map(bf16::from_f32).collect::<Vec<bf16>>();
            let [residual, base, local] = [1, 2, 3].map(narrow);
            let mut left = vec![bf16::ZERO; length];
            let body = compress(codec, Rounding::Nearest, [&residual, &base, &local], 0.5, &mut left).unwrap();
            let sum: Vec<f32> =
                (0..length).map(|i| 0.5 * residual[i].to_f32() + (base[i].to_f32() - local[i].to_f32())).collect();
            assert!(body == encode(codec, &sum).unwrap(), "{codec} {length}");
            let mut expected = sum;
            subtract(codec, &body, &mut expected).unwrap();
            assert!(
                left.iter().zip(&expected).all(|(left, &value)| *left == bf16::from_f32(value)),
                "{codec} {length}"
            );
        }
    }
}

#[test]
fn names_the_first_element_that_is_not_finite() {
    for codec in Codec::ALL {
        for bad in [63, 4100, 9999] {
            let (zeros, mut local) = (vec![0.0; 10_000], vector(10_000, 1));
            local[bad] = f32::NAN;
            local[9999] = f32::INFINITY;
            let mut left = zeros.clone();
            let refused = compress(codec, Rounding::Nearest, [&zeros, &zeros, &local], 0.95, &mut left);
            assert_eq!(refused, Err(EncodeError::NonFinite { index: bad }));
        }
    }
}

#[test]
fn a_refused_body_restores_nothing() {
    let mut residual = vector(5000, 1);
    let before = residual.clone();
    assert!(restore(Codec::TopK64, &[0; 3], &mut residual).is_err());
    assert_eq!(residual, before);
}
