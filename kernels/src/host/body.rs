//! Whole bodies: the chunks of a vector, over all cores.
//!
//! Invariants: chunks are independent, so threads change nothing; of several faults the one in the first chunk is
//! reported, whichever thread saw its own first. Nothing of a payload's body is looked at before its header says that
//! it is the one that was asked for.

use rayon::prelude::*;

use super::chunk::dense::{self, Width};
use super::chunk::plain;
use super::chunk::select::Selection;
use super::chunk::topk::{self, Entries, Shape};
use super::rounding::Rounding;
use crate::format::{
    BLOCK, BLOCKS, CHUNK, Codec, DecodeError, EncodeError, Expected, Header, compare, parse, real_elements,
};

/// Chunks that a thread takes at least: some tens of microseconds of work.
pub(crate) const CHUNKS_PER_TASK: usize = 16;

/// How a chunk of a codec is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// Indices and two magnitudes.
    Sparse(Shape),
    /// Scales and codes.
    Dense(Width),
    /// f32.
    Plain,
}

impl Form {
    pub(crate) const fn of(codec: Codec) -> Self {
        match (codec.entries(), Width::of(codec)) {
            (Some(k), _) => Self::Sparse(Shape::new(k)),
            (_, Some(width)) => Self::Dense(width),
            _ => Self::Plain,
        }
    }
}

/// Buffers of one thread.
pub(crate) struct Scratch {
    /// A chunk's values, padded.
    pub(crate) values: [f32; CHUNK],
    /// What is left of them.
    pub(crate) rest: [f32; CHUNK],
    pub(crate) selection: Selection,
}

impl Scratch {
    /// Zeroed buffers.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self { values: [0.0; CHUNK], rest: [0.0; CHUNK], selection: Selection::new() })
    }
}

/// The body of `values` under `codec`, quotients rounded to nearest. [elements] → `codec.body_bytes(elements)` bytes.
///
/// # Errors
/// The first NaN or infinity.
pub fn encode(codec: Codec, values: &[f32]) -> Result<Vec<u8>, EncodeError> {
    encode_rounded(codec, Rounding::Nearest, values)
}

/// As [`encode`], with the quotients of a dense codec rounded as asked.
///
/// # Errors
/// The first NaN or infinity.
pub fn encode_rounded(codec: Codec, rounding: Rounding, values: &[f32]) -> Result<Vec<u8>, EncodeError> {
    let mut body = vec![0; codec.body_bytes(values.len())];
    let form = Form::of(codec);
    let fault = body
        .par_chunks_mut(codec.chunk_bytes())
        .zip(values.par_chunks(CHUNK))
        .with_min_len(CHUNKS_PER_TASK)
        .enumerate()
        .map_init(Scratch::new, |scratch, (chunk, (bytes, values))| {
            let index = encode_chunk(form, rounding, chunk, values, scratch, bytes)?;
            Some(chunk * CHUNK + index)
        })
        .flatten_iter()
        .min();
    match fault {
        Some(index) => Err(EncodeError::NonFinite { index }),
        None => Ok(body),
    }
}

/// Encodes one chunk, or says which of its elements is not finite.
fn encode_chunk(
    form: Form,
    rounding: Rounding,
    number: usize,
    values: &[f32],
    scratch: &mut Scratch,
    bytes: &mut [u8],
) -> Option<usize> {
    let padded = match values.first_chunk::<CHUNK>() {
        Some(whole) => whole,
        None => {
            scratch.values[..values.len()].copy_from_slice(values);
            scratch.values[values.len()..].fill(0.0);
            &scratch.values
        }
    };
    let finite = match form {
        Form::Sparse(shape) => topk::encode(shape, padded, values.len(), &mut scratch.selection, bytes),
        Form::Dense(width) => dense::encode(width, padded, rounding, (number * BLOCKS) as u64, bytes, None),
        Form::Plain => {
            plain::encode(values, bytes);
            false
        }
    };
    if finite { None } else { plain::first_non_finite(values.iter().copied()) }
}

/// Refuses every body that no encoder of the format writes, in constant extra memory.
///
/// # Errors
/// The fault of the first chunk that has one.
pub fn validate(codec: Codec, elements: usize, body: &[u8]) -> Result<(), DecodeError> {
    check_length(codec, elements, body)?;
    let form = Form::of(codec);
    let fault = body
        .par_chunks(codec.chunk_bytes())
        .with_min_len(CHUNKS_PER_TASK)
        .enumerate()
        .map(|(chunk, bytes)| validate_chunk(form, elements, bytes, chunk).map_err(|error| (chunk, error)))
        .filter_map(Result::err)
        .min_by_key(|(chunk, _)| *chunk);
    fault.map_or(Ok(()), |(_, error)| Err(error))
}

