//! The outer step on the device.

use kernels::{ApplyError, Codec, OuterStep, Summand, cube, encode, reference, state_hash};

use crate::cases::{Kind, Random, values};
use crate::{assert_same, device, download, upload};

const EXACT: [Codec; 6] =
    [Codec::TopK32, Codec::TopK64, Codec::TopK128, Codec::TopK256, Codec::DenseInt8, Codec::DenseInt4];

fn summands(bodies: &[(Vec<u8>, u32, u32)]) -> Vec<Summand<'_>> {
    bodies.iter().map(|(body, weight, clip)| Summand { body, weight: *weight, clip: *clip }).collect()
}

fn check(codec: Codec, theta: &[f32], bodies: &[(Vec<u8>, u32, u32)], step: &OuterStep, what: &str) {
    let mut expected = theta.to_vec();
    let result = reference::apply(codec, &mut expected, &summands(bodies), step);
    match (cube::apply(codec, upload(theta), &summands(bodies), step), result) {
        (Ok(found), Ok(())) => {
            let found = download(found);
            assert_same(&found, &expected, &format!("{codec} {what}"));
            assert_eq!(state_hash(&found, &[]), state_hash(&expected, &[]));
        }
        (Err(found), Err(expected)) => assert_eq!(found, expected, "{codec} {what}"),
        (found, expected) => panic!("{codec} {what}: {:?}, not {expected:?}", found.map(|_| ())),
    }
}

fn random_round(codec: Codec, kinds: &[Kind], len: usize, seed: u64) {
    let mut random = Random(seed);
    let mut pick = |count: usize| kinds[random.below(count as u64) as usize];
    let theta = values(pick(kinds.len()), len, seed);
    let picked: Vec<Kind> = (0..6).map(|_| pick(kinds.len())).collect();
    let count = 1 + random.below(6) as usize;
    let body = |kind, random: &mut Random| encode(codec, &values(kind, len, random.next())).unwrap();
    let bodies: Vec<_> = picked[..count]
        .iter()
        .map(|&kind| (body(kind, &mut random), random.below(65) as u32, random.below(257) as u32))
        .collect();
    let rho = [(1, 5), (0, 1), (1, 1), (2, 7)][random.below(4) as usize];
    let step = OuterStep { alpha: 1 + random.below(256) as u32, rho };
    check(codec, &theta, &bodies, &step, &format!("{kinds:?} {len} seed {seed}"));
}

#[test]
fn the_state_is_that_of_the_reference_on_every_kind() {
    for codec in EXACT {
        for (seed, kind) in Kind::ALL.into_iter().enumerate() {
            for len in [1, 40, 300, 1025, 4096 + 65] {
                random_round(codec, &[kind], len, seed as u64 * 31 + len as u64);
            }
        }
    }
}

#[test]
fn the_state_is_that_of_the_reference_on_mixed_kinds() {
    for codec in EXACT {
        for seed in 0..25 {
            random_round(codec, &Kind::ALL, 9000, seed);
            random_round(codec, &[Kind::Normal, Kind::HeavyTails], 13_000, seed);
        }
    }
}

#[test]
fn differences_that_cancel_into_subnormals_are_exact() {
    for codec in EXACT {
        // Near 2^−90 and scaled by 2^−16, so that a unit in the last place of a difference is subnormal.
        let small: Vec<f32> = values(Kind::Normal, 5000, 1).iter().map(|value| value * 2f32.powi(-80)).collect();
        let bodies = vec![(encode(codec, &small).unwrap(), 1, 1)];
        let step = OuterStep { alpha: 1, rho: (0, 1) };
        let mut theta = vec![0.0; 5000];
        reference::apply(codec, &mut theta, &summands(&bodies), &step).unwrap();
        let mut random = Random(3);
        for value in theta.iter_mut().filter(|value| **value != 0.0) {
            *value = f32::from_bits((-*value).to_bits() ^ (1 + random.below(7) as u32));
        }
        let mut next = theta.clone();
        reference::apply(codec, &mut next, &summands(&bodies), &step).unwrap();
        assert!(next.iter().filter(|value| value.is_subnormal()).count() > 10, "{codec}");
        check(codec, &theta, &bodies, &step, "cancellation");
    }
}

