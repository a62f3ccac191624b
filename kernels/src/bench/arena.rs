//! Vectors beyond the caches, and the clock.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::{Case, Options, Row};
use crate::format::Codec;

/// Elements that a copy's task takes.
const COPY_ELEMENTS: usize = 1 << 16;

/// Four vectors to take slices from, three to read and one to write, and what a copy achieves between them.
pub struct Arena {
    elements: usize,
    samples: usize,
    sources: [Vec<f32>; 3],
    target: Vec<f32>,
    /// The next slice.
    turn: usize,
    copy_bytes_per_ns: f64,
}

/// A slice of each vector. All [elements].
pub struct Slices<'a> {
    /// To be read.
    pub sources: [&'a [f32]; 3],
    /// To be written; it holds what an earlier run left.
    pub target: &'a mut [f32],
}

impl Arena {
    /// Vectors of small values, for slices of so many elements.
    #[must_use]
    pub fn new(elements: usize, options: &Options) -> Self {
        let length = (options.arena_bytes / size_of::<f32>() / elements).max(1) * elements;
        let sources = [0, 1, 2].map(|number| vector(number, length));
        let target = vector(3, length);
        Self { elements, samples: options.samples, sources, target, turn: 0, copy_bytes_per_ns: 1.0 }
    }

    /// Elements of a slice.
    #[must_use]
    pub const fn elements(&self) -> usize {
        self.elements
    }

    /// Bytes of a slice.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        size_of::<f32>() * self.elements
    }

    /// The first elements of the three sources.
    pub(super) fn first(&self, elements: usize) -> [&[f32]; 3] {
        self.sources.each_ref().map(|source| &source[..elements.min(self.elements)])
    }

    /// Slices of each vector.
    #[must_use]
    pub const fn slices(&self) -> usize {
        self.target.len() / self.elements
    }

    /// Times a case on one slice after the other.
    pub fn row(&mut self, case: &mut Case) -> Row {
        let times = self.time(&mut case.work);
        self.timed((&case.kernel, case.codec), case.vectors, case.moved_bytes, times)
    }

    /// How long so many runs of a case take on one slice after the other.
    pub fn elapsed(&mut self, case: &mut Case, runs: u64) -> Duration {
        (0..runs).map(|_| self.run(&mut case.work)).sum()
    }

    /// The fastest of one copy, of copies by tasks and of copies by threads; the ceiling of the other rows.
    pub fn copy(&mut self) -> Row {
        let whole = self.time(|slices| slices.target.copy_from_slice(slices.sources[0]));
        let by_tasks = self.time(|slices| copy_by(slices.sources[0], slices.target, COPY_ELEMENTS));
        let each = self.elements.div_ceil(rayon::current_num_threads());
        let by_threads = self.time(|slices| copy_by(slices.sources[0], slices.target, each));
        let mut all = [whole, by_tasks, by_threads];
        all.sort_by(|left, right| left[1].total_cmp(&right[1]));
        self.copy_bytes_per_ns = 2.0 * self.bytes() as f64 / all[0][1].max(1.0);
        self.timed(("copy", None), 1, 2 * self.bytes(), all[0])
    }

    /// Quartiles of the time of `work`, in ns, after one run that is not counted.
    fn time(&mut self, mut work: impl FnMut(Slices<'_>)) -> [f64; 3] {
        self.run(&mut work);
        let mut times: Vec<f64> = (0..self.samples).map(|_| self.run(&mut work).as_nanos() as f64).collect();
        times.sort_unstable_by(f64::total_cmp);
        [1, 2, 3].map(|quarter| times[(times.len() - 1) * quarter / 4])
    }

    /// The time of one run on the next slices.
    fn run(&mut self, mut work: impl FnMut(Slices<'_>)) -> Duration {
        let start = self.turn * self.elements % self.target.len();
        self.turn += 1;
        let place = start..start + self.elements;
        let sources = self.sources.each_ref().map(|source| black_box(&source[place.clone()]));
        let slices = Slices { sources, target: black_box(&mut self.target[place]) };
        let started = Instant::now();
        work(slices);
        started.elapsed()
    }

    fn timed(&self, (kernel, codec): (&str, Option<Codec>), vectors: usize, moved: usize, times: [f64; 3]) -> Row {
        let [first, median, third] = times.map(|time| time.max(1.0));
        Row {
            kernel: kernel.to_owned(),
            codec,
            threads: rayon::current_num_threads(),
            elements: self.elements,
            logical_bytes: (vectors * self.bytes()) as u64,
            moved_bytes: moved as u64,
            median_ns: median as u64,
            spread: (third - first) / median,
            copy_fraction: moved as f64 / median / self.copy_bytes_per_ns,
        }
    }
}

fn copy_by(from: &[f32], to: &mut [f32], elements: usize) {
    to.par_chunks_mut(elements).zip(from.par_chunks(elements)).for_each(|(to, from)| to.copy_from_slice(from));
}

/// Vector number `number` of the bench, of the size of late pseudo-gradients. → [elements]
pub(super) fn vector(number: u64, elements: usize) -> Vec<f32> {
    let mut values = vec![0.0; elements];
    let first = number << 40;
    values.par_iter_mut().enumerate().for_each(|(index, value)| *value = 1e-3 * bell(first + index as u64));
    values
}

/// A value in −3…3 with the spread of a sum of uniform ones, a function of its index alone.
fn bell(index: u64) -> f32 {
    let [a, b] = crate::host::rounding::threefry([0x62_656c, 0x6c], [index as u32, (index >> 32) as u32]);
    let part = |word: u32| (word & 0xffff) as f32 / 65_536.0;
    2.0 * (part(a) + part(a >> 16) + part(b)) - 3.0
}
