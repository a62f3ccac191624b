//! Stochastic rounding and bf16 vectors on the device, against scalars here.

use burn::tensor::{DType, Tensor, TensorData};
use kernels::{Codec, Rounding, cube, encode, reference};

use crate::cases::{Kind, LENGTHS, values};
use crate::{device, download, upload};

/// Threefry2x32 of 20 rounds, written out anew.
fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    let keys = [key[0], key[1], key[0] ^ key[1] ^ 0x1bd1_1bda];
    let [mut a, mut b] = [counter[0].wrapping_add(keys[0]), counter[1].wrapping_add(keys[1])];
    for (turn, rotations) in [[13, 15, 26, 6], [17, 29, 16, 24]].into_iter().cycle().take(5).enumerate() {
        for rotation in rotations {
            a = a.wrapping_add(b);
            b = b.rotate_left(rotation) ^ a;
        }
        a = a.wrapping_add(keys[(turn + 1) % 3]);
        b = b.wrapping_add(keys[(turn + 2) % 3]).wrapping_add(turn as u32 + 1);
    }
    [a, b]
}

/// The random word of an element.
fn random_of(seed: u64, index: usize) -> u32 {
    let (block, place) = (index as u64 / 64, index as u64 % 64);
    let counter = 32 * block + place % 32;
    threefry([seed as u32, (seed >> 32) as u32], [counter as u32, (counter >> 32) as u32])[(place / 32) as usize]
}

/// Exponent and significand of a float's magnitude with so many fraction bits.
fn parts(bits: u32, fraction: u32) -> (u32, u32) {
    let (exponent, rest) = (bits >> fraction, bits & ((1 << fraction) - 1));
    if exponent == 0 { (1, rest) } else { (exponent, rest | 1 << fraction) }
}

/// The code of a value: t = ⌊N·2^7 / S⌋, then a random number below 2^h added before h bits are dropped.
fn code_of(value: f32, scale: u32, q: u32, random: u32) -> i32 {
    let (exponent, n) = parts(value.abs().to_bits(), 23);
    let (scale_exponent, s) = parts(scale, 7);
    let shift = scale_exponent + 16 - exponent.min(scale_exponent + 16);
    if scale == 0 || shift > 24 {
        return 0;
    }
    let (t, h) = ((n << 7) / s, 7 + shift);
    let magnitude = ((u64::from(t) + u64::from(random) % (1 << h)) >> h).min(u64::from(q)) as i32;
    if value < 0.0 { -magnitude } else { magnitude }
}

/// The body of dense values under a seed: the scales are those of rounding to the nearest.
fn stochastic(codec: Codec, values: &[f32], seed: u64) -> Vec<u8> {
    let mut body = reference::encode(codec, values).unwrap();
    let (q, bits) = if codec == Codec::DenseInt8 { (127, 8) } else { (7, 4) };
    let size = codec.body_bytes(1);
    for (index, &value) in values.iter().enumerate() {
        let (chunk, inside) = (index / 4096, index % 4096);
        let at = chunk * size + inside / 64 * 2;
        let scale = u32::from(u16::from_le_bytes([body[at], body[at + 1]]));
        let code = code_of(value, scale, q, random_of(seed, index)) as u8;
        let byte = chunk * size + 128 + inside * bits / 8;
        let (shift, mask) = if bits == 8 { (0, 0xff) } else { (inside % 2 * 4, 0xf) };
        body[byte] = body[byte] & !(mask << shift) | (code & mask) << shift;
    }
    body
}

