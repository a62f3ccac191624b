//! What is timed of each kernel, once it is compared.

use std::hint::black_box;
use std::rc::Rc;

use super::arena::{Arena, Slices, vector};
use super::index_work::index_work;
use super::{BETA, BenchError, CHECKED_ELEMENTS};
use crate::format::{CHUNK, Codec, state_hash};
use crate::host::chunk::topk::Shape;
use crate::host::{self, Clipped, OuterStep, Rounding, Summand};
use crate::reference;

/// The whole range of weights and clips is tested elsewhere; here they are typical.
const STEP: OuterStep = OuterStep { alpha: 256, rho: (1, 5) };
const WEIGHT: u32 = 64;
const CLIP: u32 = 250;

/// A kernel ready to be timed: its result was compared with the reference.
pub struct Case {
    /// What runs: `compress`, `apply8`, ….
    pub kernel: String,
    /// Of which codec, where it is of one.
    pub codec: Option<Codec>,
    /// f32 vectors that the kernel is for.
    pub vectors: usize,
    /// Bytes that must cross the memory bus at least.
    pub moved_bytes: usize,
    /// One run on slices of an arena.
    pub work: Box<dyn FnMut(Slices<'_>)>,
}

impl Case {
    /// A kernel for one vector that is of no codec or of one.
    pub fn new(kernel: &str, codec: Option<Codec>, moved_bytes: usize, work: impl FnMut(Slices<'_>) + 'static) -> Self {
        Self { kernel: kernel.to_owned(), codec, vectors: 1, moved_bytes, work: Box::new(work) }
    }
}

fn wrong(is_right: bool, kernel: &'static str, codec: Codec) -> Result<(), BenchError> {
    if is_right { Ok(()) } else { Err(BenchError::Wrong { kernel, codec }) }
}

/// BLAKE3 of a vector.
pub(super) fn hash(arena: &Arena) -> Case {
    let moved = arena.bytes();
    Case::new("hash", None, moved, |slices| {
        black_box(state_hash(slices.sources[0], &[]));
    })
}

/// A vector to its body.
pub(super) fn encode(arena: &Arena, codec: Codec) -> Result<Case, BenchError> {
    let [checked, ..] = arena.first(CHECKED_ELEMENTS);
    wrong(host::encode(codec, checked) == reference::encode(codec, checked), "encode", codec)?;
    let moved = arena.bytes() + codec.body_bytes(arena.elements());
    Ok(Case::new("encode", Some(codec), moved, move |slices| {
        // Finite by construction.
        let _ = black_box(host::encode(codec, slices.sources[0]));
    }))
}

/// Residual, base and local parameters to a body and the next residual.
pub(super) fn compress(arena: &Arena, codec: Codec) -> Result<Case, BenchError> {
    let checked = arena.first(CHECKED_ELEMENTS);
    let [residual, base, local] = checked;
    let mut left = vec![0.0; residual.len()];
    let body = host::compress(codec, Rounding::Nearest, checked, BETA, &mut left);
    let mut sum = residual.to_vec();
    host::accumulate(&mut sum, base, local, BETA);
    wrong(body == reference::encode(codec, &sum), "compress", codec)?;
    let subtracted = host::subtract(codec, &body.unwrap_or_default(), &mut sum);
    wrong(subtracted.is_ok() && left == sum, "compress", codec)?;
    let moved = 4 * arena.bytes() + codec.body_bytes(arena.elements());
    Ok(Case::new("compress", Some(codec), moved, move |slices| {
        // Finite by construction.
        let _ = black_box(host::compress(codec, Rounding::Nearest, slices.sources, BETA, slices.target));
    }))
}

/// The index fields of a sparse codec alone, written and read.
pub(super) fn pack_indices(arena: &Arena, codec: Codec) -> Vec<Case> {
    let Some(shape) = codec.entries().map(Shape::new) else { return Vec::new() };
    let chunks = arena.elements().div_ceil(CHUNK);
    let (mut packed, read) = (index_work(shape, chunks), index_work(shape, chunks));
    let moved = chunks * read.bytes_per_chunk();
    let pack = Case::new("pack", Some(codec), moved, move |_| packed.pack());
    vec![pack, Case::new("unpack", Some(codec), moved, move |_| read.unpack())]
}

/// Decoding and accumulating alone, into the mean.
pub(super) fn mean(arena: &Arena, codec: Codec, bodies: &Bodies) -> Result<Case, BenchError> {
    let (summands, bodies) = (bodies.len(), bodies.clone());
    let length = arena.elements().min(CHECKED_ELEMENTS);
    let checked = new_bodies(codec, summands, length);
    let checked = summands_of(&checked);
    // From a state of zeros the outer step gives the mean with the sign turned, exactly.
    let mut expected = vec![0.0; length];
    let right = reference::apply(codec, &mut expected, &checked, &OuterStep::MEAN).is_ok();
    let found = host::mean(codec, length, &checked).unwrap_or_default();
    let same = found.len() == length && found.iter().zip(&expected).all(|(mean, next)| *mean == -*next);
    wrong(right && same, "mean", codec)?;
    let moved = arena.bytes() + summands * codec.body_bytes(arena.elements());
    Ok(Case::new(&format!("mean{summands}"), Some(codec), moved, move |slices| {
        let _ = black_box(host::mean_into(codec, &summands_of(&bodies), slices.target));
    }))
}

/// Decoding, accumulating and the outer step.
pub(super) fn apply(arena: &Arena, codec: Codec, bodies: &Bodies) -> Result<Case, BenchError> {
    let (summands, bodies) = (bodies.len(), bodies.clone());
    let [theta, ..] = arena.first(CHECKED_ELEMENTS);
    let checked = new_bodies(codec, summands, theta.len());
    let checked = summands_of(&checked);
    let (mut next, mut expected) = (theta.to_vec(), theta.to_vec());
    let found = host::apply_into(codec, theta, &checked, &STEP, &mut next);
    let same = found == reference::apply(codec, &mut expected, &checked, &STEP);
    wrong(same && state_hash(&next, &[]) == state_hash(&expected, &[]), "apply", codec)?;
    let moved = 2 * arena.bytes() + summands * codec.body_bytes(arena.elements());
    Ok(Case::new(&format!("apply{summands}"), Some(codec), moved, move |slices| {
        // Valid by construction, and so small that no state leaves the range of numbers.
        let _ = black_box(host::apply_into(codec, slices.sources[0], &summands_of(&bodies), &STEP, slices.target));
    }))
}

/// What scoring reads.
pub(super) fn scan(arena: &Arena, codec: Codec, bodies: &Bodies) -> Result<Case, BenchError> {
    let (summands, bodies) = (bodies.len(), bodies.clone());
    let length = arena.elements().min(CHECKED_ELEMENTS);
    let checked = new_bodies(codec, summands, length);
    let checked = members_of(&checked);
    let same = host::dot_sum(codec, length, &checked) == reference::dot_sum(codec, length, &checked);
    wrong(same, "scan", codec)?;
    let elements = arena.elements();
    let moved = summands * codec.body_bytes(elements);
    let case = Case::new(&format!("scan{summands}"), Some(codec), moved, move |_| {
        let _ = black_box(host::dot_sum(codec, elements, &members_of(&bodies)));
    });
    Ok(Case { vectors: summands, ..case })
}

/// Bodies that several cases read.
pub(super) type Bodies = Rc<Vec<Vec<u8>>>;

/// Bodies of vectors that differ from each other.
pub(super) fn new_bodies(codec: Codec, count: usize, elements: usize) -> Bodies {
    let body = |number: usize| host::encode(codec, &vector(4 + number as u64, elements)).unwrap_or_default();
    Rc::new((0..count).map(body).collect())
}

fn summands_of(bodies: &[Vec<u8>]) -> Vec<Summand<'_>> {
    bodies.iter().map(|body| Summand { body, weight: WEIGHT, clip: CLIP }).collect()
}

fn members_of(bodies: &[Vec<u8>]) -> Vec<Clipped<'_>> {
    bodies.iter().map(|body| Clipped { body, clip: CLIP, counted: true }).collect()
}
