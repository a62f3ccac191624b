//! How fast a device runs the kernels, beside its own copy in the same process.
//!
//! Invariants: nothing is timed whose result was not compared with [`crate::reference`] first; vectors and bodies lie
//! on the device before the clock starts and results stay there, so a row is the kernel alone with its launch; the
//! clock stops when the device says that it is done. Vectors are taken in turn, so that no cache holds the next one.

use std::time::Instant;

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{Device, Int, Tensor};

use super::extension::KernelOps;
use super::launch::{Aggregate, Compress, Limits, Precision, Scan, scan_span};
use super::{read_floats, upload, upload_words, words_of};
use crate::bench::{BETA, BenchError, CHECKED_ELEMENTS, Options, Row, SUMMANDS};
use crate::format::Codec;
use crate::host::{self, CLIP_MAX, Clipped, OuterStep, Rounding, Summand, WEIGHT_MAX};
use crate::reference;

/// Vectors of a kind at most: more than any cache holds at the lengths where that matters.
const VECTORS_MAX: usize = 8;

/// The device as it names itself, and what its kernels are compiled for; none for burn's CPU backend.
#[must_use]
pub fn identity(device: &Device) -> Option<(String, String)> {
    let DispatchDevice::Cube(cube) = device.as_dispatch() else {
        return None;
    };
    let client = cube.client();
    let identity = &client.properties().identity;
    Some((identity.name.clone(), identity.fingerprint.clone()))
}

/// Times the kernels on vectors of every length and hands over each row as it is done: `copy`, `encode`, `compress`,
/// `apply8`, `scan8`, ….
///
/// # Errors
/// [`BenchError`] before anything wrong is timed.
pub fn run(options: &Options, device: &Device, mut done: impl FnMut(Row)) -> Result<(), BenchError> {
    if options.samples == 0 || options.elements.contains(&0) || identity(device).is_none() {
        return Err(BenchError::Nothing);
    }
    for &elements in &options.elements {
        let mut bench = Bench::new(elements, options, device);
        done(bench.copy()?);
        for codec in Codec::ALL.into_iter().filter(|codec| *codec != Codec::None) {
            bench.check(codec)?;
            done(bench.encode(codec)?);
            done(bench.compress(codec)?);
            for summands in
                SUMMANDS.into_iter().filter(|summands| summands * codec.body_bytes(elements) <= options.body_bytes_max)
            {
                done(bench.apply(codec, summands)?);
                done(bench.scan(codec, summands)?);
            }
        }
    }
    Ok(())
}

/// The vectors of one length.
struct Bench<'a> {
    elements: usize,
    samples: usize,
    device: &'a Device,
    vectors: Vec<Tensor<1>>,
    copy_bytes_per_ns: f64,
}

impl<'a> Bench<'a> {
    fn new(elements: usize, options: &Options, device: &'a Device) -> Self {
        let count = (options.arena_bytes / size_of::<f32>() / elements).clamp(3, VECTORS_MAX);
        let vectors = (0..count).map(|seed| upload(values(seed, elements), device)).collect();
        Self { elements, samples: options.samples, device, vectors, copy_bytes_per_ns: 1.0 }
    }

    /// A row of the quartiles of the time until the device is done with `work`, which is given three vectors in turn.
    fn time<T>(
        &self,
        kernel: &str,
        codec: Option<Codec>,
        moved_bytes: usize,
        work: impl Fn([Tensor<1>; 3]) -> T,
    ) -> Result<Row, BenchError> {
        let mut times = Vec::with_capacity(self.samples);
        for sample in 0..=self.samples {
            let inputs = [0, 1, 2].map(|at| self.vectors[(3 * sample + at) % self.vectors.len()].clone());
            self.sync()?;
            let started = Instant::now();
            let results = work(inputs);
            self.sync()?;
            let took = started.elapsed().as_nanos() as f64;
            drop(results);
            if sample > 0 {
                times.push(took.max(1.0));
            }
        }
        times.sort_unstable_by(f64::total_cmp);
        let [first, median, third] = [1, 2, 3].map(|quarter| times[(times.len() - 1) * quarter / 4]);
        Ok(Row {
            kernel: kernel.to_owned(),
            codec,
            threads: 0,
            elements: self.elements,
            logical_bytes: self.bytes() as u64,
            moved_bytes: moved_bytes as u64,
            median_ns: median as u64,
            spread: (third - first) / median,
            copy_fraction: moved_bytes as f64 / median / self.copy_bytes_per_ns,
        })
    }

    fn sync(&self) -> Result<(), BenchError> {
        self.device.sync().map_err(|error| BenchError::Device { reason: error.to_string() })
    }

    fn bytes(&self) -> usize {
        size_of::<f32>() * self.elements
    }

    /// One vector read and one written by burn's own kernel, the ceiling of the other rows.
    fn copy(&mut self) -> Result<Row, BenchError> {
        let row = self.time("copy", None, 2 * self.bytes(), |[values, ..]| -values)?;
        self.copy_bytes_per_ns = row.moved_bytes as f64 / row.median_ns.max(1) as f64;
        Ok(Row { copy_fraction: 1.0, ..row })
    }

