//! Encoding and subtracting on the device.

use kernels::{Codec, EncodeError, Rounding, cube, reference};

use crate::cases::{Kind, LENGTHS, Random, values};
use crate::{assert_same, download, upload};

fn check(codec: Codec, values: &[f32], what: &str) {
    let body = cube::encode(codec, upload(values)).unwrap();
    let expected = reference::encode(codec, values).unwrap();
    if let Some(at) = (0..expected.len().max(body.len())).find(|&i| body.get(i) != expected.get(i)) {
        panic!("{codec} {what}: byte {at} is {:?}, not {:?}", body.get(at), expected.get(at));
    }
    let mut residual = values.to_vec();
    kernels::subtract(codec, &body, &mut residual).unwrap();
    let found = download(cube::subtract(codec, &body, upload(values)).unwrap());
    assert_same(&found, &residual, &format!("{codec} {what}, residual"));
}

#[test]
fn every_hard_case_has_the_bytes_of_the_reference() {
    for codec in Codec::ALL {
        for kind in Kind::ALL {
            for len in LENGTHS {
                check(codec, &values(kind, len, len as u64), &format!("{kind:?} {len}"));
            }
        }
    }
}

/// With β = 1 and no step, what is compressed is the residual itself.
#[test]
fn compressing_is_encoding_and_subtracting_in_one_pass() {
    for codec in Codec::ALL {
        for kind in Kind::ALL {
            if matches!(kind, Kind::Subnormal | Kind::AroundSmallestNormal | Kind::WideRange) {
                // A device's floats may flush these.
                continue;
            }
            for len in LENGTHS {
                let values = values(kind, len, len as u64 + 1);
                let zeros = vec![0.0; len];
                let what = format!("{codec} {kind:?} {len}");
                let mut sum = values.clone();
                kernels::accumulate(&mut sum, &zeros, &zeros, 1.0);
                check_compress(codec, [&values, &zeros, &zeros], 1.0, &sum, &what);
            }
        }
    }
}

#[test]
fn the_update_of_the_residual_is_part_of_the_pass() {
    for codec in Codec::ALL {
        for (seed, len) in [(1, 4096 * 3 + 77), (2, 300), (3, 8192)] {
            let [residual, base, local] = [0, 10, 20].map(|at| values(Kind::SmallIntegers, len, seed + at));
            let mut sum = residual.clone();
            kernels::accumulate(&mut sum, &base, &local, 0.5);
            check_compress(codec, [&residual, &base, &local], 0.5, &sum, &format!("{codec} {len}"));
        }
    }
}

fn check_compress(codec: Codec, inputs: [&[f32]; 3], beta: f32, sum: &[f32], what: &str) {
    let [residual, base, local] = inputs.map(upload);
    let (body, left) = cube::compress(codec, Rounding::Nearest, residual, base, local, beta).unwrap();
    let expected = reference::encode(codec, sum).unwrap();
    if let Some(at) = (0..expected.len().max(body.len())).find(|&i| body.get(i) != expected.get(i)) {
        panic!("{what}: byte {at} is {:?}, not {:?}", body.get(at), expected.get(at));
    }
    let mut residual = sum.to_vec();
    kernels::subtract(codec, &body, &mut residual).unwrap();
    let found = download(left);
    // Zeros of either sign are one number.
    let different = (0..sum.len()).find(|&i| found[i] != residual[i]);
    assert_eq!(found.len(), sum.len());
    assert!(different.is_none(), "{what}: {different:?} {:?}", different.map(|i| (found[i], residual[i])));
}

#[test]
fn compressing_names_the_first_input_that_is_not_finite() {
    for which in 0..3 {
        for index in [0, 63, 4096, 9999] {
            let mut inputs = [1, 2, 3].map(|seed| values(Kind::SmallIntegers, 10_000, seed));
            inputs[which][index] = f32::NAN;
            inputs[(which + 1) % 3][9999] = f32::INFINITY;
            for codec in Codec::ALL {
                let [residual, base, local] = [0, 1, 2].map(|i| upload(&inputs[i]));
                let refused = cube::compress(codec, Rounding::Nearest, residual, base, local, 0.5);
                assert_eq!(refused.err(), Some(EncodeError::NonFinite { index }), "{codec} {which}");
            }
        }
    }
}

