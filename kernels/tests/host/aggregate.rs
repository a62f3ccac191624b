//! Exact aggregation against the naive implementation, at its limits, and in every order.

use kernels::{ApplyError, Codec, OuterStep, Summand, apply, encode, mean, reference, state_hash};
use proptest::prelude::*;

use crate::cases::{Kind, Random, values};
use crate::naive;

const EXACT: [Codec; 6] =
    [Codec::TopK32, Codec::TopK64, Codec::TopK128, Codec::TopK256, Codec::DenseInt8, Codec::DenseInt4];

/// Bodies with weights and clips.
struct Case {
    codec: Codec,
    theta: Vec<f32>,
    bodies: Vec<(Vec<u8>, u32, u32)>,
    step: OuterStep,
}

impl Case {
    fn summands(&self) -> Vec<Summand<'_>> {
        self.bodies.iter().map(|(body, weight, clip)| Summand { body, weight: *weight, clip: *clip }).collect()
    }

    /// The naive result; every path must equal it.
    fn check(&self) -> Vec<f32> {
        let weighted: Vec<naive::Weighted> = self.bodies.iter().map(|(b, w, c)| (b.as_slice(), *w, *c)).collect();
        let expected = naive::apply(self.codec, &self.theta, &weighted, self.step.alpha, self.step.rho);
        for path in [apply, reference::apply] {
            let mut theta = self.theta.clone();
            let result = path(self.codec, &mut theta, &self.summands(), &self.step);
            if let Some(index) = expected.iter().position(|value| !value.is_finite()) {
                assert_eq!(result, Err(ApplyError::Overflow { index }));
                assert_eq!(state_hash(&theta, &[]), state_hash(&self.theta, &[]));
            } else {
                result.unwrap();
                assert_eq!(state_hash(&theta, &[]), state_hash(&expected, &[]), "{}", self.codec);
            }
        }
        expected
    }
}

fn random_case(seed: u64, codec: Codec, len: usize, kinds: &[Kind]) -> Case {
    let mut random = Random(seed);
    let mut pick = |kinds: &[Kind]| kinds[random.below(kinds.len() as u64) as usize];
    let theta = values(pick(kinds), len, seed);
    let contributions: Vec<Kind> = (0..7).map(|_| pick(kinds)).collect();
    let count = 1 + random.below(7) as usize;
    let bodies = contributions[..count]
        .iter()
        .map(|&kind| {
            let body = encode(codec, &values(kind, len, random.next())).unwrap();
            (body, random.below(65) as u32, random.below(257) as u32)
        })
        .collect();
    let rho = [(1, 5), (0, 1), (1, 1), (2, 7), (999_999_999, 4_000_000_000)][random.below(5) as usize];
    Case { codec, theta, bodies, step: OuterStep { alpha: 1 + random.below(256) as u32, rho } }
}

#[test]
fn the_mean_of_known_numbers() {
    // Three workers send 1, 1 and −2 for the same 64 elements; a fourth sends nothing there.
    let send = |value: f32, at: usize| {
        let mut values = vec![0.0; 4096];
        values[at..at + 64].fill(value);
        encode(Codec::TopK64, &values).unwrap()
    };
    let bodies = [send(1.0, 0), send(1.0, 0), send(-2.0, 0), send(4.0, 1000)];
    let summands: Vec<Summand> = bodies.iter().map(|body| Summand { body, weight: 8, clip: 256 }).collect();
    let after = |alpha, rho| {
        let mut theta = vec![10.0; 4096];
        apply(Codec::TopK64, &mut theta, &summands, &OuterStep { alpha, rho }).unwrap();
        (theta[0], theta[64], theta[1000])
    };
    assert_eq!(after(256, (0, 1)), (10.0, 10.0, 6.0));
    assert_eq!(after(256, (1, 1)), (10.0, 10.0, 9.0));
    assert_eq!(after(128, (1, 1)), (10.0, 10.0, 9.5));
    let mean = mean(Codec::TopK64, 4096, &summands[2..]).unwrap();
    assert_eq!((mean[0], mean[64], mean[1000]), (-1.0, 0.0, 2.0));
}

#[test]
fn equals_the_naive_sum_on_every_kind() {
    for codec in EXACT {
        for (seed, kind) in Kind::ALL.into_iter().enumerate() {
            for len in [1, 40, 300, 4096 + 65] {
                random_case(seed as u64 * 31 + len as u64, codec, len, &[kind]).check();
            }
        }
    }
}

