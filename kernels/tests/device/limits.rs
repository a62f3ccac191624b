//! The paths that the machine at hand would not take: fewer units, WebGPU's shared memory, planes or none.

use kernels::cube::{self, Limits};
use kernels::{Clipped, Codec, OuterStep, Rounding, Summand, encode, reference};

use crate::cases::{Kind, LENGTHS, values};
use crate::{assert_same, device, download, upload};

/// Every switch thrown alone, and all of them.
fn limits() -> [Limits; 4] {
    let all = Limits::default();
    let (shared_bytes, units, planes) = (16 << 10, 128, false);
    [
        Limits { planes, ..all },
        Limits { shared_bytes, ..all },
        Limits { units, ..all },
        Limits { units, shared_bytes, planes },
    ]
}

#[test]
fn bodies_are_the_same_under_all_limits() {
    for (number, limits) in limits().into_iter().enumerate() {
        for codec in Codec::ALL {
            for kind in [Kind::Normal, Kind::AllEqual, Kind::FewNonZero, Kind::Ramp] {
                for len in LENGTHS {
                    let mut sum = values(kind, len, number as u64);
                    let zeros = vec![0.0; len];
                    kernels::accumulate(&mut sum, &zeros, &zeros, 1.0);
                    let [residual, base, local] = [&sum, &zeros, &zeros].map(|values| upload(values));
                    let found =
                        cube::compress_within(codec, Rounding::Nearest, residual, base, local, 1.0, limits).unwrap();
                    assert!(found.0 == reference::encode(codec, &sum).unwrap(), "{codec} {kind:?} {len} {limits:?}");
                    kernels::subtract(codec, &found.0, &mut sum).unwrap();
                    assert_eq!(download(found.1), sum, "{codec} {kind:?} {len} {limits:?}");
                }
            }
        }
    }
}

#[test]
fn states_and_scans_are_the_same_under_all_limits() {
    let step = OuterStep { alpha: 200, rho: (1, 5) };
    for codec in Codec::ALL {
        for len in [300, 4096, 9000] {
            let bodies: Vec<_> =
                (0..19).map(|seed| encode(codec, &values(Kind::HeavyTails, len, seed)).unwrap()).collect();
            let theta = values(Kind::Normal, len, 99);
            let summands: Vec<_> = bodies.iter().map(|body| Summand { body, weight: 7, clip: 200 }).collect();
            let members: Vec<_> = bodies.iter().map(|body| Clipped { body, clip: 200, counted: true }).collect();
            let mut expected = theta.clone();
            reference::apply(codec, &mut expected, &summands, &step).unwrap();
            let scanned = cube::dot_sum(codec, len, &members, &device()).unwrap();
            for limits in limits() {
                let found = cube::apply_within(codec, upload(&theta), &summands, &step, limits).unwrap();
                assert_same(&download(found), &expected, &format!("{codec} {len} {limits:?}"));
                let found = cube::dot_sum_within(codec, len, &members, &device(), limits).unwrap();
                assert_eq!(found, scanned, "{codec} {len} {limits:?}");
            }
        }
    }
}