#[test]
fn mixed_kinds_have_the_bytes_of_the_reference() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let mut mixed = Vec::new();
        while mixed.len() < 20_000 {
            let kind = Kind::ALL[random.below(15) as usize];
            mixed.extend(values(kind, 1 + random.below(700) as usize, random.next()));
        }
        for codec in Codec::ALL {
            check(codec, &mixed, &format!("mixed, seed {seed}"));
        }
    }
}

#[test]
fn more_cubes_than_one_axis_holds() {
    // Dense subtraction takes a unit an element, 64 a cube: above 65,535 cubes here.
    let values = values(Kind::Normal, 65_540 * 64 + 300, 7);
    check(Codec::DenseInt8, &values, "a second row of cubes");
}

#[test]
fn names_the_first_element_that_is_not_finite() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for index in [0, 63, 4096, 9999] {
            let mut values = values(Kind::Normal, 10_000, 1);
            values[index] = bad;
            values[9999] = bad;
            for codec in Codec::ALL {
                assert_eq!(cube::encode(codec, upload(&values)), Err(EncodeError::NonFinite { index }));
            }
        }
    }
}

#[test]
fn restoring_adds_what_the_body_stands_for() {
    for codec in Codec::ALL {
        for kind in Kind::ALL {
            for len in [1, 65, 4097, 9000] {
                let body = reference::encode(codec, &values(kind, len, 5)).unwrap();
                let left = values(Kind::Normal, len, 6);
                let mut expected: Vec<f32> = left.iter().map(|value| -value).collect();
                kernels::subtract(codec, &body, &mut expected).unwrap();
                expected.iter_mut().for_each(|value| *value = -*value);
                let there = upload(&left);
                let found = download(cube::restore(codec, &body, there.clone()).unwrap());
                assert_same(&found, &expected, &format!("{codec} {kind:?} {len}"));
                // What another holds stays as it was.
                assert_same(&download(there), &left, "the vector before");
            }
        }
    }
}

#[test]
fn what_was_compressed_is_restored_where_nothing_was_rounded() {
    for codec in Codec::ALL {
        let sum = values(Kind::SmallIntegers, 9000, 1);
        let zeros = || upload(&vec![0.0; 9000]);
        let (body, left) = cube::compress(codec, Rounding::Nearest, upload(&sum), zeros(), zeros(), 1.0).unwrap();
        assert_eq!(download(cube::restore(codec, &body, left).unwrap()), sum, "{codec}");
    }
}

#[test]
fn refuses_bodies_that_do_not_decode() {
    let values = values(Kind::Normal, 5000, 1);
    for codec in Codec::ALL {
        let body = cube::encode(codec, upload(&values)).unwrap();
        let expected = kernels::subtract(codec, &body[1..], &mut values.clone()).unwrap_err();
        assert_eq!(cube::subtract(codec, &body[1..], upload(&values)).err(), Some(expected));
    }
}

#[test]
fn the_work_of_other_operations_goes_in_and_out() {
    // Queued by fusion before and after, with no synchronisation between.
    let (a, b) = (values(Kind::SmallIntegers, 9000, 1), values(Kind::SmallIntegers, 9000, 2));
    let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    let body = cube::encode(Codec::TopK64, upload(&a) + upload(&b)).unwrap();
    assert!(body == reference::encode(Codec::TopK64, &sum).unwrap());
    let left = cube::subtract(Codec::TopK64, &body, upload(&a) + upload(&b)).unwrap() * 2.0;
    let mut expected = sum;
    kernels::subtract(Codec::TopK64, &body, &mut expected).unwrap();
    expected.iter_mut().for_each(|value| *value *= 2.0);
    assert_same(&download(left), &expected, "residual");
    let part = upload(&a).slice(100..5000);
    assert!(cube::encode(Codec::TopK64, part).unwrap() == reference::encode(Codec::TopK64, &a[100..5000]).unwrap());
}
