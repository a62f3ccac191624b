//! What scoring reads, on the device, against integers of 64 bits on the host.

use kernels::{Clipped, Codec, DotSum, cube, encode};

use crate::cases::{Kind, LENGTHS, Random, values};
use crate::device;

/// Two's power, for every exponent that occurs.
fn power(exponent: i32) -> f64 {
    2f64.powi(exponent)
}

/// round(x / 2^shift), ties to even, of integers.
fn rounded(value: u64, shift: u32) -> i64 {
    if shift > 40 {
        return 0;
    }
    let (kept, rest, half) = (value >> shift, value & ((1 << shift) - 1), (1u64 << shift) / 2);
    (kept + u64::from(rest > half || (rest == half && kept & 1 == 1))) as i64
}

/// Significand and exponent of a bf16 that is a normal number.
fn parts(value: f32) -> (u64, i32) {
    let bits = value.abs().to_bits();
    (u64::from(bits >> 16 & 0x7f | 0x80), (bits >> 23) as i32)
}

/// V of an element of largest magnitude `m` per unit of code: |V| = round(256·c·code·m·2^(18 − E) / 65536).
fn fixed(code: u64, m: f32, clip: u32, exponent: i32) -> i64 {
    if m < 2f32.powi(-100) {
        return 0;
    }
    let (significand, own) = parts(m);
    // m is significand · 2^(own − 134).
    let shift = 16 - (18 - exponent) - (own - 134);
    rounded(256 * u64::from(clip) * code * significand, shift as u32)
}

/// A member's code times its magnitude, element by element: (magnitude, code).
fn coded(codec: Codec, len: usize, body: &[u8]) -> Vec<(f32, i64)> {
    let mut decoded = vec![0.0; len];
    kernels::subtract(codec, body, &mut decoded).unwrap();
    let bits = |at: usize| f32::from_bits(u32::from(u16::from_le_bytes([body[at], body[at + 1]])) << 16);
    decoded
        .iter()
        .enumerate()
        .map(|(i, negated)| {
            let value = -negated;
            if codec.is_sparse() {
                return (value.abs(), if value < 0.0 { -1 } else { 1 });
            }
            let size = codec.body_bytes(1);
            let scale = bits(i / 4096 * size + i % 4096 / 64 * 2);
            (scale, if scale == 0.0 { 0 } else { (f64::from(value) / f64::from(scale)) as i64 })
        })
        .collect()
}

/// E of a chunk or block from its largest magnitude.
fn exponent_of(codec: Codec, largest: f32) -> i32 {
    let floor = 2f32.powi(-100);
    let (_, own) = parts(largest.max(floor));
    match codec {
        _ if codec.is_sparse() && largest < floor => -100,
        _ if codec.is_sparse() => own - 126,
        Codec::DenseInt8 => own - 119,
        _ => own - 123,
    }
}

/// The H of every chunk: the largest that any member states, whether an element carries it or not.
fn largest_of(codec: Codec, bodies: &[Vec<u8>], chunk: usize, block: usize) -> f32 {
    let size = codec.body_bytes(1);
    let at = if codec.is_sparse() { (chunk + 1) * size - 2 } else { chunk * size + 2 * block };
    let bits = |body: &[u8]| f32::from_bits(u32::from(u16::from_le_bytes([body[at], body[at + 1]])) << 16);
    bodies.iter().map(|body| bits(body)).fold(0.0, f32::max)
}

