//! The inner products of one chunk: of each contribution with the sum of the counted ones, and with itself.
//!
//! Invariants, with at most `MEMBERS_MAX` members: |V| ≤ 2^18 and |T| ≤ 2^24 fit 32 bits, and over the 2^12 elements
//! of a chunk |Σ V·T| ≤ 2^54 and Σ T² ≤ 2^60 fit 64; so every sum is exact in any order. The scratch's sums are zero
//! between chunks.

use simd::{opaque, vectorised};

use super::aggregate::{CLIP_MAX, dense_exponent, sparse_exponent, sparse_fixed};
use super::chunk::dense::{self, Factors, Width, add_fixed};
use super::chunk::plain;
use super::chunk::topk::{Entries, Shape};
use super::magnitude::FRACTION_BITS;
use crate::format::{BLOCK, BLOCKS, CHUNK};

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

/// With T the sum of the counted: D·T and |D|² of each member, and |T|².
#[derive(Clone, Debug)]
pub(crate) struct Products {
    with_sum: Vec<f64>,
    squares: Vec<f64>,
    sum_square: f64,
}

impl Products {
    /// Nothing yet.
    pub(crate) fn zero(members: usize) -> Self {
        Self { with_sum: vec![0.0; members], squares: vec![0.0; members], sum_square: 0.0 }
    }

    /// Exact integers of one chunk or block at the exponent E, times 4^(E − 18).
    pub(crate) fn of_integers(with_sum: &[i64], squares: &[i64], sum_square: i64, exponent: i32) -> Self {
        let unit = square_unit(exponent);
        let number = |integer: &i64| *integer as f64 * unit;
        Self {
            with_sum: with_sum.iter().map(number).collect(),
            squares: squares.iter().map(number).collect(),
            sum_square: number(&sum_square),
        }
    }

    /// Adds the products of the next chunk.
    pub(crate) fn add(&mut self, other: &Self) {
        self.with_sum.iter_mut().zip(&other.with_sum).for_each(|(sum, part)| *sum += part);
        self.squares.iter_mut().zip(&other.squares).for_each(|(sum, part)| *sum += part);
        self.sum_square += other.sum_square;
    }

