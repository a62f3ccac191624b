//! Bytes from strangers: each refusal by itself, then random and mutated bodies, of which only exact ones decode.

use kernels::{Codec, DecodeError, Summand, apply, decode, encode, norm, parse, validate};
use proptest::prelude::*;

use crate::cases::{Kind, Random, values};
use crate::naive;

const LOW: usize = 0;
const HIGH: usize = 48;
const CODE: usize = 64;
const MAGNITUDES: usize = 80;

/// A chunk of topk64-q2 with indices 0, 64, 128 …, so that every field is easy to damage.
pub(crate) fn body() -> Vec<u8> {
    let mut values = vec![0.0f32; 4096];
    (0..64).for_each(|j| values[64 * j] = if j % 2 == 0 { 1.0 } else { -3.0 });
    encode(Codec::TopK64, &values).unwrap()
}

fn refusal(damage: impl FnOnce(&mut Vec<u8>)) -> DecodeError {
    refusal_of(4096, body(), damage)
}

fn refusal_of(elements: usize, mut body: Vec<u8>, damage: impl FnOnce(&mut Vec<u8>)) -> DecodeError {
    validate(Codec::TopK64, elements, &body).unwrap();
    damage(&mut body);
    let error = validate(Codec::TopK64, elements, &body).unwrap_err();
    assert_eq!(decode(Codec::TopK64, elements, &body).unwrap_err(), error);
    error
}

#[test]
fn refuses_a_wrong_length() {
    assert_eq!(refusal(|body| body.push(0)), DecodeError::WrongLength { expected: 84, found: 85 });
    assert_eq!(refusal(Vec::clear), DecodeError::WrongLength { expected: 84, found: 0 });
}

#[test]
fn refuses_one_entry_too_few_or_too_many() {
    // Entry 0 has high bit 0, entry 1 has bit 2.
    assert_eq!(refusal(|body| body[HIGH] &= !1), DecodeError::WrongOnes { chunk: 0, expected: 64, found: 63 });
    assert_eq!(refusal(|body| body[HIGH] |= 2), DecodeError::WrongOnes { chunk: 0, expected: 64, found: 65 });
}

#[test]
fn refuses_the_last_high_bit() {
    let error = refusal(|body| {
        body[HIGH] &= !1;
        body[HIGH + 15] |= 0x80;
    });
    assert_eq!(error, DecodeError::LastHighBit { chunk: 0 });
}

#[test]
fn refuses_indices_that_do_not_increase() {
    // Entry 1 moves into the group of entry 0 with the same low bits.
    let error = refusal(|body| body[HIGH] = body[HIGH] & !4 | 2);
    assert_eq!(error, DecodeError::NotIncreasing { chunk: 0, entry: 1, index: 0 });
}

#[test]
fn refuses_an_index_in_the_padding() {
    let values = values(Kind::Normal, 4096 + 100, 1);
    let error = refusal_of(4196, encode(Codec::TopK64, &values).unwrap(), |body| {
        // The last entry of the tail moves to the end of the chunk.
        let high = &mut body[84 + HIGH..84 + HIGH + 16];
        let last = (0..128).rev().find(|&bit| high[bit / 8] >> (bit % 8) & 1 == 1).unwrap();
        high[last / 8] &= !(1 << (last % 8));
        high[15] |= 0x40;
    });
    assert!(matches!(error, DecodeError::IndexInPadding { chunk: 1, entry: 63, .. }), "{error}");
}

#[test]
fn refuses_fillers_anywhere_but_after_the_real_ones() {
    let error = refusal_of(10, encode(Codec::TopK64, &[1.0; 10]).unwrap(), |body| {
        // Entry 63, a filler, moves from index 63 to 4095.
        body[HIGH + 7] &= !0x80;
        body[HIGH + 15] |= 0x40;
    });
    assert_eq!(error, DecodeError::IndexInPadding { chunk: 0, entry: 63, index: 4095 });
}

#[test]
fn refuses_a_filler_with_a_code() {
    let error = refusal_of(10, encode(Codec::TopK64, &[1.0; 10]).unwrap(), |body| body[CODE + 15] |= 0x80);
    assert_eq!(error, DecodeError::FillerCode { chunk: 0, entry: 63 });
}

#[test]
fn refuses_negative_magnitudes() {
    let error = refusal(|body| body[MAGNITUDES + 1] |= 0x80);
    assert_eq!(error, DecodeError::NegativeMagnitude { chunk: 0, bits: 0xbf80 });
}

#[test]
fn refuses_minus_zero() {
    let error = refusal(|body| body[MAGNITUDES..MAGNITUDES + 2].copy_from_slice(&[0, 0x80]));
    assert_eq!(error, DecodeError::NegativeZeroMagnitude { chunk: 0 });
}

