//! The residual on the device.

use kernels::{Codec, Compressor, CompressorError, EncodeError, Local, Rounding};

use crate::cases::{Kind, values};
use crate::{download, upload};

const LEN: usize = 9000;

/// Values of few bits, whose sums and products every device's floats hold exactly.
fn vector(seed: u64) -> Vec<f32> {
    values(Kind::SmallIntegers, LEN, seed)
}

fn on_host() -> Compressor {
    Compressor::new(&Local::Host(&[0.0; LEN]), 0.5)
}

fn on_device(beta: f32) -> Compressor {
    Compressor::new(&Local::Device(upload(&[0.0; LEN])), beta)
}

#[test]
fn a_residual_on_the_device_goes_the_way_of_one_on_the_host() {
    // β = ½ keeps all products exact, so that host and device must agree in every bit.
    let mut host = on_host();
    let mut there = on_device(0.5);
    for (round, codec) in [Codec::TopK64, Codec::DenseInt8, Codec::TopK256, Codec::TopK64].into_iter().enumerate() {
        let (base, local) = (vector(round as u64), vector(round as u64 + 10));
        let body = host.encode(codec, &base, Local::Host(&local)).unwrap();
        let by_tensor = there.encode(codec, &base, Local::Device(upload(&local))).unwrap();
        assert!(by_tensor == body, "round {round}");
        assert!(there.encode(codec, &base, Local::Host(&local)).unwrap() == body, "round {round} from slices");
        let accepted = round != 1;
        host.verdict(codec, &body, accepted).unwrap();
        there.verdict(codec, &body, accepted).unwrap();
        assert_eq!(host.save().unwrap(), there.save().unwrap(), "round {round}");
    }
}

#[test]
fn a_residual_moves_between_host_and_device_by_its_saved_form() {
    let mut host = on_host();
    let body = host.encode(Codec::TopK64, &vector(1), Local::Host(&vector(2))).unwrap();
    host.verdict(Codec::TopK64, &body, true).unwrap();
    let mut there = on_device(0.5);
    there.encode(Codec::TopK64, &vector(5), Local::Host(&vector(6))).unwrap();
    there.load(host.save().unwrap()).unwrap();
    assert_eq!(there.verdict(Codec::TopK64, &body, true), Err(CompressorError::NothingPending));
    for accepted in [false, true] {
        let body = host.encode(Codec::TopK64, &vector(3), Local::Host(&vector(4))).unwrap();
        assert!(there.encode(Codec::TopK64, &vector(3), Local::Host(&vector(4))).unwrap() == body);
        host.verdict(Codec::TopK64, &body, accepted).unwrap();
        there.verdict(Codec::TopK64, &body, accepted).unwrap();
        assert_eq!(host.save().unwrap(), there.save().unwrap());
    }
    there.encode(Codec::TopK64, &vector(3), Local::Host(&vector(4))).unwrap();
    assert_eq!(host.save().unwrap(), there.save().unwrap());
}

#[test]
fn a_sum_that_is_not_finite_is_refused_with_its_index() {
    let mut there = on_device(0.95);
    let mut local = vector(2);
    local[8123] = f32::NAN;
    let refused = there.encode(Codec::TopK64, &vector(1), Local::Host(&local));
    assert_eq!(refused, Err(CompressorError::Encode(EncodeError::NonFinite { index: 8123 })));
    assert_eq!(there.verdict(Codec::TopK64, &[], true), Err(CompressorError::NothingPending));
    let wrong = CompressorError::WrongElements { expected: LEN, found: 3 };
    assert_eq!(there.encode(Codec::TopK64, &[0.0; 3], Local::Device(upload(&local))), Err(wrong));
}

#[test]
fn what_is_left_on_the_device_is_near_the_hosts() {
    let [residual, base, local] = [1, 2, 3].map(|seed| values(Kind::Normal, LEN, seed));
    for codec in Codec::ALL {
        let mut expected = vec![0.0; LEN];
        let inputs = [residual.as_slice(), &base, &local];
        kernels::compress(codec, Rounding::Nearest, inputs, 0.95, &mut expected).unwrap();
        let inputs = [&residual, &base, &local].map(|values| upload(values));
        let [residual, base, local] = inputs;
        let (_, left) = kernels::cube::compress(codec, Rounding::Nearest, residual, base, local, 0.95).unwrap();
        // A last bit of the sum may move a code or a pick, but seldom.
        let far = download(left).iter().zip(&expected).filter(|(a, b)| (*a - *b).abs() > 1e-9).count();
        assert!(far <= 8, "{codec}: {far}");
    }
}
