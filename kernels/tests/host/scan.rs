//! The numbers that scoring reads, against sums over decoded vectors.

use kernels::{Clipped, Codec, DecodeError, coordinates, decode, dot, dot_sum, encode, norm, overlap, reference};

use crate::cases::{Kind, values};

const LEN: usize = 3 * 4096 + 100;

fn bodies(codec: Codec) -> Vec<(Vec<u8>, u32)> {
    (0..5).map(|i| (encode(codec, &values(Kind::HeavyTails, LEN, i)).unwrap(), 256 - 40 * i as u32)).collect()
}

fn decoded(codec: Codec, body: &[u8], clip: u32) -> Vec<f64> {
    decode(codec, LEN, body).unwrap().iter().map(|&value| f64::from(value) * f64::from(clip) / 256.0).collect()
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The fixed point keeps 18 bits of the largest magnitude of a chunk, which heavy tails leave far above the others.
fn close(a: f64, b: f64, scale: f64) {
    assert!((a - b).abs() <= 1e-4 * scale, "{a} {b}");
}

#[test]
fn norms_and_dots_are_those_of_the_decoded_vectors() {
    for codec in Codec::ALL {
        let bodies = bodies(codec);
        let [a, b] = [0, 1].map(|i| decoded(codec, &bodies[i].0, 256));
        let length = product(&a, &a).sqrt();
        close(norm(codec, LEN, &bodies[0].0).unwrap(), length, length);
        let scale = length * product(&b, &b).sqrt();
        close(dot(codec, LEN, &bodies[0].0, &bodies[1].0).unwrap(), product(&a, &b), scale);
    }
}

#[test]
fn each_is_compared_with_the_sum_of_the_counted_others() {
    for codec in Codec::ALL {
        let bodies = bodies(codec);
        let member = |i: usize| Clipped { body: &bodies[i].0, clip: bodies[i].1, counted: i != 2 };
        let found = dot_sum(codec, LEN, &(0..5).map(member).collect::<Vec<_>>()).unwrap();
        let vectors: Vec<Vec<f64>> = bodies.iter().map(|(body, clip)| decoded(codec, body, *clip)).collect();
        for (i, found) in found.iter().enumerate() {
            let mut others = vec![0.0; LEN];
            for (j, vector) in vectors.iter().enumerate().filter(|&(j, _)| j != i && j != 2) {
                assert_ne!(j, i);
                others.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
            }
            let (own, sum) = (product(&vectors[i], &vectors[i]).sqrt(), product(&others, &others).sqrt());
            close(found.norm, own, own);
            close(found.others_norm, sum, sum);
            close(found.dot, product(&vectors[i], &others), own * sum);
            close(found.cosine().unwrap(), product(&vectors[i], &others) / (own * sum), 1.0);
        }
    }
}

#[test]
fn every_kind_has_the_bits_of_the_reference() {
    for codec in Codec::ALL {
        for (seed, kind) in Kind::ALL.into_iter().enumerate() {
            for len in [1, 40, 300, LEN] {
                let bodies: Vec<Vec<u8>> = (0..4)
                    .map(|i| {
                        encode(codec, &values(if i == 3 { Kind::Normal } else { kind }, len, seed as u64 + i)).unwrap()
                    })
                    .collect();
                let members: Vec<Clipped> = bodies
                    .iter()
                    .zip([(256, true), (77, true), (3, false), (200, true)])
                    .map(|(body, (clip, counted))| Clipped { body, clip, counted })
                    .collect();
                let found = dot_sum(codec, len, &members);
                assert_eq!(found, reference::dot_sum(codec, len, &members), "{codec} {kind:?} {len}");
            }
        }
    }
}

#[test]
fn the_order_of_the_members_changes_nothing() {
    for codec in Codec::ALL.into_iter().filter(|&codec| codec != Codec::None) {
        let bodies = bodies(codec);
        let member = |(body, clip): &'_ (Vec<u8>, u32)| (body.clone(), *clip);
        let turned: Vec<_> = bodies.iter().rev().map(member).collect();
        let scan = |bodies: &[(Vec<u8>, u32)]| {
            let members: Vec<_> =
                bodies.iter().map(|(body, clip)| Clipped { body, clip: *clip, counted: true }).collect();
            dot_sum(codec, LEN, &members).unwrap()
        };
        let mut back = scan(&turned);
        back.reverse();
        assert_eq!(scan(&bodies), back, "{codec}");
    }
}

#[test]
fn as_many_members_as_the_sums_hold_at_the_extremes() {
    for codec in Codec::ALL {
        for magnitude in [f32::MAX, 1.0, 2f32.powi(-80)] {
            let body = encode(codec, &[magnitude; 5000]).unwrap();
            let mut members = vec![Clipped { body: &body, clip: 256, counted: true }; kernels::MEMBERS_MAX];
            let found = dot_sum(codec, 5000, &members).unwrap();
            assert_eq!(found, reference::dot_sum(codec, 5000, &members).unwrap());
            let norm = found[0].norm;
            assert!((found[0].others_norm / (63.0 * norm) - 1.0).abs() < 1e-12, "{codec} {found:?}");
            members.push(members[0]);
            assert_eq!(dot_sum(codec, 5000, &members), Err(DecodeError::TooManyMembers { found: 65, limit: 64 }));
        }
    }
}

#[test]
fn the_first_member_that_does_not_decode_is_refused_with_its_fault() {
    for codec in Codec::ALL {
        let good = encode(codec, &values(Kind::Normal, LEN, 1)).unwrap();
        let mut bad = good.clone();
        let end = bad.len();
        bad[end - codec.body_bytes(100)..].fill(0xff);
        let member = |body| Clipped { body, clip: 256, counted: true };
        let expected = kernels::validate(codec, LEN, &bad).unwrap_err();
        assert_eq!(dot_sum(codec, LEN, &[member(&good), member(&bad)]), Err(expected));
        assert!(matches!(dot_sum(codec, LEN, &[member(&good[1..])]), Err(DecodeError::WrongLength { .. })));
    }
}

#[test]
fn one_alone_has_no_cosine() {
    let body = encode(Codec::TopK64, &values(Kind::Normal, LEN, 1)).unwrap();
    let alone = dot_sum(Codec::TopK64, LEN, &[Clipped { body: &body, clip: 256, counted: true }]).unwrap();
    assert_eq!((alone[0].dot, alone[0].others_norm, alone[0].cosine()), (0.0, 0.0, None));
}

#[test]
fn threads_do_not_change_a_bit() {
    let bodies = bodies(Codec::TopK64);
    let members: Vec<Clipped> =
        bodies.iter().map(|(body, clip)| Clipped { body, clip: *clip, counted: true }).collect();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| dot_sum(Codec::TopK64, LEN, &members)).unwrap()
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn overlap_counts_common_real_coordinates() {
    let [a, b] = [0, 1].map(|seed| values(Kind::Normal, LEN, seed));
    for codec in [Codec::TopK32, Codec::TopK64, Codec::TopK128, Codec::TopK256] {
        let [a, b] = [&a, &b].map(|values| encode(codec, values).unwrap());
        let listed =
            |body: &[u8]| decode(codec, LEN, body).unwrap().iter().map(|&value| value != 0.0).collect::<Vec<_>>();
        let common = listed(&a).iter().zip(listed(&b)).filter(|(a, b)| **a && *b).count() as u64;
        assert_eq!(overlap(codec, LEN, &a, &b), Ok(common));
        assert_eq!(overlap(codec, LEN, &a, &a), Ok(coordinates(codec, LEN)));
    }
    assert_eq!(coordinates(Codec::TopK64, 4096 + 10), 74);
    assert_eq!(coordinates(Codec::DenseInt8, 4096 + 10), 4106);
}
