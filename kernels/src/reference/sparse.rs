//! A sparse chunk, by counting and scanning as a device does it.

use crate::format::CHUNK;
use crate::host::aggregate;
use crate::host::magnitude::{MAGNITUDE_MASK, Toward, aligned, bf16_of_ratio, parts};

/// The bytes of a chunk from the bits of its real elements.
pub(super) fn encode(k: usize, real: &[u32]) -> Vec<u8> {
    let mut padded = real.to_vec();
    padded.resize(CHUNK, 0);
    let indices = pick(k, &padded);
    let (codes, low, high) = quantise(&indices, &padded, real.len());
    let low_bits = 12 - k.ilog2() as usize;
    let (mut lows, mut highs, mut signs) = (vec![false; k * low_bits], vec![false; 2 * k], vec![false; 2 * k]);
    for (entry, &index) in indices.iter().enumerate() {
        (0..low_bits).for_each(|bit| lows[entry * low_bits + bit] = index >> bit & 1 == 1);
        highs[(index >> low_bits) + entry] = true;
        (0..2).for_each(|bit| signs[2 * entry + bit] = codes[entry] >> bit & 1 == 1);
    }
    let fields = [lows, highs, signs].concat();
    let bytes = fields.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit)));
    bytes.chain(low.to_le_bytes()).chain(high.to_le_bytes()).collect()
}

/// The k largest, by bisecting the bits of the threshold; then a scan that takes ties from the lowest index on.
fn pick(k: usize, padded: &[u32]) -> Vec<usize> {
    let reaching = |bound: u32| padded.iter().filter(|&&bits| bits & MAGNITUDE_MASK >= bound).count();
    let threshold = (0..31).rev().fold(0, |found, bit| {
        let candidate = found | 1 << bit;
        if reaching(candidate) >= k { candidate } else { found }
    });
    let mut ties = k - reaching(threshold + 1);
    let mut take = |bits: u32| {
        let tie = bits == threshold && ties > 0;
        ties -= usize::from(tie);
        bits > threshold || tie
    };
    (0..padded.len()).filter(|&index| take(padded[index] & MAGNITUDE_MASK)).collect()
}

/// Codes, L and H.
fn quantise(indices: &[usize], padded: &[u32], real: usize) -> (Vec<u8>, u16, u16) {
    let picked: Vec<u32> = indices.iter().filter(|&&index| index < real).map(|&index| padded[index]).collect();
    let top = picked.iter().map(|bits| parts(bits & MAGNITUDE_MASK).0).max().unwrap_or(1);
    let significand = |bits: u32| aligned(bits & MAGNITUDE_MASK, top);
    let count = picked.len() as u32;
    let sum: u32 = picked.iter().map(|&bits| significand(bits)).sum();
    let is_low = |bits: u32| count * significand(bits) < sum;
    let lows: Vec<u32> = picked.iter().filter(|&&bits| is_low(bits)).map(|&bits| significand(bits)).collect();
    let (low_sum, low_count): (u32, u32) = (lows.iter().sum(), lows.len() as u32);
    let mean = |sum, count: u32| bf16_of_ratio(sum, count.max(1), top, Toward::Nearest);
    let code = |bits: u32| u8::from(bits > 1 << 31) | u8::from(!is_low(bits)) << 1;
    let mut codes: Vec<u8> = picked.iter().map(|&bits| code(bits)).collect();
    codes.resize(indices.len(), 0);
    (codes, mean(low_sum, low_count), mean(sum - low_sum, count - low_count))
}

/// (index, negative, high) of each real entry of a valid chunk, with L and H.
pub(super) fn decode(k: usize, bytes: &[u8], real: usize) -> (Vec<(usize, bool, bool)>, [u16; 2]) {
    let low_bits = 12 - k.ilog2() as usize;
    let high_at = k * low_bits;
    let bit = |at: usize| bytes[at / 8] >> (at % 8) & 1 == 1;
    let ones = (0..2 * k).filter(|&position| bit(high_at + position));
    let entries = ones.enumerate().map(|(entry, position)| {
        let low = (0..low_bits).fold(0, |low, b| low | usize::from(bit(entry * low_bits + b)) << b);
        let code = high_at + 2 * k + 2 * entry;
        ((position - entry) << low_bits | low, bit(code), bit(code + 1))
    });
    let magnitude = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let end = bytes.len();
    (entries.filter(|&(index, ..)| index < real).collect(), [magnitude(end - 4), magnitude(end - 2)])
}

/// (Σ ±w·V, Σ w) of every real element of a chunk, and E.
pub(super) fn sums(k: usize, chunks: &[(&[u8], u32, u32)], real: usize) -> (Vec<(i32, u32)>, i32) {
    let decoded: Vec<_> = chunks.iter().map(|(bytes, ..)| decode(k, bytes, real)).collect();
    let exponent = aggregate::sparse_exponent(decoded.iter().map(|(_, magnitudes)| magnitudes[1]).max().unwrap_or(0));
    let mut sums = vec![(0, 0); real];
    for ((entries, magnitudes), &(_, weight, coefficient)) in decoded.iter().zip(chunks) {
        for &(index, negative, high) in entries {
            let fixed = aggregate::sparse_fixed(magnitudes[usize::from(high)], coefficient, exponent);
            let value = (weight * fixed) as i32;
            sums[index].0 += if negative { -value } else { value };
            sums[index].1 += weight;
        }
    }
    (sums, exponent)
}

/// ±V of each body for every real element of a chunk, and E.
pub(super) fn fixed(k: usize, chunks: &[(&[u8], u32, u32)], real: usize) -> (Vec<Vec<i64>>, i32) {
    let exponent = sums(k, chunks, real).1;
    let alone = |&(bytes, _, coefficient): &(&[u8], u32, u32)| {
        let (entries, magnitudes) = decode(k, bytes, real);
        let mut values = vec![0; real];
        for (index, negative, high) in entries {
            let value = i64::from(aggregate::sparse_fixed(magnitudes[usize::from(high)], coefficient, exponent));
            values[index] = if negative { -value } else { value };
        }
        values
    };
    (chunks.iter().map(alone).collect(), exponent)
}