fn validate_chunk(form: Form, elements: usize, bytes: &[u8], chunk: usize) -> Result<(), DecodeError> {
    let real = real_elements(elements, chunk);
    match form {
        Form::Sparse(shape) => Entries::new().read(shape, bytes, real, chunk),
        Form::Dense(width) => dense::validate(width, bytes, real, chunk),
        Form::Plain => match plain::first_non_finite(plain::values(bytes)) {
            Some(index) => Err(DecodeError::NonFinite { index: chunk * CHUNK + index }),
            None => Ok(()),
        },
    }
}

/// Parses a payload, compares it with what was asked for and validates the whole body, in constant extra memory.
///
/// # Errors
/// Whatever [`parse`] and [`validate`] refuse, and every field that is not the expected one.
pub fn check<'a>(bytes: &'a [u8], expected: &Expected) -> Result<(Header, &'a [u8]), DecodeError> {
    let (header, body) = parse(bytes)?;
    compare(&header, expected)?;
    let elements = usize::try_from(header.elements).unwrap_or(usize::MAX);
    validate(header.codec, elements, body)?;
    Ok((header, body))
}

/// The values that a body stands for. → [elements]
///
/// # Errors
/// Whatever [`validate`] refuses.
pub fn decode(codec: Codec, elements: usize, body: &[u8]) -> Result<Vec<f32>, DecodeError> {
    check_length(codec, elements, body)?;
    let mut values = vec![0.0; elements];
    for_each_value(codec, body, &mut values, |target, value| *target = value)?;
    Ok(values)
}

/// e ← e − v, for the residual of a worker whose contribution was accepted. [elements]
///
/// # Errors
/// Whatever [`validate`] refuses; the residual is then as it was.
pub fn subtract(codec: Codec, body: &[u8], residual: &mut [f32]) -> Result<(), DecodeError> {
    validate(codec, residual.len(), body)?;
    for_each_value(codec, body, residual, |target, value| *target -= value)
}

/// Refuses a body of another length than codec and elements imply.
pub(crate) fn check_length(codec: Codec, elements: usize, body: &[u8]) -> Result<(), DecodeError> {
    let expected = codec.body_bytes(elements);
    if body.len() == expected { Ok(()) } else { Err(DecodeError::WrongLength { expected, found: body.len() }) }
}

/// Calls `merge` for every value that a body of the right length sends.
pub(crate) fn for_each_value<T: Send>(
    codec: Codec,
    body: &[u8],
    targets: &mut [T],
    merge: impl Fn(&mut T, f32) + Sync,
) -> Result<(), DecodeError> {
    let form = Form::of(codec);
    let fault = targets
        .par_chunks_mut(CHUNK)
        .zip(body.par_chunks(codec.chunk_bytes()))
        .with_min_len(CHUNKS_PER_TASK)
        .enumerate()
        .map(|(chunk, (targets, bytes))| merge_chunk(form, bytes, targets, chunk, &merge).map_err(|e| (chunk, e)))
        .filter_map(Result::err)
        .min_by_key(|(chunk, _)| *chunk);
    fault.map_or(Ok(()), |(_, error)| Err(error))
}

fn merge_chunk<T>(
    form: Form,
    bytes: &[u8],
    targets: &mut [T],
    chunk: usize,
    merge: &impl Fn(&mut T, f32),
) -> Result<(), DecodeError> {
    match form {
        Form::Sparse(shape) => {
            let mut entries = Entries::new();
            entries.read(shape, bytes, targets.len(), chunk)?;
            entries.values().for_each(|(index, value)| merge(&mut targets[index], value));
        }
        Form::Dense(width) => {
            dense::validate(width, bytes, targets.len(), chunk)?;
            for (block, targets) in (0..BLOCKS).zip(targets.chunks_mut(BLOCK)) {
                let values = dense::values(width, bytes, block);
                targets.iter_mut().zip(values).for_each(|(target, value)| merge(target, value));
            }
        }
        Form::Plain => {
            if let Some(index) = plain::first_non_finite(plain::values(bytes)) {
                return Err(DecodeError::NonFinite { index: chunk * CHUNK + index });
            }
            targets.iter_mut().zip(plain::values(bytes)).for_each(|(target, value)| merge(target, value));
        }
    }
    Ok(())
}
