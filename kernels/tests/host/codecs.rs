//! Encoding and decoding: the host path, the scalar reference and the naive implementation agree on every case.

use kernels::{
    Codec, DecodeError, EncodeError, Rounding, decode, encode, encode_rounded, reference, subtract, validate,
};
use proptest::prelude::*;

use crate::cases::{Kind, LENGTHS, Random, values};
use crate::naive;

fn check(codec: Codec, values: &[f32], what: &str) {
    let body = encode(codec, values).unwrap();
    assert_eq!(body.len(), codec.body_bytes(values.len()), "{codec} {what}");
    assert!(body == reference::encode(codec, values).unwrap(), "{codec} {what}: reference differs");
    assert!(body == naive::encode(codec, values), "{codec} {what}: naive differs");
    let random = Rounding::Stochastic { seed: 0x5eed_0000_0000 + values.len() as u64 };
    let rounded = encode_rounded(codec, random, values).unwrap();
    assert!(rounded == reference::encode_rounded(codec, random, values).unwrap(), "{codec} {what}: stochastic");
    validate(codec, values.len(), &rounded).unwrap_or_else(|error| panic!("{codec} {what}: {error}"));
    validate(codec, values.len(), &body).unwrap_or_else(|error| panic!("{codec} {what}: {error}"));
    let decoded = decode(codec, values.len(), &body).unwrap();
    assert_eq!(decoded, naive::decode(codec, values.len(), &body), "{codec} {what}");
    assert!(decoded.iter().all(|value| value.is_finite()), "{codec} {what}");
}

#[test]
fn every_hard_case_has_the_same_bytes_by_three_ways() {
    for codec in Codec::ALL {
        for kind in Kind::ALL {
            for len in LENGTHS {
                check(codec, &values(kind, len, len as u64), &format!("{kind:?} {len}"));
            }
        }
    }
}

#[test]
fn threads_and_size_change_nothing() {
    let values = values(Kind::HeavyTails, 150 * 4096 + 77, 3);
    let random = Rounding::Stochastic { seed: 3 };
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let many = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
    for codec in Codec::ALL {
        let whole = many.install(|| encode(codec, &values)).unwrap();
        assert!(whole == one.install(|| encode(codec, &values)).unwrap());
        let stochastic = many.install(|| encode_rounded(codec, random, &values)).unwrap();
        assert!(stochastic == one.install(|| encode_rounded(codec, random, &values)).unwrap());
        let by_chunk: Vec<u8> = values.chunks(4096).flat_map(|chunk| encode(codec, chunk).unwrap()).collect();
        assert!(whole == by_chunk, "{codec}: a chunk depends on its neighbours");
    }
}

#[test]
fn names_the_first_element_that_is_not_finite() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0xffc0_0001)] {
        for index in [0, 63, 4096, 100_000] {
            let mut values = values(Kind::Normal, 200_000, 1);
            values[index] = bad;
            values[150_000] = bad;
            for codec in Codec::ALL {
                assert_eq!(encode(codec, &values), Err(EncodeError::NonFinite { index }));
            }
        }
    }
}

#[test]
fn stochastic_rounding_is_right_on_average_and_repeats() {
    for (codec, q) in [(Codec::DenseInt8, 127.0f64), (Codec::DenseInt4, 7.0)] {
        // 0.3 of a step beside the block's largest, thirty times a block.
        let mut values = vec![0.0f32; 64 * 4096];
        let small = (0.3 / q) as f32;
        values.chunks_mut(64).for_each(|block| {
            block[0] = 1.0;
            block[1..31].fill(small);
            block[31..61].fill(-small);
        });
        let sent = |seed| {
            let rounding = Rounding::Stochastic { seed };
            decode(codec, values.len(), &encode_rounded(codec, rounding, &values).unwrap()).unwrap()
        };
        let first = sent(1);
        assert_eq!(first, sent(1));
        assert_ne!(first, sent(2));
        let mean = |places: std::ops::Range<usize>| {
            let all = first.chunks(64).flat_map(|block| &block[places.clone()]);
            all.map(|&value| f64::from(value)).sum::<f64>() / (30.0 * 4096.0)
        };
        // The standard error of the mean is 0.0013 steps.
        for (found, expected) in [(mean(1..31), f64::from(small)), (mean(31..61), -f64::from(small))] {
            assert!((found - expected).abs() < 0.006 / q, "{codec}: {found} for {expected}");
        }
        // To nearest, all of them are lost.
        let nearest = decode(codec, values.len(), &encode(codec, &values).unwrap()).unwrap();
        assert!(nearest.chunks(64).all(|block| block[1..].iter().all(|&value| value == 0.0)));
    }
}