    /// Compares every kernel of a codec with the reference.
    fn check(&self, codec: Codec) -> Result<(), BenchError> {
        let length = self.elements.min(CHECKED_ELEMENTS);
        let wrong = |kernel| BenchError::Wrong { kernel, codec };
        let sum = values(0, length);
        let body = reference::encode(codec, &sum).map_err(|_| wrong("encode"))?;
        let there = || upload(sum.clone(), self.device);
        if super::encode(codec, there()).as_ref() != Ok(&body) {
            return Err(wrong("encode"));
        }
        // Of β = 1 and no step the sum is the residual, in any device's floats.
        let compressed = super::compress(codec, Rounding::Nearest, there(), there(), there(), 1.0);
        let (found, left) = compressed.map_err(|_| wrong("compress"))?;
        let mut expected = sum.clone();
        let subtracted = host::subtract(codec, &body, &mut expected);
        if subtracted.is_err() || found != body || read_floats(left).as_ref() != Ok(&expected) {
            return Err(wrong("compress"));
        }
        let bodies = bodies(codec, SUMMANDS[0], length);
        let (summands, members) = (summands_of(&bodies), members_of(&bodies));
        let mut next = sum.clone();
        let applied = reference::apply(codec, &mut next, &summands, &OuterStep::MEAN);
        let found = super::apply(codec, there(), &summands, &OuterStep::MEAN).map_err(|_| wrong("apply"))?;
        if applied.is_err() || read_floats(found).as_ref() != Ok(&next) {
            return Err(wrong("apply"));
        }
        if super::dot_sum(codec, length, &members, self.device) != reference::dot_sum(codec, length, &members) {
            return Err(wrong("scan"));
        }
        Ok(())
    }

    fn task(&self, codec: Codec) -> Compress {
        let (rounding, precision, limits) = (Rounding::Nearest, Precision::Whole, Limits::default());
        Compress { codec, rounding, precision, elements: self.elements, beta: BETA, limits }
    }

    fn encode(&self, codec: Codec) -> Result<Row, BenchError> {
        let moved = self.bytes() + codec.body_bytes(self.elements);
        self.time("encode", Some(codec), moved, |[values, ..]| {
            Dispatch::kernels_encode(values.into_dispatch(), self.task(codec))
        })
    }

    fn compress(&self, codec: Codec) -> Result<Row, BenchError> {
        let moved = 4 * self.bytes() + codec.body_bytes(self.elements);
        self.time("compress", Some(codec), moved, |inputs| {
            let [residual, base, local] = inputs.map(Tensor::into_dispatch);
            Dispatch::kernels_compress(residual, base, local, self.task(codec))
        })
    }

    fn apply(&self, codec: Codec, summands: usize) -> Result<Row, BenchError> {
        let moved = 2 * self.bytes() + summands * codec.body_bytes(self.elements);
        let (bodies, factors) = (self.upload_bodies(codec, summands), self.factors([WEIGHT_MAX, 1 << 16], summands));
        let weight_sum = summands as u32 * WEIGHT_MAX;
        let aggregate =
            Aggregate { codec, summands, divisor_min: weight_sum / 5, weight_sum, limits: Limits::default() };
        self.time(&format!("apply{summands}"), Some(codec), moved, |[theta, ..]| {
            let status = upload_words(vec![u32::MAX], self.device).into_dispatch();
            let (bodies, factors) = (bodies.clone().into_dispatch(), factors.clone().into_dispatch());
            Dispatch::kernels_apply(theta.into_dispatch(), bodies, factors, status, aggregate)
        })
    }

    fn scan(&self, codec: Codec, members: usize) -> Result<Row, BenchError> {
        let moved = members * codec.body_bytes(self.elements);
        let (bodies, factors) = (self.upload_bodies(codec, members), self.factors([1, 1 << 16], members));
        let DispatchDevice::Cube(cube) = self.device.as_dispatch() else {
            return Err(BenchError::Nothing);
        };
        let limits = Limits::default();
        let scan =
            Scan { codec, elements: self.elements, members, span: scan_span(&cube.client(), codec, limits), limits };
        let row = self.time(&format!("scan{members}"), Some(codec), moved, |_| {
            Dispatch::kernels_scan(bodies.clone().into_dispatch(), factors.clone().into_dispatch(), scan)
        })?;
        Ok(Row { logical_bytes: (members * self.bytes()) as u64, ..row })
    }

    fn upload_bodies(&self, codec: Codec, count: usize) -> Tensor<1, Int> {
        let bodies = bodies(codec, count, self.elements);
        upload_words(bodies.iter().flat_map(|body| words_of(body)).collect(), self.device)
    }

    fn factors(&self, each: [u32; 2], count: usize) -> Tensor<1, Int> {
        upload_words(each.repeat(count), self.device)
    }
}

/// A vector with the spread of a sum of three uniform numbers, a function of seed and place alone.
fn values(seed: usize, elements: usize) -> Vec<f32> {
    let value = |index: usize| {
        let mut mixed = ((seed as u64) << 40 | index as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = |shift: u32| ((mixed >> shift) & 0xffff) as f32 / 65_536.0;
        1e-3 * (2.0 * (part(0) + part(16) + part(32)) - 3.0)
    };
    (0..elements).map(value).collect()
}

/// Bodies of vectors that differ from each other.
fn bodies(codec: Codec, count: usize, elements: usize) -> Vec<Vec<u8>> {
    (0..count).map(|seed| host::encode(codec, &values(100 + seed, elements)).unwrap_or_default()).collect()
}

fn summands_of(bodies: &[Vec<u8>]) -> Vec<Summand<'_>> {
    bodies.iter().map(|body| Summand { body, weight: WEIGHT_MAX, clip: CLIP_MAX }).collect()
}

fn members_of(bodies: &[Vec<u8>]) -> Vec<Clipped<'_>> {
    bodies.iter().map(|body| Clipped { body, clip: CLIP_MAX, counted: true }).collect()
}
