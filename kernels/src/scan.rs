//! What scoring reads off contributions: norms, cosines against a sum, overlap of indices.
//!
//! Invariant: sums are f64 in one fixed order, within a chunk by rising index and then chunk after chunk, so that they
//! have the same bits on every CPU and for any number of threads. All bodies are validated first.

use rayon::prelude::*;

use crate::body::{CHUNKS_PER_TASK, Form, validate};
use crate::chunk::dense;
use crate::chunk::plain;
use crate::chunk::topk::Entries;
use crate::codec::{BLOCK, BLOCKS, chunks, real_elements};
use crate::{CHUNK, CLIP_MAX, Codec, DecodeError};

/// A contribution as the scan sees it.
#[derive(Clone, Copy, Debug)]
pub struct Clipped<'a> {
    /// The body of its payload.
    pub body: &'a [u8],
    /// Its values are scaled by clip/256.
    pub clip: u32,
    /// Whether it is part of the sum that the others are compared with (it is trusted).
    pub counted: bool,
}

/// One contribution D against the sum Σ of the counted others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DotSum {
    /// D · Σ.
    pub dot: f64,
    /// |D|.
    pub norm: f64,
    /// |Σ|.
    pub others_norm: f64,
}

impl DotSum {
    /// The cosine between the two; none when either is zero.
    #[must_use]
    pub fn cosine(&self) -> Option<f64> {
        let scale = self.norm * self.others_norm;
        (scale > 0.0).then(|| (self.dot / scale).clamp(-1.0, 1.0))
    }
}

/// The Euclidean norm of the values of a body.
///
/// # Errors
/// Whatever [`validate`] refuses.
pub fn norm(codec: Codec, elements: usize, body: &[u8]) -> Result<f64, DecodeError> {
    let one = [Clipped { body, clip: CLIP_MAX, counted: false }];
    Ok(dot_sum(codec, elements, &one)?.first().map_or(0.0, |sums| sums.norm))
}

/// The inner product of the values of two bodies.
///
/// # Errors
/// Whatever [`validate`] refuses of either.
pub fn dot(codec: Codec, elements: usize, a: &[u8], b: &[u8]) -> Result<f64, DecodeError> {
    let pair =
        [Clipped { body: a, clip: CLIP_MAX, counted: false }, Clipped { body: b, clip: CLIP_MAX, counted: true }];
    Ok(dot_sum(codec, elements, &pair)?.first().map_or(0.0, |sums| sums.dot))
}

