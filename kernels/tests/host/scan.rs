//! The numbers that scoring reads, against sums over decoded vectors.

use kernels::{Clipped, Codec, coordinates, decode, dot, dot_sum, encode, norm, overlap};

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

fn close(a: f64, b: f64, scale: f64) {
    assert!((a - b).abs() <= 1e-12 * scale, "{a} {b}");
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