#[test]
fn refuses_infinities_and_nan() {
    for bits in [0x7f80u16, 0x7fc0, 0xff80, 0x7f81, 0xffff] {
        let error = refusal(|body| body[MAGNITUDES + 2..].copy_from_slice(&bits.to_le_bytes()));
        assert_eq!(error, DecodeError::NonFiniteMagnitude { chunk: 0, bits });
    }
}

#[test]
fn refuses_low_above_high() {
    let error = refusal(|body| body[MAGNITUDES..].rotate_left(2));
    assert_eq!(error, DecodeError::MagnitudeOrder { chunk: 0, low: 0x4040, high: 0x3f80 });
}

#[test]
fn refuses_a_low_magnitude_that_nobody_has() {
    let error = refusal_of(4096, encode(Codec::TopK64, &[1.0; 4096]).unwrap(), |body| body[MAGNITUDES] = 1);
    assert_eq!(error, DecodeError::UnusedLow { chunk: 0, low: 1 });
}

#[test]
fn names_the_first_faulty_chunk() {
    let mut body = encode(Codec::TopK64, &values(Kind::Normal, 100 * 4096, 1)).unwrap();
    for chunk in [97, 42, 60] {
        body[84 * chunk + HIGH + 15] |= 0x80;
    }
    assert!(matches!(validate(Codec::TopK64, 100 * 4096, &body), Err(DecodeError::WrongOnes { chunk: 42, .. })));
}

fn dense_refusal(codec: Codec, elements: usize, damage: impl FnOnce(&mut Vec<u8>)) -> DecodeError {
    let mut body = encode(codec, &vec![1.0; elements]).unwrap();
    validate(codec, elements, &body).unwrap();
    damage(&mut body);
    let error = validate(codec, elements, &body).unwrap_err();
    assert_eq!(decode(codec, elements, &body).unwrap_err(), error);
    error
}

#[test]
fn refuses_dense_scales_that_are_none() {
    for codec in [Codec::DenseInt8, Codec::DenseInt4] {
        let refused = |bits: u16| dense_refusal(codec, 4096, |body| body[6..8].copy_from_slice(&bits.to_le_bytes()));
        assert_eq!(refused(0x8000), DecodeError::NegativeZeroMagnitude { chunk: 0 });
        assert_eq!(refused(0xbf80), DecodeError::NegativeMagnitude { chunk: 0, bits: 0xbf80 });
        assert_eq!(refused(0x7f80), DecodeError::NonFiniteMagnitude { chunk: 0, bits: 0x7f80 });
    }
}

#[test]
fn refuses_scales_whose_multiples_are_infinite() {
    for (codec, limit, q) in [(Codec::DenseInt8, 0x7c01u16, 127.0f32), (Codec::DenseInt4, 0x7e12, 7.0)] {
        let value = |bits: u16| f32::from_bits(u32::from(bits) << 16);
        assert!((q * value(limit)).is_finite() && (q * value(limit + 1)).is_infinite());
        let refused = dense_refusal(codec, 4096, |body| body[2..4].copy_from_slice(&(limit + 1).to_le_bytes()));
        assert_eq!(refused, DecodeError::ScaleTooLarge { chunk: 0, block: 1, bits: limit + 1, limit });
    }
}

#[test]
fn refuses_the_most_negative_code() {
    let error = dense_refusal(Codec::DenseInt8, 4096, |body| body[128 + 70] = 0x80);
    assert_eq!(error, DecodeError::ForbiddenCode { chunk: 0, index: 70, code: -128 });
    let error = dense_refusal(Codec::DenseInt4, 4096, |body| body[128 + 35] = 0x87);
    assert_eq!(error, DecodeError::ForbiddenCode { chunk: 0, index: 71, code: -8 });
}

#[test]
fn refuses_codes_without_a_scale() {
    for codec in [Codec::DenseInt8, Codec::DenseInt4] {
        let error = dense_refusal(codec, 4096, |body| body[..2].fill(0));
        assert_eq!(error, DecodeError::CodeWithoutScale { chunk: 0, index: 0 });
    }
}

#[test]
fn refuses_dense_padding_in_use() {
    let error = dense_refusal(Codec::DenseInt8, 100, |body| body[128 + 101] = 1);
    assert_eq!(error, DecodeError::PaddingNotZero { chunk: 0, index: 101 });
    let error = dense_refusal(Codec::DenseInt4, 101, |body| body[128 + 50] |= 0x10);
    assert_eq!(error, DecodeError::PaddingNotZero { chunk: 0, index: 101 });
    let error = dense_refusal(Codec::DenseInt8, 100, |body| body[4] = 1);
    assert_eq!(error, DecodeError::PaddingNotZero { chunk: 0, index: 128 });
}