#[test]
fn sixty_four_payloads_at_the_extremes() {
    for codec in EXACT {
        for magnitude in [f32::MAX, 1.0, 2f32.powi(-100), 2f32.powi(-99), f32::from_bits(1)] {
            let body = encode(codec, &vec![magnitude; 300]).unwrap();
            let bodies = vec![(body, 64, 256); 64];
            let theta: Vec<f32> = values(Kind::WideRange, 300, 5).iter().map(|value| value / 4.0).collect();
            let step = OuterStep { alpha: 256, rho: (1, 5) };
            check(codec, &theta, &bodies, &step, &format!("64 of {magnitude:e}"));
        }
    }
}

#[test]
fn the_order_of_the_summands_changes_nothing() {
    let mut bodies: Vec<_> = (0..7)
        .map(|i| (encode(Codec::TopK64, &values(Kind::HeavyTails, 9000, i)).unwrap(), 9 * i as u32, 200))
        .collect();
    let theta = values(Kind::Normal, 9000, 99);
    let step = OuterStep { alpha: 200, rho: (1, 5) };
    let first = download(cube::apply(Codec::TopK64, upload(&theta), &summands(&bodies), &step).unwrap());
    bodies.reverse();
    let second = download(cube::apply(Codec::TopK64, upload(&theta), &summands(&bodies), &step).unwrap());
    assert_same(&second, &first, "reversed");
}

#[test]
fn faults_of_the_state_are_named_as_on_the_host() {
    let body = encode(Codec::TopK64, &vec![-f32::MAX; 9000]).unwrap();
    let bodies = vec![(body, 64, 256)];
    let step = OuterStep { alpha: 256, rho: (0, 1) };
    let mut theta = vec![0.0; 9000];
    theta[4100] = f32::MAX;
    let refused = cube::apply(Codec::TopK64, upload(&theta), &summands(&bodies), &step);
    assert_eq!(refused.err(), Some(ApplyError::Overflow { index: 4100 }));
    theta[8500] = f32::NAN;
    let refused = cube::apply(Codec::TopK64, upload(&theta), &summands(&bodies), &step);
    assert_eq!(refused.err(), Some(ApplyError::NonFiniteState { index: 8500 }));
}

#[test]
fn refuses_what_the_host_refuses_before_anything_runs() {
    let theta = upload(&[0.0; 10]);
    let summand = [Summand { body: &[0; 3], weight: 1, clip: 256 }];
    assert!(matches!(
        cube::apply(Codec::TopK64, theta, &summand, &OuterStep::MEAN).err(),
        Some(ApplyError::Decode { summand: 0, .. })
    ));
}

#[test]
fn no_summands_leave_the_state() {
    let theta = values(Kind::WideRange, 5000, 3);
    let after = cube::apply(Codec::DenseInt8, upload(&theta), &[], &OuterStep::MEAN).unwrap();
    assert_same(&download(after), &theta, "no summands");
}

#[test]
fn the_mean_is_that_of_the_host() {
    for codec in Codec::ALL {
        let bodies: Vec<_> = (0..3)
            .map(|i| (encode(codec, &values(Kind::HeavyTails, 9000, i)).unwrap(), 5 + i as u32, 200 + i as u32))
            .collect();
        let expected = kernels::mean(codec, 9000, &summands(&bodies)).unwrap();
        let found = download(cube::mean(codec, 9000, &summands(&bodies), &device()).unwrap());
        assert_eq!(found, expected, "{codec}");
    }
}

#[test]
fn none_takes_the_way_over_the_host() {
    let bodies = vec![(encode(Codec::None, &values(Kind::Normal, 5000, 1)).unwrap(), 3, 200)];
    check(Codec::None, &values(Kind::Normal, 5000, 2), &bodies, &OuterStep { alpha: 100, rho: (1, 5) }, "none");
}
