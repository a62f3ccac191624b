//! How fast this machine runs the kernels on the host, beside its own copy in the same process.
//!
//! Invariants: nothing is timed whose result was not compared with [`crate::reference`] first; the vectors are slices of
//! more memory than caches hold, taken in turn; a row's copy is the fastest of three, of vectors of the same length.

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;

use crate::{Clipped, Codec, OuterStep, Term, apply, dot_sum, encode, reference, state_hash};

/// Terms of the aggregates that are timed.
pub const TERMS: [usize; 2] = [8, 20];
/// Elements whose results are compared with the reference, which is slow: chunks are independent, so some stand for all.
const CHECKED_ELEMENTS: usize = 1 << 18;
/// Elements that a copy's task takes.
const COPY_ELEMENTS: usize = 1 << 16;
/// The whole range of weights and clips is tested elsewhere; here they are typical.
const STEP: OuterStep = OuterStep { alpha: 256, rho: (1, 5) };

/// What is timed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Lengths of the vectors.
    pub elements: Vec<usize>,
    /// Timed runs of each row, after one that warms up.
    pub samples: usize,
    /// Bytes that the vectors are taken from in turn: several times the last cache.
    pub arena_bytes: usize,
}

/// One kernel on vectors of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What ran: `copy`, `encode`, `apply8`, `scan8`, `hash`, ….
    pub kernel: String,
    /// Of which codec, where it is of one.
    pub codec: Option<Codec>,
    /// Threads of the pool.
    pub threads: usize,
    /// Length of a vector.
    pub elements: usize,
    /// Bytes of the vectors that the kernel is for, each counted once: 4 · elements for an encoding.
    pub logical_bytes: u64,
    /// Bytes that must cross the memory bus at least: what is read and what is written.
    pub moved_bytes: u64,
    /// Median time.
    pub median_ns: u64,
    /// Distance between the quartiles in parts of the median.
    pub spread: f64,
    /// The kernel's rate of moved bytes in parts of the copy's.
    pub copy_fraction: f64,
}

/// Why nothing was timed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BenchError {
    /// A length without elements, or no runs.
    #[error("vectors need elements and rows need samples")]
    Nothing,
    /// A kernel's result is not the reference's.
    #[error("{kernel} of {codec} differs from the reference: it is wrong, and was not timed")]
    Wrong {
        /// The kernel.
        kernel: &'static str,
        /// The codec.
        codec: Codec,
    },
}

/// Times every kernel on vectors of every length and hands over each row as it is done.
///
/// # Errors
/// [`BenchError`] before anything wrong is timed.
pub fn run(options: &Options, mut done: impl FnMut(Row)) -> Result<(), BenchError> {
    if options.samples == 0 || options.elements.contains(&0) {
        return Err(BenchError::Nothing);
    }
    for &elements in &options.elements {
        let mut bench = Bench::new(elements, options);
        let copy = bench.copy();
        done(copy);
        done(bench.hash());
        for codec in Codec::ALL {
            done(bench.encode(codec)?);
            for terms in TERMS {
                done(bench.apply(codec, terms)?);
                done(bench.scan(codec, terms));
            }
        }
    }
    Ok(())
}

/// The vectors of one length.
struct Bench {
    elements: usize,
    samples: usize,
    source: Vec<f32>,
    target: Vec<f32>,
    /// The next slice.
    turn: usize,
    copy_bytes_per_ns: f64,
}

impl Bench {
    fn new(elements: usize, options: &Options) -> Self {
        let slices = (options.arena_bytes / size_of::<f32>() / elements).max(1);
        let length = slices * elements;
        let mut source = vec![0.0; length];
        source.par_iter_mut().enumerate().for_each(|(index, value)| *value = 1e-3 * bell(index as u64));
        Self { elements, samples: options.samples, source, target: vec![0.0; length], turn: 0, copy_bytes_per_ns: 1.0 }
    }

    /// The place of the next slice.
    fn next(&mut self) -> std::ops::Range<usize> {
        let start = self.turn * self.elements % self.source.len();
        self.turn += 1;
        start..start + self.elements
    }

    /// Quartiles of the time of `work` on one slice after the other, in ns.
    fn time(&mut self, mut work: impl FnMut(&[f32], &mut [f32])) -> [f64; 3] {
        let mut times = Vec::with_capacity(self.samples);
        for sample in 0..=self.samples {
            let place = self.next();
            let started = Instant::now();
            work(black_box(&self.source[place.clone()]), black_box(&mut self.target[place]));
            let took = started.elapsed().as_nanos() as f64;
            if sample > 0 {
                times.push(took);
            }
        }
        times.sort_unstable_by(f64::total_cmp);
        [1, 2, 3].map(|quarter| times[(times.len() - 1) * quarter / 4])
    }

    fn row(&self, kernel: &str, codec: Option<Codec>, vectors: usize, moved_bytes: usize, times: [f64; 3]) -> Row {
        let [first, median, third] = times.map(|time| time.max(1.0));
        Row {
            kernel: kernel.to_owned(),
            codec,
            threads: rayon::current_num_threads(),
            elements: self.elements,
            logical_bytes: (vectors * self.bytes()) as u64,
            moved_bytes: moved_bytes as u64,
            median_ns: median as u64,
            spread: (third - first) / median,
            copy_fraction: moved_bytes as f64 / median / self.copy_bytes_per_ns,
        }
    }

    fn bytes(&self) -> usize {
        size_of::<f32>() * self.elements
    }

