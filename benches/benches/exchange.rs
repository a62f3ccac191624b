//! The arrow from a pseudo-gradient to the next state, beside a copy of the same bytes in the same run: encode,
//! aggregate and apply, hash. `cargo bench -p benches --bench exchange`.
//!
//! Throughput counts the f32 parameters that go in, so that every row divides by the copy's.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kernels::{Codec, OuterStep, Term};
use models::random::Stream;

/// Parameters of the vector: larger than the last-level caches of most machines.
const ELEMENTS: usize = 1 << 24;
/// Payloads of the aggregate.
const TERMS: usize = 3;

fn pseudo_gradient(seed: u64) -> Vec<f32> {
    let stream = Stream::new("cotrain/bench/1", seed, "pseudo-gradient");
    (0..ELEMENTS as u64).map(|index| 1e-3 * stream.normal(index)).collect()
}

fn exchange(criterion: &mut Criterion) {
    let values = pseudo_gradient(0);
    let mut group = criterion.benchmark_group("exchange");
    group.throughput(Throughput::Bytes(4 * ELEMENTS as u64)).sample_size(10);
    let mut copy = vec![0.0_f32; ELEMENTS];
    group.bench_function("copy", |bench| bench.iter(|| copy.copy_from_slice(black_box(&values))));
    group.bench_function("blake3", |bench| bench.iter(|| kernels::state_hash(black_box(&values), &[])));
    for codec in [Codec::TopK64, Codec::TopK256, Codec::DenseInt8, Codec::DenseInt4] {
        group.bench_function(format!("encode/{}", codec.name()), |bench| {
            bench.iter(|| kernels::encode(codec, black_box(&values)).map(|body| body.len()));
        });
        let bodies: Vec<Vec<u8>> =
            (0..TERMS as u64).filter_map(|seed| kernels::encode(codec, &pseudo_gradient(seed)).ok()).collect();
        let terms: Vec<Term<'_>> = bodies.iter().map(|body| Term { body, weight: 64, clip: 256 }).collect();
        let step = OuterStep { alpha: 256, rho: (1, 5) };
        group.bench_function(format!("apply{TERMS}/{}", codec.name()), |bench| {
            bench.iter_batched_ref(
                || values.clone(),
                |theta| kernels::apply(codec, theta, &terms, &step).is_ok(),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, exchange);
criterion_main!(benches);
