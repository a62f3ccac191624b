//! The residual on the device.

use kernels::{Codec, Compressor, CompressorError, EncodeError};

use crate::cases::{Kind, values};
use crate::{device, download, upload};

const LEN: usize = 9000;

/// Values of few bits, whose sums and products every device's floats hold exactly.
fn vector(seed: u64) -> Vec<f32> {
    values(Kind::SmallIntegers, LEN, seed)
}

#[test]
fn a_residual_on_the_device_goes_the_way_of_one_on_the_host() {
    // β = ½ keeps all products exact, so that host and device must agree in every bit.
    let mut host = Compressor::new(LEN, 0.5);
    let mut there = Compressor::on_device(LEN, 0.5, &device());
    for (round, codec) in [Codec::TopK64, Codec::DenseInt8, Codec::TopK256, Codec::TopK64].into_iter().enumerate() {
        let (base, local) = (vector(round as u64), vector(round as u64 + 10));
        let body = host.encode(codec, &base, &local).unwrap();
        let by_tensors = there.encode_tensors(codec, upload(&base), upload(&local)).unwrap();
        assert!(by_tensors == body, "round {round}");
        assert!(there.encode(codec, &base, &local).unwrap() == body, "round {round} from slices");
        let accepted = round != 1;
        host.settle(codec, &body, accepted).unwrap();
        there.settle(codec, &body, accepted).unwrap();
        assert_eq!(host.save().unwrap(), there.save().unwrap(), "round {round}");
    }
}

#[test]
fn a_residual_moves_between_host_and_device_by_its_saved_form() {
    let mut host = Compressor::new(LEN, 0.5);
    let body = host.encode(Codec::TopK64, &vector(1), &vector(2)).unwrap();
    let mut there = Compressor::on_device(LEN, 0.5, &device());
    there.load(host.save().unwrap()).unwrap();
    host.settle(Codec::TopK64, &body, true).unwrap();
    there.settle(Codec::TopK64, &body, true).unwrap();
    assert_eq!(host.save().unwrap(), there.save().unwrap());
    there.encode(Codec::TopK64, &vector(3), &vector(4)).unwrap();
    there.abandon();
    assert_eq!(host.save().unwrap(), there.save().unwrap());
}

#[test]
fn a_sum_that_is_not_finite_is_refused_with_its_index() {
    let mut there = Compressor::on_device(LEN, 0.95, &device());
    let mut local = vector(2);
    local[8123] = f32::NAN;
    let refused = there.encode(Codec::TopK64, &vector(1), &local);
    assert_eq!(refused, Err(CompressorError::Encode(EncodeError::NonFinite { index: 8123 })));
    assert_eq!(there.settle(Codec::TopK64, &[], true), Err(CompressorError::NothingPending));
    let wrong = CompressorError::WrongElements { expected: LEN, found: 3 };
    assert_eq!(there.encode_tensors(Codec::TopK64, upload(&[0.0; 3]), upload(&local)), Err(wrong));
}

#[test]
fn accumulating_stays_on_the_device_and_near_the_host() {
    let (residual, base, local) =
        (values(Kind::Normal, LEN, 1), values(Kind::Normal, LEN, 2), values(Kind::Normal, LEN, 3));
    let mut expected = residual.clone();
    kernels::accumulate(&mut expected, &base, &local, 0.95);
    let found = download(kernels::cube::accumulate(upload(&residual), upload(&base), upload(&local), 0.95));
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-9));
}
