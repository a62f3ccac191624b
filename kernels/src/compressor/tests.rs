use super::*;
use crate::host::{accumulate, decode, encode};

const CODEC: Codec = Codec::TopK64;
const LEN: usize = 5000;

fn vector(seed: usize) -> Vec<f32> {
    (0..LEN).map(|i| ((i * 7919 + seed * 104_729) % 1000) as f32 * 0.01 - 5.0).collect()
}

fn compressor() -> Compressor {
    Compressor::new(&Local::Host(&vector(0)), 0.95)
}

fn by_hand(residual: &[f32], base: &[f32], local: &[f32]) -> Vec<f32> {
    let mut sum = residual.to_vec();
    accumulate(&mut sum, base, local, 0.95);
    sum
}

#[test]
fn an_accepted_contribution_leaves_what_it_did_not_say() {
    let mut compressor = compressor();
    let mut expected = vec![0.0; LEN];
    for round in 0..4 {
        let (base, local) = (vector(round), vector(round + 10));
        let body = compressor.encode(CODEC, &base, Local::Host(&local)).unwrap();
        let sum = by_hand(&expected, &base, &local);
        assert_eq!(body, encode(CODEC, &sum).unwrap());
        compressor.verdict(CODEC, &body, true).unwrap();
        let said = decode(CODEC, LEN, &body).unwrap();
        expected = sum.iter().zip(said).map(|(sum, said)| sum - said).collect();
        assert_eq!(compressor.save(), Ok(expected.clone()));
    }
}

#[test]
fn a_contribution_left_out_stays_in_the_residual() {
    let sum = by_hand(&vec![0.0; LEN], &vector(1), &vector(2));
    for codec in Codec::ALL {
        let mut compressor = compressor();
        let body = compressor.encode(codec, &vector(1), Local::Host(&vector(2))).unwrap();
        compressor.verdict(codec, &body, false).unwrap();
        let said = decode(codec, LEN, &body).unwrap();
        // Off by one rounding of what was said, and that only where it was far from the value.
        let bound = |said: f32| if codec.is_sparse() { said.abs() * f32::EPSILON } else { 0.0 };
        let found = compressor.save().unwrap();
        assert!((0..LEN).all(|i| (found[i] - sum[i]).abs() <= bound(said[i])), "{codec}");
    }
}

#[test]
fn an_abandoned_round_leaves_no_trace() {
    let mut compressor = compressor();
    let body = compressor.encode(CODEC, &vector(1), Local::Host(&vector(2))).unwrap();
    compressor.verdict(CODEC, &body, true).unwrap();
    let before = compressor.save();
    let first = compressor.encode(CODEC, &vector(3), Local::Host(&vector(4))).unwrap();
    assert_eq!(compressor.save(), before);
    assert_eq!(compressor.encode(CODEC, &vector(3), Local::Host(&vector(4))).unwrap(), first);
}

#[test]
fn a_restart_between_encoding_and_verdict_does_the_work_again() {
    for accepted in [true, false] {
        let mut undisturbed = compressor();
        let body = undisturbed.encode(CODEC, &vector(1), Local::Host(&vector(2))).unwrap();
        undisturbed.verdict(CODEC, &body, true).unwrap();
        let saved = undisturbed.save().unwrap();
        let body = undisturbed.encode(CODEC, &vector(3), Local::Host(&vector(4))).unwrap();
        let mut restarted = compressor();
        restarted.load(saved).unwrap();
        assert_eq!(restarted.encode(CODEC, &vector(3), Local::Host(&vector(4))).unwrap(), body);
        for compressor in [&mut undisturbed, &mut restarted] {
            compressor.verdict(CODEC, &body, accepted).unwrap();
        }
        assert_eq!(undisturbed.save(), restarted.save());
    }
}

#[test]
fn quotients_are_rounded_as_told() {
    let mut compressor = compressor();
    let nearest = compressor.encode(Codec::DenseInt4, &vector(1), Local::Host(&vector(2))).unwrap();
    compressor.round(Rounding::Stochastic { seed: 5 });
    let random = compressor.encode(Codec::DenseInt4, &vector(1), Local::Host(&vector(2))).unwrap();
    assert_ne!(random, nearest);
    assert_eq!(compressor.encode(Codec::DenseInt4, &vector(1), Local::Host(&vector(2))).unwrap(), random);
}

#[test]
fn the_codec_may_change_from_round_to_round() {
    let mut compressor = compressor();
    for codec in Codec::ALL {
        let body = compressor.encode(codec, &vector(1), Local::Host(&vector(2))).unwrap();
        compressor.verdict(codec, &body, true).unwrap();
    }
    // `none` says everything.
    assert!(compressor.save().unwrap().iter().all(|&e| e == 0.0));
}

#[test]
fn refuses_other_lengths_and_verdicts_on_nothing() {
    let mut compressor = compressor();
    let wrong = CompressorError::WrongElements { expected: LEN, found: 3 };
    assert_eq!(compressor.encode(CODEC, &[0.0; 3], Local::Host(&vector(1))), Err(wrong.clone()));
    assert_eq!(compressor.encode(CODEC, &vector(1), Local::Host(&[0.0; 3])), Err(wrong.clone()));
    assert_eq!(compressor.load(vec![0.0; 3]), Err(wrong));
    assert_eq!(compressor.verdict(CODEC, &[], true), Err(CompressorError::NothingPending));
}

#[test]
fn a_body_that_does_not_decode_gets_no_verdict() {
    let mut compressor = compressor();
    let body = compressor.encode(CODEC, &vector(1), Local::Host(&vector(2))).unwrap();
    assert!(compressor.verdict(CODEC, &body[1..], true).is_err());
    compressor.verdict(CODEC, &body, true).unwrap();
}

#[test]
fn a_sum_that_is_not_finite_is_refused_with_its_index() {
    let mut compressor = compressor();
    let mut local = vector(2);
    local[4321] = f32::NAN;
    let refused = compressor.encode(CODEC, &vector(1), Local::Host(&local));
    assert_eq!(refused, Err(CompressorError::Encode(EncodeError::NonFinite { index: 4321 })));
    assert_eq!(compressor.verdict(CODEC, &[], false), Err(CompressorError::NothingPending));
}