#[test]
fn refuses_plain_values_that_are_not_finite() {
    let mut body = encode(Codec::None, &vec![1.0; 5000]).unwrap();
    body[4 * 4500..4 * 4501].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_eq!(validate(Codec::None, 5000, &body), Err(DecodeError::NonFinite { index: 4500 }));
    assert_eq!(validate(Codec::None, 4999, &body), Err(DecodeError::WrongLength { expected: 19_996, found: 20_000 }));
}

/// What is accepted must be exactly what an encoder can write: encoding the decoded indices, codes and magnitudes gives
/// the same bytes again.
pub(crate) fn accepted_is_exact(codec: Codec, elements: usize, body: &[u8]) {
    let mut theta = vec![0.0; elements];
    let summand = [Summand { body, weight: 1, clip: 256 }];
    let step = kernels::OuterStep::MEAN;
    match validate(codec, elements, body) {
        Ok(()) => {
            let decoded = decode(codec, elements, body).unwrap();
            assert!(decoded.iter().all(|value| value.is_finite()));
            assert_eq!(decoded, naive::decode(codec, elements, body));
            assert!(norm(codec, elements, body).unwrap().is_finite());
            apply(codec, &mut theta, &summand, &step).unwrap();
        }
        Err(error) => {
            assert_eq!(decode(codec, elements, body).unwrap_err(), error);
            assert!(apply(codec, &mut theta, &summand, &step).is_err());
            assert!(theta.iter().all(|&value| value == 0.0));
        }
    }
}

/// The entries of a random valid chunk, by random choice of each field.
fn random_valid_chunk(random: &mut Random) -> Vec<u8> {
    let mut indices: Vec<usize> = Vec::new();
    while indices.len() < 64 {
        let index = random.below(4096) as usize;
        if !indices.contains(&index) {
            indices.push(index);
        }
    }
    indices.sort_unstable();
    let mut body = vec![0; 84];
    for (j, index) in indices.iter().enumerate() {
        (0..6).for_each(|bit| body[(6 * j + bit) / 8] |= ((index >> bit & 1) as u8) << ((6 * j + bit) % 8));
        let high = index / 64 + j;
        body[HIGH + high / 8] |= 1 << (high % 8);
    }
    (0..16).for_each(|i| body[CODE + i] = random.next() as u8 & 0x55 | 0x22);
    let (a, b) = (random.below(0x7f80) as u16, random.below(0x7f80) as u16);
    body[MAGNITUDES..MAGNITUDES + 2].copy_from_slice(&a.min(b).to_le_bytes());
    body[MAGNITUDES + 2..].copy_from_slice(&a.max(b).to_le_bytes());
    body
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_follows_the_rules_decodes(seed: u64) {
        let body = random_valid_chunk(&mut Random(seed));
        prop_assert_eq!(validate(Codec::TopK64, 4096, &body), Ok(()));
        accepted_is_exact(Codec::TopK64, 4096, &body);
    }

    #[test]
    fn random_bytes_never_panic(
        body in prop::collection::vec(any::<u8>(), 0..600),
        codec in 0usize..7,
        elements in 0usize..9000,
    ) {
        accepted_is_exact(Codec::ALL[codec], elements, &body);
    }

    #[test]
    fn random_bytes_of_the_right_length_never_panic(seed: u64, codec in 0usize..7, elements in 1usize..9000) {
        let codec = Codec::ALL[codec];
        let mut random = Random(seed);
        let body: Vec<u8> = (0..codec.body_bytes(elements)).map(|_| random.next() as u8).collect();
        accepted_is_exact(codec, elements, &body);
    }

    #[test]
    fn mutated_bodies_never_panic(
        seed: u64,
        kind in 0usize..15,
        codec in 0usize..7,
        elements in 1usize..5000,
        flips in 1usize..6,
    ) {
        let codec = Codec::ALL[codec];
        let mut random = Random(seed);
        let mut body = encode(codec, &values(Kind::ALL[kind], elements, seed)).unwrap();
        for _ in 0..flips {
            let at = random.below(body.len() as u64) as usize;
            body[at] ^= 1 << random.below(8);
        }
        accepted_is_exact(codec, elements, &body);
    }

    #[test]
    fn random_payloads_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), magic: bool) {
        let mut bytes = bytes;
        if magic && bytes.len() > 16 {
            bytes[..16].copy_from_slice(b"CTGP\x01\0\x02\0\0\0\x01\0\0\0\0\0");
        }
        let _ = parse(&bytes);
    }
}

#[test]
fn every_single_bit_of_a_body_matters() {
    let reference = body();
    let entries = |body: &[u8]| decode(Codec::TopK64, 4096, body).map(|values| (values, body.to_vec()));
    for bit in 0..8 * reference.len() {
        let mut damaged = reference.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok((values, _)) = entries(&damaged) {
            assert_ne!(values, entries(&reference).unwrap().0, "bit {bit} changes nothing");
        }
    }
    assert_eq!(LOW, 0);
}
