//! The kernels on the host, beside the machine's own copy in the same run: `cargo bench -p benches`. The same cases,
//! with a table, are in `cotrain bench kernels`; each was compared with the scalar reference before it is timed.
//!
//! Throughput counts the bytes that must cross the memory bus, so that a row divides by the copy's.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kernels::bench::{Arena, Case, Options, each_case};
use models::AdamWBench;

/// Vectors within the caches of most machines, and beyond them.
const ELEMENTS: [usize; 2] = [1 << 16, 1 << 22];

fn adamw(arena: &Arena) -> Case {
    let mut bench = AdamWBench::new(arena.elements(), arena.slices());
    let moved = AdamWBench::BYTES_PER_ELEMENT * arena.elements();
    Case::new("adamw", None, moved, move |slices| bench.step(slices.target, slices.sources[0]))
}

fn copy(arena: &Arena) -> Case {
    Case::new("copy", None, 2 * arena.bytes(), |slices| slices.target.copy_from_slice(slices.sources[0]))
}

fn kernels(criterion: &mut Criterion) {
    let options = Options { elements: ELEMENTS.to_vec(), samples: 1, arena_bytes: 256 << 20, body_bytes_max: 1 << 30 };
    for elements in ELEMENTS {
        let mut arena = Arena::new(elements, &options);
        let mut group = criterion.benchmark_group(format!("kernels/{elements}"));
        group.sample_size(10);
        let mut time = |arena: &mut Arena, mut case: Case| {
            let codec = case.codec.map_or(String::new(), |codec| format!("/{codec}"));
            group.throughput(Throughput::Bytes(case.moved_bytes as u64));
            group.bench_function(format!("{}{codec}", case.kernel), |bench| {
                bench.iter_custom(|runs| arena.elapsed(&mut case, runs));
            });
        };
        for case in [copy(&arena), adamw(&arena)] {
            time(&mut arena, case);
        }
        if let Err(error) = each_case(&mut arena, &options, time) {
            panic!("{error}");
        }
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