#[test]
fn the_random_bits_are_those_of_the_paper() {
    // The known answers that come with the authors' library.
    assert_eq!(threefry([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
    assert_eq!(threefry([!0, !0], [!0, !0]), [0x1cb9_96fc, 0xbb00_2be7]);
    assert_eq!(threefry([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3]), [0xc492_3a9c, 0x483d_f7a0]);
}

#[test]
fn stochastic_bodies_are_those_of_the_scalar() {
    for codec in [Codec::DenseInt8, Codec::DenseInt4] {
        for kind in Kind::ALL {
            if matches!(kind, Kind::Subnormal | Kind::AroundSmallestNormal | Kind::WideRange) {
                // The update of the residual may flush these.
                continue;
            }
            for len in LENGTHS {
                let seed = 0x0123_4567_89ab_cdef ^ len as u64;
                let mut sum = values(kind, len, 3);
                let zeros = || upload(&vec![0.0; len]);
                kernels::accumulate(&mut sum, &vec![0.0; len], &vec![0.0; len], 1.0);
                let rounding = Rounding::Stochastic { seed };
                let (body, left) = cube::compress(codec, rounding, upload(&sum), zeros(), zeros(), 1.0).unwrap();
                assert!(body == stochastic(codec, &sum, seed), "{codec} {kind:?} {len}");
                kernels::validate(codec, len, &body).unwrap();
                kernels::subtract(codec, &body, &mut sum).unwrap();
                assert_eq!(download(left), sum, "{codec} {kind:?} {len}");
            }
        }
    }
}

#[test]
fn what_random_bits_add_is_nothing_in_the_mean() {
    // A third of the way between two codes, a third of the elements goes up.
    let len = 64 * 4096;
    let mut sum = vec![127.0 / 3.0 * 0.01; len];
    sum.iter_mut().step_by(64).for_each(|value| *value = 1.27);
    let zeros = || upload(&vec![0.0; len]);
    let rounding = Rounding::Stochastic { seed: 7 };
    let (body, _) = cube::compress(Codec::DenseInt8, rounding, upload(&sum), zeros(), zeros(), 1.0).unwrap();
    let mut left = sum.clone();
    kernels::subtract(Codec::DenseInt8, &body, &mut left).unwrap();
    let mean = left.iter().map(|&value| f64::from(value)).sum::<f64>() / len as f64;
    // Of 258,048 draws that go up with a probability near a third, in units of 0.01: five standard deviations.
    assert!(mean.abs() < 5.0 * 0.01 * 0.48 / (len as f64).sqrt(), "{mean:e}");
    let nearest = encode(Codec::DenseInt8, &sum).unwrap();
    kernels::subtract(Codec::DenseInt8, &nearest, &mut sum).unwrap();
    assert!(sum.iter().map(|&value| f64::from(value)).sum::<f64>() / len as f64 > 1e-4);
}

fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

fn wide(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

fn upload_halves(values: &[u16]) -> Tensor<1> {
    let bytes = values.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    Tensor::from_data(TensorData::from_bytes_vec(bytes, [values.len()], DType::BF16), (&device(), DType::BF16))
}

fn download_halves(tensor: Tensor<1>) -> Vec<u16> {
    assert_eq!(tensor.dtype(), DType::BF16);
    let data = tensor.into_data();
    data.bytes().chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect()
}

#[test]
fn vectors_of_bf16_have_an_update_in_f32_and_a_rounded_rest() {
    for codec in [Codec::TopK32, Codec::TopK64, Codec::TopK256, Codec::DenseInt8, Codec::DenseInt4] {
        for len in LENGTHS {
            let halves = [1, 2, 3].map(|seed| {
                values(Kind::HeavyTails, len, seed).iter().map(|&value| bf16_bits(value)).collect::<Vec<_>>()
            });
            let [residual, base, local] = [0, 1, 2].map(|i| upload_halves(&halves[i]));
            let (body, left) = cube::compress(codec, Rounding::Nearest, residual, base, local, 0.5).unwrap();
            let [mut sum, base, local] = halves.map(|halves| halves.into_iter().map(wide).collect::<Vec<_>>());
            kernels::accumulate(&mut sum, &base, &local, 0.5);
            assert!(body == reference::encode(codec, &sum).unwrap(), "{codec} {len}");
            kernels::subtract(codec, &body, &mut sum).unwrap();
            let expected: Vec<f32> = sum.iter().map(|&value| wide(bf16_bits(value))).collect();
            let found: Vec<f32> = download_halves(left).into_iter().map(wide).collect();
            assert_eq!(found, expected, "{codec} {len}");
        }
    }
}

#[test]
fn vectors_of_mixed_kinds_are_refused() {
    let half = upload_halves(&[0; 8]);
    let refused = cube::compress(Codec::TopK64, Rounding::Nearest, half, upload(&[0.0; 8]), upload(&[0.0; 8]), 1.0);
    assert!(refused.is_err());
}
