//! The format once more, written from FORMAT.md with exact f64 and wide integers: slow, plain, and sharing no code with
//! the crate. Every f64 here is exact or a correctly rounded quotient whose rounding cannot move a tie.

use std::cmp::Reverse;

/// A weighted contribution: body, weight, clip.
pub(crate) type Weighted<'a> = (&'a [u8], u32, u32);

pub(crate) fn k_of(codec: kernels::Codec) -> Option<usize> {
    let name = codec.name().strip_prefix("topk")?;
    name.strip_suffix("-q2")?.parse().ok()
}

fn q_of(codec: kernels::Codec) -> f64 {
    if codec == kernels::Codec::DenseInt8 { 127.0 } else { 7.0 }
}

fn bf16(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

/// The bf16 nearest to `x` (exact or a correctly rounded quotient), or the next one up.
fn to_bf16(x: f64, up: bool) -> u16 {
    if x == 0.0 {
        return 0;
    }
    let mut exponent = -140;
    while 2f64.powi(exponent + 1) <= x {
        exponent += 1;
    }
    let unit = 2f64.powi((exponent - 7).max(-133));
    let scaled = if up { (x / unit).ceil() } else { (x / unit).round_ties_even() };
    let value = (scaled * unit).min(bf16(0x7f7f));
    ((value as f32).to_bits() >> 16) as u16
}

fn bits_to_bytes(bits: &[bool]) -> Vec<u8> {
    bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(i, &bit)| u8::from(bit) << i).sum()).collect()
}

pub(crate) fn encode(codec: kernels::Codec, values: &[f32]) -> Vec<u8> {
    let chunk = |chunk: &[f32]| match k_of(codec) {
        Some(k) => encode_sparse(k, chunk),
        None if codec == kernels::Codec::None => chunk.iter().flat_map(|value| value.to_le_bytes()).collect(),
        None => encode_dense(codec, chunk),
    };
    values.chunks(4096).flat_map(chunk).collect()
}

fn encode_sparse(k: usize, chunk: &[f32]) -> Vec<u8> {
    let mut order: Vec<usize> = (0..chunk.len()).collect();
    order.sort_by_key(|&i| (Reverse(chunk[i].abs().to_bits()), i));
    order.truncate(k);
    order.sort_unstable();
    let exponent = |x: f32| (x.abs().to_bits() >> 23).max(1) as i32;
    let top = order.iter().map(|&i| exponent(chunk[i])).max().unwrap();
    // The magnitude in units of 2^(top − 150), truncated.
    let a = |i: usize| (f64::from(chunk[i].abs()) / 2f64.powi(top - 150)).floor();
    let sum: f64 = order.iter().map(|&i| a(i)).sum();
    let is_low = |i: usize| order.len() as f64 * a(i) < sum;
    let mean = |low: bool| {
        let side: Vec<f64> = order.iter().filter(|&&i| is_low(i) == low).map(|&i| a(i)).collect();
        let total: f64 = side.iter().sum();
        if side.is_empty() { 0 } else { to_bf16(total / side.len() as f64 * 2f64.powi(top - 150), false) }
    };
    let b = 12 - k.ilog2() as usize;
    let (mut low, mut high, mut code) = (vec![false; k * b], vec![false; 2 * k], vec![false; 2 * k]);
    for j in 0..k {
        let index = order.get(j).copied().unwrap_or(j);
        (0..b).for_each(|bit| low[b * j + bit] = index >> bit & 1 != 0);
        high[(index >> b) + j] = true;
        if j < order.len() {
            code[2 * j] = chunk[index] < 0.0;
            code[2 * j + 1] = !is_low(index);
        }
    }
    let mut bytes = bits_to_bytes(&[low, high, code].concat());
    bytes.extend(mean(true).to_le_bytes());
    bytes.extend(mean(false).to_le_bytes());
    bytes
}