/// The plain host: P, Q and S in i64 a part, then f64 part after part and chunk after chunk.
fn expected(codec: Codec, len: usize, bodies: &[Vec<u8>], rest: &[(u32, bool)]) -> Vec<DotSum> {
    let coded: Vec<_> = bodies.iter().map(|body| coded(codec, len, body)).collect();
    let span = if codec.is_sparse() { 4096 } else { 64 };
    let mut total = vec![0.0; 2 * bodies.len() + 1];
    for chunk in 0..len.div_ceil(4096) {
        let mut numbers = vec![0.0; total.len()];
        for first in (chunk * 4096..len.min(chunk * 4096 + 4096)).step_by(span) {
            let last = len.min(first + span);
            let exponent = exponent_of(codec, largest_of(codec, bodies, chunk, first % 4096 / 64));
            let mut exact = vec![0i64; total.len()];
            for i in first..last {
                let v: Vec<i64> = coded
                    .iter()
                    .zip(rest)
                    .map(|(coded, &(clip, _))| {
                        let (magnitude, code) = coded[i];
                        code.signum() * fixed(code.unsigned_abs(), magnitude, clip, exponent)
                    })
                    .collect();
                let sum: i64 = v.iter().zip(rest).filter(|(_, rest)| rest.1).map(|(v, _)| v).sum();
                for (member, v) in v.iter().enumerate() {
                    exact[2 * member] += v * sum;
                    exact[2 * member + 1] += v * v;
                }
                exact[2 * bodies.len()] += sum * sum;
            }
            let unit = power(2 * (exponent - 18));
            numbers.iter_mut().zip(exact).for_each(|(number, exact)| *number += exact as f64 * unit);
        }
        total.iter_mut().zip(numbers).for_each(|(total, number)| *total += number);
    }
    let sum_square = total[2 * bodies.len()];
    rest.iter()
        .enumerate()
        .map(|(i, &(_, counted))| {
            let (with_sum, square) = (total[2 * i], total[2 * i + 1]);
            let (dot, others) = if counted {
                (with_sum - square, sum_square - 2.0 * with_sum + square)
            } else {
                (with_sum, sum_square)
            };
            DotSum { dot, norm: square.sqrt(), others_norm: others.max(0.0).sqrt() }
        })
        .collect()
}

fn check(codec: Codec, len: usize, kinds: &[Kind], count: usize, seed: u64) {
    let mut random = Random(seed);
    let mut bodies = Vec::new();
    let mut rest = Vec::new();
    for _ in 0..count {
        let kind = kinds[random.below(kinds.len() as u64) as usize];
        bodies.push(encode(codec, &values(kind, len, random.next())).unwrap());
        rest.push((random.below(257) as u32, random.below(4) != 0));
    }
    let members: Vec<Clipped<'_>> =
        bodies.iter().zip(&rest).map(|(body, &(clip, counted))| Clipped { body, clip, counted }).collect();
    let found = cube::dot_sum(codec, len, &members, &device()).unwrap();
    assert_eq!(found, expected(codec, len, &bodies, &rest), "{codec} {len} {kinds:?} {count} seed {seed}");
}

const EXACT: [Codec; 6] =
    [Codec::TopK32, Codec::TopK64, Codec::TopK128, Codec::TopK256, Codec::DenseInt8, Codec::DenseInt4];

#[test]
fn the_scan_is_that_of_integers_on_every_kind() {
    for codec in EXACT {
        for (seed, kind) in Kind::ALL.into_iter().enumerate() {
            for len in LENGTHS {
                check(codec, len, &[kind], 3, (seed * 31 + len) as u64);
            }
        }
    }
}

#[test]
fn the_scan_is_that_of_integers_on_mixed_kinds() {
    for codec in EXACT {
        for (seed, count) in [1, 2, 16, 17, 40].into_iter().enumerate() {
            check(codec, 9000, &Kind::ALL, count, seed as u64);
            check(codec, 13_000, &[Kind::Normal, Kind::HeavyTails], count, seed as u64);
        }
    }
}

#[test]
fn sixty_four_equal_members_reach_the_largest_sums() {
    for codec in EXACT {
        for magnitude in [f32::MAX, 1.0, 2f32.powi(-100)] {
            let body = encode(codec, &vec![magnitude; 4096]).unwrap();
            let members = vec![Clipped { body: &body, clip: 256, counted: true }; 64];
            let found = cube::dot_sum(codec, 4096, &members, &device()).unwrap();
            let rest = vec![(256, true); 64];
            assert_eq!(found, expected(codec, 4096, &vec![body.clone(); 64], &rest), "{codec} {magnitude:e}");
        }
    }
}

#[test]
fn the_host_takes_what_the_device_cannot() {
    let body = encode(Codec::None, &values(Kind::Normal, 5000, 1)).unwrap();
    let member = Clipped { body: &body, clip: 200, counted: true };
    let expected = kernels::dot_sum(Codec::None, 5000, &[member, member]).unwrap();
    assert_eq!(cube::dot_sum(Codec::None, 5000, &[member, member], &device()).unwrap(), expected);
    let short = Clipped { body: &body[1..], ..member };
    assert!(cube::dot_sum(Codec::TopK64, 5000, &[short], &device()).is_err());
    assert_eq!(cube::dot_sum(Codec::TopK64, 5000, &[], &device()), Ok(Vec::new()));
}