#[test]
fn sixty_four_payloads_at_the_extremes_do_not_overflow() {
    for codec in EXACT {
        for magnitude in [f32::MAX, 1.0, 2f32.powi(-100), 2f32.powi(-99), f32::MIN_POSITIVE, f32::from_bits(1)] {
            for mixed in [false, true] {
                let body = |i: usize| {
                    let sign = if mixed && i.is_multiple_of(2) { -1.0 } else { 1.0 };
                    encode(codec, &vec![sign * magnitude; 300]).unwrap()
                };
                let bodies = (0..64).map(|i| (body(i), 64, 256)).collect();
                let theta = values(Kind::WideRange, 300, 5).iter().map(|value| value / 4.0).collect();
                let step = OuterStep { alpha: 256, rho: (1, 5) };
                Case { codec, theta, bodies, step }.check();
            }
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
        let mut case = Case { codec, theta: vec![0.0; 5000], bodies, step };
        let mut random = Random(3);
        case.theta = case.check();
        for value in case.theta.iter_mut().filter(|value| **value != 0.0) {
            *value = f32::from_bits((-*value).to_bits() ^ (1 + random.below(7) as u32));
        }
        assert!(case.check().iter().filter(|value| value.is_subnormal()).count() > 10, "{codec}");
    }
}

#[test]
fn the_largest_and_smallest_magnitudes_meet_in_one_chunk() {
    for codec in EXACT {
        let large = encode(codec, &vec![f32::MAX; 100]).unwrap();
        let small = encode(codec, &vec![f32::from_bits(3); 100]).unwrap();
        let floor = encode(codec, &vec![2f32.powi(-100); 100]).unwrap();
        let bodies = vec![(large, 1, 1), (small, 64, 256), (floor, 64, 256)];
        let case = Case { codec, theta: vec![0.0; 100], bodies, step: OuterStep { alpha: 1, rho: (1, 1) } };
        case.check();
    }
}

#[test]
fn an_overflow_refuses_the_round_and_leaves_the_state() {
    for codec in EXACT {
        let mut theta = values(Kind::Normal, 9000, 1);
        theta[8500] = f32::MAX;
        let mut values = vec![0.0; 9000];
        values[8500] = -f32::MAX;
        let bodies = vec![(encode(codec, &values).unwrap(), 64, 256)];
        let case = Case { codec, theta, bodies, step: OuterStep { alpha: 256, rho: (0, 1) } };
        assert_eq!(case.check()[8500], f32::INFINITY);
    }
}

#[test]
fn overflow_of_none_refuses_too() {
    let body = encode(Codec::None, &[1.0, f32::MAX]).unwrap();
    let mut theta = [0.5, f32::MIN];
    let summands = [Summand { body: &body, weight: 1, clip: 256 }];
    let refused = apply(Codec::None, &mut theta, &summands, &OuterStep::MEAN);
    assert_eq!(refused, Err(ApplyError::Overflow { index: 1 }));
    assert_eq!(theta, [0.5, f32::MIN]);
}

#[test]
fn refuses_what_is_out_of_range() {
    let body = encode(Codec::TopK64, &[1.0; 10]).unwrap();
    let refusal = |weight, clip, alpha, rho| {
        let summand = [Summand { body: &body, weight, clip }];
        apply(Codec::TopK64, &mut [0.0; 10], &summand, &OuterStep { alpha, rho }).unwrap_err()
    };
    assert_eq!(refusal(65, 256, 256, (1, 5)), ApplyError::WeightOutOfRange { summand: 0, weight: 65 });
    assert_eq!(refusal(64, 257, 256, (1, 5)), ApplyError::ClipOutOfRange { summand: 0, clip: 257 });
    assert_eq!(refusal(64, 256, 0, (1, 5)), ApplyError::AlphaOutOfRange { alpha: 0 });
    assert_eq!(refusal(64, 256, 257, (1, 5)), ApplyError::AlphaOutOfRange { alpha: 257 });
    for (numerator, denominator) in [(0, 0), (6, 5), (1, 0)] {
        let refused = refusal(64, 256, 256, (numerator, denominator));
        assert_eq!(refused, ApplyError::RhoOutOfRange { numerator, denominator });
    }
}

#[test]
fn refuses_more_summands_than_the_sums_hold() {
    let body = encode(Codec::TopK64, &[1.0; 10]).unwrap();
    let mut summands = vec![Summand { body: &body, weight: 1, clip: 256 }; 65];
    let step = OuterStep { alpha: 256, rho: (1, 5) };
    let refused = apply(Codec::TopK64, &mut [0.0; 10], &summands, &step);
    assert_eq!(refused, Err(ApplyError::TooManySummands { found: 65, limit: 64 }));
    summands[7].weight = 0;
    apply(Codec::TopK64, &mut [0.0; 10], &summands, &step).unwrap();
}

#[test]
fn refuses_a_state_that_is_not_finite() {
    let body = encode(Codec::TopK64, &[1.0; 5000]).unwrap();
    let mut theta = vec![0.0; 5000];
    theta[4700] = f32::NAN;
    let summands = [Summand { body: &body, weight: 1, clip: 256 }];
    for path in [apply, reference::apply] {
        let refused = path(Codec::TopK64, &mut theta, &summands, &OuterStep::MEAN);
        assert_eq!(refused, Err(ApplyError::NonFiniteState { index: 4700 }));
    }
}

#[test]
fn a_term_without_weight_is_not_looked_at() {
    let body = encode(Codec::TopK64, &[1.0; 10]).unwrap();
    let large = encode(Codec::TopK64, &[1e30; 10]).unwrap();
    let with = |others: &[Summand]| {
        let mut theta = [0.3; 10];
        let summands = [&[Summand { body: &body, weight: 5, clip: 200 }], others].concat();
        apply(Codec::TopK64, &mut theta, &summands, &OuterStep { alpha: 200, rho: (1, 5) }).unwrap();
        theta
    };
    let invalid = Summand { body: &[1, 2, 3], weight: 0, clip: 256 };
    assert_eq!(with(&[]), with(&[invalid, Summand { body: &large, weight: 0, clip: 256 }]));
}

#[test]
fn nothing_sent_changes_nothing() {
    for codec in Codec::ALL {
        let mut theta = values(Kind::WideRange, 500, 2);
        let before = state_hash(&theta, &[]);
        apply(codec, &mut theta, &[], &OuterStep::MEAN).unwrap();
        assert_eq!(state_hash(&theta, &[]), before);
        assert_eq!(mean(codec, 3, &[]).unwrap(), [0.0; 3]);
    }
}

#[test]
fn minus_zero_survives_a_zero_difference() {
    let body = encode(Codec::TopK64, &[0.0; 10]).unwrap();
    let mut theta = [-0.0f32; 10];
    apply(Codec::TopK64, &mut theta, &[Summand { body: &body, weight: 1, clip: 256 }], &OuterStep::MEAN).unwrap();
    assert!(theta.iter().all(|value| value.to_bits() == 1 << 31));
}

#[test]
fn none_is_the_weighted_mean_in_order() {
    let a = encode(Codec::None, &[1.0, 2.0, 0.1]).unwrap();
    let b = encode(Codec::None, &[3.0, -2.0, 0.2]).unwrap();
    let summands = [Summand { body: &a, weight: 1, clip: 256 }, Summand { body: &b, weight: 3, clip: 128 }];
    let expected = [(1.0 + 3.0 * 1.5) / 4.0, (2.0 - 3.0) / 4.0];
    assert_eq!(mean(Codec::None, 3, &summands).unwrap()[..2], expected);
    let mut theta = [0.0; 3];
    apply(Codec::None, &mut theta, &summands, &OuterStep { alpha: 128, rho: (1, 5) }).unwrap();
    assert_eq!(theta[..2], expected.map(|value| -0.5 * value));
}

#[test]
fn names_the_term_that_does_not_decode() {
    let good = encode(Codec::TopK64, &[1.0; 10]).unwrap();
    let summands = [Summand { body: &good, weight: 1, clip: 256 }, Summand { body: &good[1..], weight: 1, clip: 256 }];
    let refused = apply(Codec::TopK64, &mut [0.0; 10], &summands, &OuterStep::MEAN);
    assert!(matches!(refused, Err(ApplyError::Decode { summand: 1, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn equals_the_naive_sum(seed: u64, codec in 0usize..6, len in 1usize..6000) {
        random_case(seed, EXACT[codec], len, &Kind::ALL).check();
    }

    #[test]
    fn ordinary_rounds_equal_the_naive_sum(seed: u64, codec in 0usize..6, len in 1usize..6000) {
        random_case(seed, EXACT[codec], len, &[Kind::Normal, Kind::HeavyTails]).check();
    }

    #[test]
    fn the_order_of_the_summands_changes_nothing(seed: u64, codec in 0usize..6) {
        let mut case = random_case(seed, EXACT[codec], 5000, &[Kind::Normal, Kind::HeavyTails, Kind::SmallIntegers]);
        let first = case.check();
        let mut random = Random(seed ^ 1);
        for i in (1..case.bodies.len()).rev() {
            case.bodies.swap(i, random.below(i as u64 + 1) as usize);
        }
        prop_assert_eq!(state_hash(&case.check(), &[]), state_hash(&first, &[]));
    }
}
