//! Stochastic rounding and bf16 vectors on the device.

use burn::tensor::{DType, Tensor, TensorData};
use kernels::{Codec, Rounding, cube, encode, reference};

use crate::cases::{Kind, LENGTHS, values};
use crate::{device, download, upload};

#[test]
fn stochastic_bodies_are_those_of_the_reference() {
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
                let expected = reference::encode_rounded(codec, rounding, &sum).unwrap();
                assert!(body == expected, "{codec} {kind:?} {len}");
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
