//! The rows of the device.

use kernels::Codec;
use kernels::bench::{BenchError, Options, SUMMANDS};
use kernels::cube::bench::{identity, run};

use crate::device;

fn options(elements: &[usize]) -> Options {
    Options { elements: elements.to_vec(), samples: 3, arena_bytes: 1 << 16, body_bytes_max: 1 << 20 }
}

#[test]
fn every_kernel_of_every_codec_has_a_row_beside_the_copy() {
    let mut rows = Vec::new();
    run(&options(&[5000]), &device(), |row| rows.push(row)).unwrap();
    assert_eq!(rows.len(), 1 + (Codec::ALL.len() - 1) * (2 + 2 * SUMMANDS.len()));
    assert_eq!((rows[0].kernel.as_str(), rows[0].copy_fraction), ("copy", 1.0));
    assert!(rows.iter().all(|row| row.median_ns > 0 && row.copy_fraction > 0.0), "{rows:?}");
    let (name, target) = identity(&device()).unwrap();
    assert!(!name.is_empty(), "{target}");
}

#[test]
fn nothing_to_time_is_an_error() {
    let nothing = Err(BenchError::Nothing);
    assert_eq!(run(&options(&[0]), &device(), |_| ()), nothing);
    assert_eq!(run(&Options { samples: 0, ..options(&[1]) }, &device(), |_| ()), nothing);
}