    /// Takes the member's own part out of T where it is in it.
    pub(crate) fn against_others(&self, i: usize, counted: bool) -> DotSum {
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
pub(crate) struct Scratch {
    /// T of each element.
    sums: [i32; CHUNK],
    entries: Vec<Entries>,
    /// What the four codes of each member stand for.
    tables: Vec<[i32; 4]>,
    /// ±V of a block of each member.
    blocks: Vec<[i32; BLOCK]>,
}

impl Scratch {
    /// Zeroed buffers.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self { sums: [0; CHUNK], entries: Vec::new(), tables: Vec::new(), blocks: Vec::new() })
    }
}

/// 4^(E − 18), the square of the fixed point's unit.
fn square_unit(exponent: i32) -> f64 {
    f64::from_bits(((2 * (exponent - FRACTION_BITS) + 1023) as u64) << 52)
}

vectorised! {
    #![bytes]
    /// The products of a sparse chunk with `real` real elements, none where a member is not valid.
    pub(crate) fn sparse<'a>(
        shape: Shape,
        members: &[Clipped<'a>],
        chunk: usize,
        real: usize,
        scratch: &mut Scratch,
    ) -> Option<Products> {
        let size = shape.magnitudes_at() + 4;
        let Scratch { sums, entries, tables, .. } = scratch;
        entries.resize_with(members.len(), Entries::new);
        for (entries, member) in entries.iter_mut().zip(members) {
            entries.read_at::<LEVEL>(shape, &member.body[chunk * size..][..size], real, chunk).ok()?;
        }
        let mut high = 0;
        for entries in &*entries {
            high = entries.magnitudes[1].max(high);
        }
        let exponent = sparse_exponent(high);
        tables.clear();
        for (entries, member) in entries.iter().zip(members) {
            let fixed = |bits| sparse_fixed(bits, CLIP_MAX * member.clip, exponent) as i32;
            let [low, high] = entries.magnitudes.map(fixed);
            let table = [low, -low, high, -high];
            tables.push(table);
            if member.counted {
                for (index, code) in entries.coded() {
                    sums[index] += table[code];
                }
            }
        }
        let unit = square_unit(exponent);
        let mut products = Products::zero(members.len());
        products.sum_square = dot(sums, sums) as f64 * unit;
        for (i, (entries, table)) in entries.iter().zip(&*tables).enumerate() {
            let (mut with_sum, mut square) = (0, 0);
            for (index, code) in entries.coded() {
                let value = i64::from(table[code]);
                with_sum += value * i64::from(sums[index]);
                square += value * value;
            }
            products.with_sum[i] = with_sum as f64 * unit;
            products.squares[i] = square as f64 * unit;
        }
        sums.fill(0);
        Some(products)
    }
}

#[inline(always)]
fn dot(a: &[i32], b: &[i32]) -> i64 {
    let mut dot = 0;
    for (&a, &b) in a[..opaque(a.len())].iter().zip(b) {
        dot += i64::from(a) * i64::from(b);
    }
    dot
}

vectorised! {
    #![bytes]
    /// The products of a dense chunk with `real` real elements, none where a member is not valid.
    pub(crate) fn dense<'a>(
        width: Width,
        members: &[Clipped<'a>],
        chunk: usize,
        real: usize,
        scratch: &mut Scratch,
    ) -> Option<Products> {
        match width {
            Width::Eight => dense_as::<LEVEL>(Width::Eight, members, chunk, real, scratch),
            Width::Four => dense_as::<LEVEL>(Width::Four, members, chunk, real, scratch),
        }
    }
}

#[inline(always)]
fn dense_as<const LEVEL: u8>(
    width: Width,
    members: &[Clipped<'_>],
    chunk: usize,
    real: usize,
    scratch: &mut Scratch,
) -> Option<Products> {
    let size = width.chunk_bytes();
    let bytes = chunk * size..(chunk + 1) * size;
    let mut valid = true;
    for member in members {
        valid &= dense::is_valid(width, &member.body[bytes.clone()], real);
    }
    if !valid {
        return None;
    }
    let mut scales = [0; BLOCKS];
    for member in members {
        dense::raise_scales(&mut scales, &member.body[bytes.clone()]);
    }
    let mut products = Products::zero(members.len());
    let blocks = &mut scratch.blocks;
    blocks.resize(members.len(), [0; BLOCK]);
    for (block, &scale) in scales[..real.div_ceil(BLOCK)].iter().enumerate() {
        let exponent = dense_exponent(width, scale);
        let mut sums = [0; BLOCK];
        for (member, fixed) in members.iter().zip(&mut *blocks) {
            let factors = Factors { coefficient: CLIP_MAX * member.clip, weight: u32::from(member.counted) };
            add_fixed::<LEVEL>(width, &member.body[bytes.clone()], block, factors, exponent, Some(fixed), &mut sums);
        }
        let unit = square_unit(exponent);
        for (i, fixed) in blocks.iter().enumerate() {
            products.with_sum[i] += dot(fixed, &sums) as f64 * unit;
            products.squares[i] += dot(fixed, fixed) as f64 * unit;
        }
        products.sum_square += dot(&sums, &sums) as f64 * unit;
    }
    Some(products)
}

/// The products of a chunk of codec `none`: f64 in the order of the members and the elements. None where one is not
/// finite.
pub(crate) fn plain(members: &[Clipped<'_>], chunk: usize, real: usize) -> Option<Products> {
    let values = |member: &Clipped<'_>| {
        let factor = f64::from(member.clip) / f64::from(CLIP_MAX);
        let values = plain::values(&member.body[4 * CHUNK * chunk..][..4 * real]);
        let finite = plain::first_non_finite(values.clone()).is_none();
        finite.then(|| values.map(|value| f64::from(value) * factor).collect::<Vec<f64>>())
    };
    let vectors: Vec<Vec<f64>> = members.iter().map(values).collect::<Option<_>>()?;
    let mut sum = vec![0.0; real];
    for (vector, _) in vectors.iter().zip(members).filter(|(_, member)| member.counted) {
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0, |dot, (a, b)| dot + a * b);
    Some(Products {
        with_sum: vectors.iter().map(|vector| dot(vector, &sum)).collect(),
        squares: vectors.iter().map(|vector| dot(vector, vector)).collect(),
        sum_square: dot(&sum, &sum),
    })
}
