//! What scoring reads off contributions: norms, cosines against a sum, overlap of indices.
//!
//! Invariants: every payload is read once, proven in the same pass. Within a chunk (a block, where the codec is dense)
//! all products and sums are exact integers of the fixed-point form that the aggregate uses, so that threads, vector
//! units and devices change nothing; the chunks' integers are scaled by powers of two and added as f64 in their order.

use rayon::prelude::*;

use super::aggregate::{CLIP_MAX, MEMBERS_MAX};
use super::body::{CHUNKS_PER_TASK, Form, check_length, validate};
use super::chunk::topk::Entries;
use super::products::{self, Clipped, DotSum, Products, Scratch};
use crate::format::{CHUNK, Codec, DecodeError, chunks, real_elements};

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
    check_members(codec, elements, members)?;
    let form = Form::of(codec);
    let parts: Option<Vec<Products>> = (0..chunks(elements))
        .into_par_iter()
        .with_min_len(CHUNKS_PER_TASK)
        .map_init(Scratch::new, |scratch, chunk| {
            let real = real_elements(elements, chunk);
            match form {
                Form::Sparse(shape) => products::sparse(shape, members, chunk, real, scratch),
                Form::Dense(width) => products::dense(width, members, chunk, real, scratch),
                Form::Plain => products::plain(members, chunk, real),
            }
        })
        .collect();
    let Some(parts) = parts else {
        return Err(find_fault(codec, elements, members));
    };
    let mut total = Products::zero(members.len());
    parts.iter().for_each(|part| total.add(part));
    Ok(members.iter().enumerate().map(|(i, member)| total.against_others(i, member.counted)).collect())
}

/// Refuses more members than the sums hold, and bodies of another length than codec and elements imply.
pub(crate) fn check_members(codec: Codec, elements: usize, members: &[Clipped<'_>]) -> Result<(), DecodeError> {
    if members.len() > MEMBERS_MAX {
        return Err(DecodeError::TooManyMembers { found: members.len(), limit: MEMBERS_MAX });
    }
    members.iter().try_for_each(|member| check_length(codec, elements, member.body))
}

/// The fault of a pass that failed: of the first member that has one.
fn find_fault(codec: Codec, elements: usize, members: &[Clipped<'_>]) -> DecodeError {
    let mut faults = members.iter().filter_map(|member| validate(codec, elements, member.body).err());
    // A pass fails only where validation does.
    faults.next().unwrap_or(DecodeError::WrongLength { expected: 0, found: 0 })
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
        left.coded().for_each(|(index, _)| listed[index] = true);
        common += right.coded().filter(|&(index, _)| listed[index]).count() as u64;
    }
    Ok(common)
}

/// How many real coordinates a body lists.
#[must_use]
pub fn coordinates(codec: Codec, elements: usize) -> u64 {
    let listed = |k: usize| (0..chunks(elements)).map(|chunk| real_elements(elements, chunk).min(k) as u64).sum();
    codec.entries().map_or(elements as u64, listed)
}
