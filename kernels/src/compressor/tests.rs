use super::*;
use crate::{accumulate, decode, encode};

const CODEC: Codec = Codec::TopK64;
const LEN: usize = 5000;

fn vector(seed: usize) -> Vec<f32> {
    (0..LEN).map(|i| ((i * 7919 + seed * 104_729) % 1000) as f32 * 0.01 - 5.0).collect()
}

fn by_hand(residual: &[f32], base: &[f32], local: &[f32]) -> Vec<f32> {
    let mut sum = residual.to_vec();
    accumulate(&mut sum, base, local, 0.95);
    sum
}

#[test]
fn an_accepted_contribution_leaves_what_it_did_not_say() {
    let mut compressor = Compressor::new(LEN, 0.95);
    let mut expected = vec![0.0; LEN];
    for round in 0..4 {
        let (base, local) = (vector(round), vector(round + 10));
        let body = compressor.encode(CODEC, &base, &local).unwrap();
        let sum = by_hand(&expected, &base, &local);
        assert_eq!(body, encode(CODEC, &sum).unwrap());
        compressor.settle(CODEC, &body, true).unwrap();
        let said = decode(CODEC, LEN, &body).unwrap();
        expected = sum.iter().zip(said).map(|(sum, said)| sum - said).collect();
        assert_eq!(compressor.save(), Ok(Saved { residual: expected.clone(), accumulated: None }));
    }
}

#[test]
fn a_contribution_left_out_stays_in_the_residual() {
    let mut compressor = Compressor::new(LEN, 0.95);
    let body = compressor.encode(CODEC, &vector(1), &vector(2)).unwrap();
    compressor.settle(CODEC, &body, false).unwrap();
    assert_eq!(compressor.save().unwrap().residual, by_hand(&vec![0.0; LEN], &vector(1), &vector(2)));
}

#[test]
fn an_abandoned_round_leaves_no_trace() {
    let mut compressor = Compressor::new(LEN, 0.95);
    let body = compressor.encode(CODEC, &vector(1), &vector(2)).unwrap();
    compressor.settle(CODEC, &body, true).unwrap();
    let before = compressor.save();
    let first = compressor.encode(CODEC, &vector(3), &vector(4)).unwrap();
    compressor.abandon();
    assert_eq!(compressor.save(), before);
    assert_eq!(compressor.encode(CODEC, &vector(3), &vector(4)).unwrap(), first);
}

#[test]
fn a_restart_between_encoding_and_verdict_loses_nothing() {
    let mut undisturbed = Compressor::new(LEN, 0.95);
    let body = undisturbed.encode(CODEC, &vector(1), &vector(2)).unwrap();
    let mut restarted = Compressor::new(LEN, 0.95);
    restarted.load(undisturbed.save().unwrap()).unwrap();
    for compressor in [&mut undisturbed, &mut restarted] {
        compressor.settle(CODEC, &body, true).unwrap();
    }
    assert_eq!(undisturbed.save(), restarted.save());
}

#[test]
fn the_codec_may_change_from_round_to_round() {
    let mut compressor = Compressor::new(LEN, 0.95);
    for codec in Codec::ALL {
        let body = compressor.encode(codec, &vector(1), &vector(2)).unwrap();
        compressor.settle(codec, &body, true).unwrap();
    }
    // `none` says everything.
    assert!(compressor.save().unwrap().residual.iter().all(|&e| e == 0.0));
}

#[test]
fn refuses_other_lengths_and_verdicts_on_nothing() {
    let mut compressor = Compressor::new(LEN, 0.95);
    let wrong = CompressorError::WrongElements { expected: LEN, found: 3 };
    assert_eq!(compressor.encode(CODEC, &[0.0; 3], &vector(1)), Err(wrong.clone()));
    assert_eq!(compressor.encode(CODEC, &vector(1), &[0.0; 3]), Err(wrong.clone()));
    assert_eq!(compressor.load(Saved { residual: vec![0.0; 3], accumulated: None }), Err(wrong.clone()));
    assert_eq!(compressor.load(Saved { residual: vector(1), accumulated: Some(vec![0.0; 3]) }), Err(wrong));
    assert_eq!(compressor.settle(CODEC, &[], true), Err(CompressorError::NothingPending));
}

#[test]
fn a_body_that_does_not_decode_settles_nothing() {
    let mut compressor = Compressor::new(LEN, 0.95);
    let body = compressor.encode(CODEC, &vector(1), &vector(2)).unwrap();
    assert!(compressor.settle(CODEC, &body[1..], true).is_err());
    compressor.settle(CODEC, &body, true).unwrap();
}

#[test]
fn a_sum_that_is_not_finite_is_refused_with_its_index() {
    let mut compressor = Compressor::new(LEN, 0.95);
    let mut local = vector(2);
    local[4321] = f32::NAN;
    let refused = compressor.encode(CODEC, &vector(1), &local);
    assert_eq!(refused, Err(CompressorError::Encode(EncodeError::NonFinite { index: 4321 })));
    assert_eq!(compressor.settle(CODEC, &[], false), Err(CompressorError::NothingPending));
}