#[test]
fn ties_go_to_the_lower_index() {
    let mut values = vec![1.0f32; 4096];
    values[4000] = 2.0;
    values[10] = -1.0;
    let decoded = decode(Codec::TopK64, 4096, &encode(Codec::TopK64, &values).unwrap()).unwrap();
    let sent: Vec<usize> = (0..4096).filter(|&index| decoded[index] != 0.0).collect();
    assert_eq!(sent, (0..63).chain([4000]).collect::<Vec<_>>());
    assert_eq!((decoded[10], decoded[4000]), (-1.0, 2.0));
}

#[test]
fn the_dense_codes_lose_at_most_half_a_step() {
    for (codec, q) in [(Codec::DenseInt8, 127.0), (Codec::DenseInt4, 7.0)] {
        let values = values(Kind::HeavyTails, 5000, 9);
        let decoded = decode(codec, 5000, &encode(codec, &values).unwrap()).unwrap();
        for (block, sent) in values.chunks(64).zip(decoded.chunks(64)) {
            let largest = block.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            // The scale is at most one part in 128 above the largest magnitude's share.
            let step = largest / q * (1.0 + 1.0 / 127.0);
            assert!(block.iter().zip(sent).all(|(value, sent)| (value - sent).abs() <= 0.5001 * step));
        }
    }
}

#[test]
fn subtracting_leaves_what_was_not_said() {
    for codec in Codec::ALL {
        let values = values(Kind::Normal, 9000, 4);
        let body = encode(codec, &values).unwrap();
        let mut residual = values.clone();
        subtract(codec, &body, &mut residual).unwrap();
        let decoded = decode(codec, 9000, &body).unwrap();
        assert!((0..9000).all(|i| residual[i] == values[i] - decoded[i]), "{codec}");
    }
}

#[test]
fn a_refused_body_leaves_the_residual_alone() {
    let values = values(Kind::Normal, 9000, 4);
    let mut body = encode(Codec::TopK64, &values).unwrap();
    let last = body.len() - 1;
    body[last] = 0xff;
    let mut residual = values.clone();
    assert!(matches!(
        subtract(Codec::TopK64, &body, &mut residual),
        Err(DecodeError::NegativeMagnitude { .. } | DecodeError::NonFiniteMagnitude { .. })
    ));
    assert!(residual == values);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_finite_vector_comes_back_as_its_body_says(
        seed: u64,
        kind in 0usize..15,
        len in 1usize..9000,
        codec in 0usize..7,
    ) {
        let values = values(Kind::ALL[kind], len, seed);
        check(Codec::ALL[codec], &values, &format!("{:?} {len} seed {seed}", Kind::ALL[kind]));
    }

    #[test]
    fn kinds_may_mix_within_a_chunk(seed: u64, codec in 0usize..7) {
        let mut random = Random(seed);
        let mut mixed = Vec::new();
        while mixed.len() < 6000 {
            let kind = Kind::ALL[random.below(15) as usize];
            mixed.extend(values(kind, 1 + random.below(300) as usize, random.next()));
        }
        check(Codec::ALL[codec], &mixed, &format!("mixed, seed {seed}"));
    }
}