fn encode_dense(codec: kernels::Codec, chunk: &[f32]) -> Vec<u8> {
    let q = q_of(codec);
    let (scale_max, eight) = if q == 127.0 { (0x7c01, true) } else { (0x7e12, false) };
    let mut padded = chunk.to_vec();
    padded.resize(4096, 0.0);
    let (mut scales, mut codes) = (Vec::new(), Vec::new());
    for block in padded.chunks(64) {
        let largest = block.iter().fold(0.0f64, |largest, &x| largest.max(f64::from(x).abs()));
        let scale = to_bf16(largest / q, true).min(scale_max);
        scales.extend(scale.to_le_bytes());
        let code = |x: &f32| (f64::from(*x) / bf16(scale)).round_ties_even().clamp(-q, q) as i32;
        codes.extend(block.iter().map(|x| if scale == 0 { 0 } else { code(x) }));
    }
    let pack = |pair: &[i32]| (pair[0] & 15 | (pair[1] & 15) << 4) as u8;
    let codes: Vec<u8> =
        if eight { codes.iter().map(|&c| c as u8).collect() } else { codes.chunks(2).map(pack).collect() };
    [scales, codes].concat()
}

/// (index, negative, high) of each real entry, and L, H.
pub(crate) fn entries(k: usize, bytes: &[u8], real: usize) -> (Vec<(usize, bool, bool)>, [f64; 2]) {
    let b = 12 - k.ilog2() as usize;
    let bit = |at: usize| bytes[at / 8] >> (at % 8) & 1 != 0;
    let mut entries = Vec::new();
    for p in (0..2 * k).filter(|&p| bit(k * b + p)) {
        let j = entries.len();
        let low: usize = (0..b).map(|i| usize::from(bit(b * j + i)) << i).sum();
        let code = k * b + 2 * k + 2 * j;
        entries.push((((p - j) << b) + low, bit(code), bit(code + 1)));
    }
    entries.truncate(real);
    let at = bytes.len() - 4;
    let magnitude = |at: usize| bf16(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    (entries, [magnitude(at), magnitude(at + 2)])
}

/// Codes and scales of a dense chunk.
pub(crate) fn dense(codec: kernels::Codec, bytes: &[u8]) -> (Vec<i32>, Vec<f64>) {
    let scales = bytes[..128].chunks(2).map(|two| bf16(u16::from_le_bytes([two[0], two[1]]))).collect();
    let sign = |nibble: u8| if nibble > 7 { i32::from(nibble) - 16 } else { i32::from(nibble) };
    let codes = match codec {
        kernels::Codec::DenseInt8 => bytes[128..].iter().map(|&byte| i32::from(byte as i8)).collect(),
        _ => bytes[128..].iter().flat_map(|&byte| [sign(byte & 15), sign(byte >> 4)]).collect(),
    };
    (codes, scales)
}

pub(crate) fn decode(codec: kernels::Codec, elements: usize, body: &[u8]) -> Vec<f32> {
    let mut values = vec![0.0; elements];
    let size = codec.body_bytes(4096);
    for (chunk, bytes) in values.chunks_mut(4096).zip(body.chunks(size)) {
        if let Some(k) = k_of(codec) {
            let (entries, magnitudes) = entries(k, bytes, chunk.len());
            for (index, negative, high) in entries {
                let magnitude = magnitudes[usize::from(high)] as f32;
                chunk[index] = if negative { -magnitude } else { magnitude };
            }
        } else if codec == kernels::Codec::None {
            let four = |at: usize| f32::from_le_bytes(bytes[4 * at..4 * at + 4].try_into().unwrap());
            chunk.iter_mut().enumerate().for_each(|(index, value)| *value = four(index));
        } else {
            let (codes, scales) = dense(codec, bytes);
            let exact = |index: usize| f64::from(codes[index]) * scales[index / 64];
            chunk.iter_mut().enumerate().for_each(|(index, value)| *value = exact(index) as f32);
        }
    }
    values
}

fn divide(numerator: i128, denominator: i128) -> i128 {
    let (quotient, rest) = (numerator.div_euclid(denominator), 2 * numerator.rem_euclid(denominator));
    let up = rest > denominator || (rest == denominator && quotient % 2 != 0);
    quotient + i128::from(up)
}

/// The smallest integer E with `bound · magnitude < 2^E` for all that are at least 2^−100.
fn exponent(magnitudes: &[f64], bound: f64) -> i32 {
    let largest = magnitudes.iter().copied().filter(|&m| m >= 2f64.powi(-100)).fold(0.0, f64::max);
    (-100..).find(|&e| bound * largest < 2f64.powi(e)).unwrap()
}

fn fixed(magnitude: f64, unit: f64, coefficient: u32, exponent: i32) -> i128 {
    if unit < 2f64.powi(-100) {
        return 0;
    }
    // 17 + 15 significant bits times a power of two: exact.
    (f64::from(coefficient) * magnitude * 2f64.powi(18 - exponent) / 65536.0).round_ties_even() as i128
}

/// One number of the sums: every element's Σ ±w·V and Σ w, and its E.
fn chunk_sums(codec: kernels::Codec, real: usize, summands: &[Weighted], alpha: u32) -> Vec<(i128, i128, i32)> {
    let mut sums = vec![(0, 0, -100); real];
    if let Some(k) = k_of(codec) {
        let decoded: Vec<_> = summands.iter().map(|(bytes, ..)| entries(k, bytes, real)).collect();
        let e = exponent(&decoded.iter().map(|(_, m)| m[1]).collect::<Vec<_>>(), 1.0);
        for ((entries, magnitudes), &(_, weight, clip)) in decoded.iter().zip(summands) {
            for &(index, negative, high) in entries {
                let magnitude = magnitudes[usize::from(high)];
                let v = i128::from(weight) * fixed(magnitude, magnitude, alpha * clip, e);
                sums[index].0 += if negative { -v } else { v };
                sums[index].1 += i128::from(weight);
            }
        }
        sums.iter_mut().for_each(|sum| sum.2 = e);
        return sums;
    }
    let decoded: Vec<_> = summands.iter().map(|(bytes, ..)| dense(codec, bytes)).collect();
    for (index, sum) in sums.iter_mut().enumerate() {
        let scales: Vec<f64> = decoded.iter().map(|(_, scales)| scales[index / 64]).collect();
        sum.2 = exponent(&scales, q_of(codec) + 1.0);
        for ((codes, scales), &(_, weight, clip)) in decoded.iter().zip(summands) {
            let scale = scales[index / 64];
            let magnitude = f64::from(codes[index].abs()) * scale;
            sum.0 +=
                i128::from(codes[index].signum()) * i128::from(weight) * fixed(magnitude, scale, alpha * clip, sum.2);
            sum.1 += i128::from(weight);
        }
    }
    sums
}

/// The next state; infinite where it overflows.
pub(crate) fn apply(
    codec: kernels::Codec,
    theta: &[f32],
    summands: &[Weighted],
    alpha: u32,
    rho: (u32, u32),
) -> Vec<f32> {
    let summands: Vec<Weighted> = summands.iter().copied().filter(|summand| summand.1 > 0).collect();
    let total: i128 = summands.iter().map(|summand| i128::from(summand.1)).sum();
    let (numerator, denominator) = (i128::from(rho.0), i128::from(rho.1));
    let least = (numerator * total + denominator - 1) / denominator;
    let size = codec.body_bytes(4096);
    let mut next = theta.to_vec();
    for (number, theta) in next.chunks_mut(4096).enumerate() {
        let chunks: Vec<Weighted> =
            summands.iter().map(|&(body, weight, clip)| (&body[number * size..][..size], weight, clip)).collect();
        let sums = chunk_sums(codec, theta.len(), &chunks, alpha);
        for (theta, (sum, senders, e)) in theta.iter_mut().zip(sums) {
            assert!(sum.abs() <= 1 << 30);
            if senders > 0 {
                let q = divide(sum, senders.max(least));
                let difference = q as f64 * 2f64.powi(e - 18);
                assert_eq!(f64::from(difference as f32), difference, "the difference is an f32");
                *theta -= difference as f32;
            }
        }
    }
    next
}
