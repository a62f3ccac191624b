//! The scan that scoring reads, on a device: integers there, and f64 in one fixed order here.
//!
//! Invariant: what leaves the device is exact, so the numbers equal those of the host bit for bit.

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{Device, Tensor};

use super::extension::KernelOps;
use super::launch::{Limits, Scan, scan_span};
use super::{check_size, read_words, upload_words, words_of};
use crate::format::{CHUNK, Codec, DecodeError, chunks};
use crate::host::products::Products;
use crate::host::scan::check_members;
use crate::host::{self, CLIP_MAX, Clipped, DotSum};

/// Words that a launch writes at most, and that bodies are uploaded in at most: 64 MiB.
const WORDS_MAX: usize = 1 << 24;

/// Each contribution against the sum of the counted others, as [`crate::dot_sum`] gives it.
///
/// Codec `none` goes over the host.
///
/// # Errors
/// As [`crate::dot_sum`]; a device that fails.
pub fn dot_sum(
    codec: Codec,
    elements: usize,
    members: &[Clipped<'_>],
    device: &Device,
) -> Result<Vec<DotSum>, DecodeError> {
    dot_sum_within(codec, elements, members, device, Limits::default())
}

/// As [`dot_sum`], within limits.
///
/// # Errors
/// As [`dot_sum`].
pub fn dot_sum_within(
    codec: Codec,
    elements: usize,
    members: &[Clipped<'_>],
    device: &Device,
    limits: Limits,
) -> Result<Vec<DotSum>, DecodeError> {
    let device_path = codec != Codec::None && elements > 0 && !members.is_empty();
    let DispatchDevice::Cube(cube) = device.as_dispatch() else {
        return host::dot_sum(codec, elements, members);
    };
    if !device_path {
        return host::dot_sum(codec, elements, members);
    }
    check_members(codec, elements, members)?;
    check_size(elements).map_err(|reason| DecodeError::Device { reason })?;
    members.iter().try_for_each(|member| host::validate(codec, elements, member.body))?;
    let span = scan_span(&cube.client(), codec, limits);
    let mut total = Products::zero(members.len());
    let step = chunks_at_once(&Scan { codec, elements: CHUNK, members: members.len(), span, limits });
    for first in (0..chunks(elements)).step_by(step) {
        let last = (first + step).min(chunks(elements));
        let inside = elements.min(last * CHUNK) - first * CHUNK;
        let scan = Scan { codec, elements: inside, members: members.len(), span, limits };
        let words = scan_chunks(&scan, members, (first, last), device)?;
        words.chunks_exact(scan.chunk_words()).for_each(|chunk| total.add(&of_chunk(&scan, chunk)));
    }
    Ok(members.iter().enumerate().map(|(i, member)| total.against_others(i, member.counted)).collect())
}

/// Chunks whose bodies and results are kept on the device at once.
fn chunks_at_once(one: &Scan) -> usize {
    let bodies = one.members * one.codec.chunk_bytes() / 4;
    (WORDS_MAX / one.chunk_words().max(bodies)).max(1)
}

/// The device's integers of some chunks.
fn scan_chunks(
    scan: &Scan,
    members: &[Clipped<'_>],
    (first, last): (usize, usize),
    device: &Device,
) -> Result<Vec<u32>, DecodeError> {
    let size = scan.codec.chunk_bytes();
    let bodies = members.iter().flat_map(|member| words_of(&member.body[first * size..last * size])).collect();
    // No clip above its bound leaves the range of the device's integers.
    let factors = members.iter().flat_map(|member| [u32::from(member.counted), 256 * member.clip.min(CLIP_MAX)]);
    let out = Dispatch::kernels_scan(
        upload_words(bodies, device).into_dispatch(),
        upload_words(factors.collect(), device).into_dispatch(),
        *scan,
    );
    read_words(Tensor::from_dispatch(out)).map_err(|reason| DecodeError::Device { reason })
}

/// The numbers of a chunk from its parts: a sparse chunk's are added as integers, a dense one's blocks as f64 in turn.
fn of_chunk(scan: &Scan, words: &[u32]) -> Products {
    let mut parts = words.chunks_exact(scan.part_words()).map(|part| Exact::read(scan, part));
    let mut numbers = Products::zero(scan.members);
    if scan.codec.is_sparse() {
        let whole = parts.next().map(|first| parts.fold(first, Exact::and));
        whole.iter().for_each(|whole| numbers.add(&whole.numbers()));
    } else {
        parts.for_each(|block| numbers.add(&block.numbers()));
    }
    numbers
}

/// The integers of a part of a chunk: every number is one of them times 4^(E − 18).
struct Exact {
    with_sum: Vec<i64>,
    squares: Vec<i64>,
    sum_square: i64,
    exponent: i32,
}

impl Exact {
    fn read(scan: &Scan, words: &[u32]) -> Self {
        let whole = |at: usize| (u64::from(words[at]) | u64::from(words[at + 1]) << 32) as i64;
        let rest = 4 * scan.members;
        Self {
            with_sum: (0..scan.members).map(|i| whole(4 * i)).collect(),
            squares: (0..scan.members).map(|i| whole(4 * i + 2)).collect(),
            sum_square: whole(rest),
            exponent: words[rest + 2] as i32 - scan.bias(),
        }
    }

    /// Both parts of one chunk.
    fn and(mut self, other: Self) -> Self {
        self.with_sum.iter_mut().zip(other.with_sum).for_each(|(sum, part)| *sum += part);
        self.squares.iter_mut().zip(other.squares).for_each(|(sum, part)| *sum += part);
        self.sum_square += other.sum_square;
        self
    }

    fn numbers(&self) -> Products {
        Products::of_integers(&self.with_sum, &self.squares, self.sum_square, self.exponent)
    }
}