/// Each contribution against the sum of the counted others, all scaled by their clips, in the order given.
///
/// The order of the contributions is part of the result's last bit: callers use the order of workers.
///
/// # Errors
/// Whatever [`validate`] refuses of any body.
pub fn dot_sum(codec: Codec, elements: usize, members: &[Clipped<'_>]) -> Result<Vec<DotSum>, DecodeError> {
    members.iter().try_for_each(|member| validate(codec, elements, member.body))?;
    let partial: Vec<Products> = (0..chunks(elements))
        .into_par_iter()
        .with_min_len(CHUNKS_PER_TASK)
        .map_init(Scratch::new, |scratch, chunk| scratch.products(codec, elements, members, chunk))
        .collect();
    let mut total = Products::zero(members.len());
    partial.iter().for_each(|part| total.add(part));
    Ok(members.iter().enumerate().map(|(i, member)| total.against_others(i, member.counted)).collect())
}

/// How many real coordinates both of two bodies of a sparse codec list; all of them under the other codecs.
///
/// # Errors
/// Whatever [`validate`] refuses of either.
pub fn overlap(codec: Codec, elements: usize, a: &[u8], b: &[u8]) -> Result<u64, DecodeError> {
    validate(codec, elements, a)?;
    validate(codec, elements, b)?;
    let Form::Sparse(shape) = Form::of(codec) else {
        return Ok(elements as u64);
    };
    let size = codec.chunk_bytes();
    let mut common = 0;
    let (mut left, mut right) = (Entries::new(), Entries::new());
    for (chunk, (a, b)) in a.chunks_exact(size).zip(b.chunks_exact(size)).enumerate() {
        let real = real_elements(elements, chunk);
        left.read(shape, a, real, chunk)?;
        right.read(shape, b, real, chunk)?;
        let mut listed = [false; CHUNK];
        left.iter().for_each(|(index, ..)| listed[index] = true);
        common += right.iter().filter(|&(index, ..)| listed[index]).count() as u64;
    }
    Ok(common)
}

/// How many real coordinates a body lists.
#[must_use]
pub fn coordinates(codec: Codec, elements: usize) -> u64 {
    let listed = |k: usize| (0..chunks(elements)).map(|chunk| real_elements(elements, chunk).min(k) as u64).sum();
    codec.entries().map_or(elements as u64, listed)
}

/// With T the sum of the counted: D·T and |D|² of each member, and |T|².
struct Products {
    with_sum: Vec<f64>,
    squares: Vec<f64>,
    sum_square: f64,
}

impl Products {
    fn zero(members: usize) -> Self {
        Self { with_sum: vec![0.0; members], squares: vec![0.0; members], sum_square: 0.0 }
    }

    fn add(&mut self, other: &Self) {
        self.with_sum.iter_mut().zip(&other.with_sum).for_each(|(sum, part)| *sum += part);
        self.squares.iter_mut().zip(&other.squares).for_each(|(sum, part)| *sum += part);
        self.sum_square += other.sum_square;
    }

    /// Takes the member's own part out of T where it is in it.
    fn against_others(&self, i: usize, counted: bool) -> DotSum {
        let (with_sum, square) = (self.with_sum[i], self.squares[i]);
        let (dot, others) = if counted {
            (with_sum - square, self.sum_square - 2.0 * with_sum + square)
        } else {
            (with_sum, self.sum_square)
        };
        DotSum { dot, norm: square.sqrt(), others_norm: others.max(0.0).sqrt() }
    }
}

/// Buffers of one thread.
struct Scratch {
    sum: Vec<f64>,
    values: Vec<(u16, f64)>,
    ends: Vec<usize>,
}

impl Scratch {
    fn new() -> Self {
        Self { sum: vec![0.0; CHUNK], values: Vec::new(), ends: Vec::new() }
    }

    fn products(&mut self, codec: Codec, elements: usize, members: &[Clipped<'_>], chunk: usize) -> Products {
        self.load(codec, elements, members, chunk);
        let mut products = Products::zero(members.len());
        self.sum.fill(0.0);
        let mut start = 0;
        for (member, &end) in members.iter().zip(&self.ends) {
            if member.counted {
                self.values[start..end].iter().for_each(|&(index, value)| self.sum[usize::from(index)] += value);
            }
            start = end;
        }
        start = 0;
        for (i, &end) in self.ends.iter().enumerate() {
            for &(index, value) in &self.values[start..end] {
                products.with_sum[i] += value * self.sum[usize::from(index)];
                products.squares[i] += value * value;
            }
            start = end;
        }
        products.sum_square = self.sum.iter().fold(0.0, |square, value| square + value * value);
        products
    }

    /// The clipped values of every member in this chunk, one member after the other.
    fn load(&mut self, codec: Codec, elements: usize, members: &[Clipped<'_>], chunk: usize) {
        self.values.clear();
        self.ends.clear();
        let size = codec.chunk_bytes();
        let real = real_elements(elements, chunk);
        for member in members {
            let end = ((chunk + 1) * size).min(member.body.len());
            let factor = f64::from(member.clip) / f64::from(CLIP_MAX);
            let values = &mut self.values;
            each_value(codec, &member.body[chunk * size..end], real, chunk, |index, value| {
                values.push((index as u16, f64::from(value) * factor));
            });
            self.ends.push(self.values.len());
        }
    }
}

/// Calls `visit` for every value of a valid chunk, by rising index.
fn each_value(codec: Codec, bytes: &[u8], real: usize, chunk: usize, mut visit: impl FnMut(usize, f32)) {
    match Form::of(codec) {
        Form::Sparse(shape) => {
            let mut entries = Entries::new();
            // Validated before; a chunk that does not read has no values.
            if entries.read(shape, bytes, real, chunk).is_ok() {
                entries.values().for_each(|(index, value)| visit(index, value));
            }
        }
        Form::Dense(width) => {
            for index in 0..BLOCKS {
                let values = dense::values(width, bytes, index);
                let first = index * BLOCK;
                let inside = real.saturating_sub(first).min(BLOCK);
                values[..inside].iter().enumerate().for_each(|(i, &value)| visit(first + i, value));
            }
        }
        Form::Plain => plain::values(bytes).enumerate().for_each(|(index, value)| visit(index, value)),
    }
}