    /// The fastest of one copy, of copies by tasks and of copies by threads; the ceiling of the other rows.
    fn copy(&mut self) -> Row {
        let whole = self.time(|from, to| to.copy_from_slice(from));
        let by_tasks = self.time(|from, to| copy_by(from, to, COPY_ELEMENTS));
        let each = self.elements.div_ceil(rayon::current_num_threads());
        let by_threads = self.time(|from, to| copy_by(from, to, each));
        let mut all = [whole, by_tasks, by_threads];
        all.sort_by(|left, right| left[1].total_cmp(&right[1]));
        self.copy_bytes_per_ns = 2.0 * self.bytes() as f64 / all[0][1].max(1.0);
        self.row("copy", None, 1, 2 * self.bytes(), all[0])
    }

    fn hash(&mut self) -> Row {
        let times = self.time(|values, _| {
            black_box(state_hash(values, &[]));
        });
        self.row("hash", None, 1, self.bytes(), times)
    }

    fn encode(&mut self, codec: Codec) -> Result<Row, BenchError> {
        let checked = &self.source[..self.elements.min(CHECKED_ELEMENTS)];
        if encode(codec, checked) != reference::encode(codec, checked) {
            return Err(BenchError::Wrong { kernel: "encode", codec });
        }
        let moved = self.bytes() + codec.body_bytes(self.elements);
        let times = self.time(|values, _| {
            // Finite by construction.
            let _ = black_box(encode(codec, values));
        });
        Ok(self.row("encode", Some(codec), 1, moved, times))
    }

    fn apply(&mut self, codec: Codec, terms: usize) -> Result<Row, BenchError> {
        let length = self.elements.min(CHECKED_ELEMENTS);
        let checked = self.bodies(codec, terms, length);
        let checked = terms_of(&checked);
        let (mut theta, mut expected) = (self.source[..length].to_vec(), self.source[..length].to_vec());
        let same = apply(codec, &mut theta, &checked, &STEP) == reference::apply(codec, &mut expected, &checked, &STEP);
        if !same || state_hash(&theta, &[]) != state_hash(&expected, &[]) {
            return Err(BenchError::Wrong { kernel: "apply", codec });
        }
        let bodies = self.bodies(codec, terms, self.elements);
        let terms_read = terms_of(&bodies);
        let moved = 2 * self.bytes() + terms * codec.body_bytes(self.elements);
        let times = self.time(|_, theta| {
            // Valid by construction, and so small that no state leaves the range of numbers.
            let _ = black_box(apply(codec, theta, &terms_read, &STEP));
        });
        Ok(self.row(&format!("apply{terms}"), Some(codec), 1, moved, times))
    }

    fn scan(&mut self, codec: Codec, terms: usize) -> Row {
        let bodies = self.bodies(codec, terms, self.elements);
        let members: Vec<Clipped<'_>> = bodies.iter().map(|body| Clipped { body, clip: 256, counted: true }).collect();
        let elements = self.elements;
        let times = self.time(|_, _| {
            let _ = black_box(dot_sum(codec, elements, &members));
        });
        self.row(&format!("scan{terms}"), Some(codec), terms, terms * codec.body_bytes(elements), times)
    }

    /// Bodies of vectors that differ from each other.
    fn bodies(&self, codec: Codec, count: usize, elements: usize) -> Vec<Vec<u8>> {
        let body = |number: usize| {
            let shift = (number as u64 + 1) << 40;
            let mut values = vec![0.0; elements];
            values.par_iter_mut().enumerate().for_each(|(index, value)| *value = 1e-3 * bell(index as u64 + shift));
            encode(codec, &values).unwrap_or_default()
        };
        (0..count).map(body).collect()
    }
}

fn terms_of(bodies: &[Vec<u8>]) -> Vec<Term<'_>> {
    bodies.iter().map(|body| Term { body, weight: 64, clip: 256 }).collect()
}

fn copy_by(from: &[f32], to: &mut [f32], elements: usize) {
    to.par_chunks_mut(elements).zip(from.par_chunks(elements)).for_each(|(to, from)| to.copy_from_slice(from));
}

/// A value in −3…3 with the spread of a sum of uniform ones, a function of its index alone (SplitMix64 below).
fn bell(index: u64) -> f32 {
    let mixed = mix(index);
    let part = |shift: u32| ((mixed >> shift) & 0xffff) as f32 / 65_536.0;
    2.0 * (part(0) + part(16) + part(32)) - 3.0
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mix(index: u64) -> u64 {
    let mut value = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(elements: &[usize]) -> Options {
        Options { elements: elements.to_vec(), samples: 3, arena_bytes: 1 << 16 }
    }

    #[test]
    fn every_kernel_of_every_codec_has_a_row_beside_the_copy() {
        let mut rows = Vec::new();
        run(&options(&[5000, 64]), |row| rows.push(row)).unwrap();
        let of_codec = 1 + 2 * TERMS.len();
        assert_eq!(rows.len(), 2 * (2 + of_codec * Codec::ALL.len()));
        assert_eq!((rows[0].kernel.as_str(), rows[0].copy_fraction), ("copy", 1.0));
        assert!(rows.iter().all(|row| row.median_ns > 0 && row.copy_fraction > 0.0 && row.spread >= 0.0), "{rows:?}");
        assert_eq!(rows[2].logical_bytes, 20_000);
    }

    #[test]
    fn nothing_to_time_is_an_error() {
        assert_eq!(run(&options(&[0]), |_| ()), Err(BenchError::Nothing));
        assert_eq!(run(&Options { samples: 0, ..options(&[1]) }, |_| ()), Err(BenchError::Nothing));
    }
}
