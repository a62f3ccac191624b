//! The outer step: the mean of the terms off the state, by one f32 subtraction an element.
//!
//! Invariants: terms are validated and the outcome is known to be finite before the first element changes, so an error
//! leaves the state as it was. Codecs other than `none` give the same bits in any order of the terms.

use rayon::prelude::*;

use crate::aggregate::{Plan, Sums, TERMS_MAX, Term};
use crate::body::{CHUNKS_PER_TASK, Form, validate};
use crate::chunk::{dense, plain, topk::Shape};
use crate::codec::BLOCKS;
use crate::magnitude::{INFINITY_BITS, MAGNITUDE_MASK};
use crate::{ApplyError, CHUNK, Codec};

/// The largest α: the whole mean is applied.
pub const ALPHA_MAX: u32 = 256;

/// Magnitude bits of 2^126: below it on both sides no difference overflows.
const SAFE_BITS: u32 = 253 << 23;

/// The round's integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterStep {
    /// The outer learning rate in 256ths, 1…256.
    pub alpha: u32,
    /// The least share of the weights that a coordinate's sum is divided by, as numerator and denominator, 0…1:
    /// 1 is the plain mean, 0 the mean over the senders of the coordinate.
    pub rho: (u32, u32),
}

impl OuterStep {
    /// The whole plain mean: what `exchange = "gradient"` takes.
    pub const MEAN: Self = Self { alpha: ALPHA_MAX, rho: (1, 1) };

    fn check(&self) -> Result<(), ApplyError> {
        let (numerator, denominator) = self.rho;
        if !(1..=ALPHA_MAX).contains(&self.alpha) {
            return Err(ApplyError::AlphaOutOfRange { alpha: self.alpha });
        }
        if denominator == 0 || numerator > denominator {
            return Err(ApplyError::RhoOutOfRange { numerator, denominator });
        }
        Ok(())
    }

    /// M = ⌈ρ · Σw⌉.
    pub(crate) fn divisor_min(&self, weight_sum: u32) -> u32 {
        let (numerator, denominator) = (u64::from(self.rho.0), u64::from(self.rho.1));
        (numerator * u64::from(weight_sum)).div_ceil(denominator) as u32
    }
}

/// θ ← θ − α/256 · mean of the terms, exactly as `FORMAT.md` says. [elements]
///
/// # Errors
/// A weight, clip, α or ρ out of its range, too many terms, a body that does not decode, a state that is not finite or
/// would not be. The state is then as it was.
pub fn apply(codec: Codec, theta: &mut [f32], terms: &[Term<'_>], step: &OuterStep) -> Result<(), ApplyError> {
    let plan = plan(codec, theta.len(), terms, step)?;
    let largest = check_state(theta)?;
    if largest >= SAFE_BITS || !is_small(codec, &plan) {
        check_overflow(codec, theta, &plan)?;
    }
    theta.par_chunks_mut(CHUNK).with_min_len(CHUNKS_PER_TASK).enumerate().try_for_each_init(
        Sums::new,
        |sums, (chunk, theta)| {
            let real = theta.len();
            each_difference(codec, &plan, (chunk, real), sums, &mut |index, value| theta[index] -= value)
        },
    )
}

/// The plain weighted mean of the terms, for `exchange = "gradient"`. → [elements]
///
/// # Errors
/// As [`apply`].
pub fn mean(codec: Codec, elements: usize, terms: &[Term<'_>]) -> Result<Vec<f32>, ApplyError> {
    let plan = plan(codec, elements, terms, &OuterStep::MEAN)?;
    let mut mean = vec![0.0; elements];
    mean.par_chunks_mut(CHUNK).with_min_len(CHUNKS_PER_TASK).enumerate().try_for_each_init(
        Sums::new,
        |sums, (chunk, mean)| {
            let real = mean.len();
            each_difference(codec, &plan, (chunk, real), sums, &mut |index, value| mean[index] = value)
        },
    )?;
    Ok(mean)
}

/// Checks everything but the state: the terms that count, with their integers.
pub(crate) fn plan<'a>(
    codec: Codec,
    elements: usize,
    terms: &[Term<'a>],
    step: &OuterStep,
) -> Result<Plan<'a>, ApplyError> {
    step.check()?;
    terms.iter().enumerate().try_for_each(|(index, term)| term.check(index))?;
    let counted = || terms.iter().enumerate().filter(|(_, term)| term.weight > 0);
    if counted().count() > TERMS_MAX {
        return Err(ApplyError::TooManyTerms { found: counted().count(), limit: TERMS_MAX });
    }
    for (term, Term { body, .. }) in counted() {
        validate(codec, elements, body).map_err(|source| ApplyError::Decode { term, source })?;
    }
    let weight_sum = counted().map(|(_, term)| term.weight).sum();
    Ok(Plan {
        terms: counted().map(|(_, term)| (term.body, term.weight, step.alpha * term.clip)).collect(),
        divisor_min: step.divisor_min(weight_sum),
        weight_sum,
    })
}

/// Calls `emit(index in the chunk, what to subtract)` for the elements of a chunk that change.
fn each_difference(
    codec: Codec,
    plan: &Plan<'_>,
    (chunk, real): (usize, usize),
    sums: &mut Sums,
    emit: &mut impl FnMut(usize, f32),
) -> Result<(), ApplyError> {
    if plan.terms.is_empty() {
        return Ok(());
    }
    let size = codec.chunk_bytes();
    let bytes = |body: &[u8]| -> std::ops::Range<usize> { chunk * size..((chunk + 1) * size).min(body.len()) };
    match Form::of(codec) {
        Form::Sparse(shape) => {
            let read = sums.sparse(shape, plan, (chunk, real), |body| &body[bytes(body)], emit);
            read.map_err(|source| ApplyError::Decode { term: 0, source })
        }
        Form::Dense(width) => {
            sums.dense(width, plan, real, |body| &body[bytes(body)], emit);
            Ok(())
        }
        Form::Plain => {
            plain_mean(plan, |body| &body[bytes(body)], real, emit);
            Ok(())
        }
    }
}

/// The mean of codec `none` in f64, summed in the order of the terms; each product is exact.
fn plain_mean<'a>(
    plan: &Plan<'a>,
    bytes: impl Fn(&'a [u8]) -> &'a [u8],
    real: usize,
    emit: &mut impl FnMut(usize, f32),
) {
    let mut sums = vec![0.0; real];
    for &(body, weight, coefficient) in &plan.terms {
        let factor = f64::from(weight * coefficient);
        for (sum, value) in sums.iter_mut().zip(plain::values(bytes(body))) {
            *sum += factor * f64::from(value);
        }
    }
    let divisor = f64::from(plan.weight_sum) * 65_536.0;
    sums.iter().enumerate().for_each(|(index, sum)| emit(index, (sum / divisor) as f32));
}

/// The largest magnitude bits of a state.
fn check_state(theta: &[f32]) -> Result<u32, ApplyError> {
    let largest = theta
        .par_chunks(CHUNK)
        .with_min_len(CHUNKS_PER_TASK)
        .map(|chunk| chunk.iter().fold(0, |largest, value| largest.max(value.to_bits() & MAGNITUDE_MASK)))
        .max();
    let largest = largest.unwrap_or(0);
    if largest < INFINITY_BITS {
        return Ok(largest);
    }
    let index = plain::first_non_finite(theta.iter().copied()).unwrap_or(0);
    Err(ApplyError::NonFiniteState { index })
}

/// Whether no magnitude of the plan reaches 2^126.
fn is_small(codec: Codec, plan: &Plan<'_>) -> bool {
    let size = codec.chunk_bytes();
    plan.terms.iter().all(|(body, ..)| match Form::of(codec) {
        Form::Sparse(shape) => body.chunks_exact(size).all(|chunk| sparse_is_small(shape, chunk)),
        // A value is less than 2^7 scales.
        Form::Dense(_) => {
            body.chunks_exact(size).all(|chunk| (0..BLOCKS).all(|block| dense::scale(chunk, block) < (253 - 7) << 7))
        }
        Form::Plain => plain::values(body).all(|value| value.to_bits() & MAGNITUDE_MASK < SAFE_BITS),
    })
}

fn sparse_is_small(shape: Shape, chunk: &[u8]) -> bool {
    let at = shape.magnitudes_at() + 2;
    u16::from_le_bytes([chunk[at], chunk[at + 1]]) < 253 << 7
}

/// The slow path of large numbers: computes every new element before any is changed.
fn check_overflow(codec: Codec, theta: &[f32], plan: &Plan<'_>) -> Result<(), ApplyError> {
    let mut sums = Sums::new();
    for (chunk, theta) in theta.chunks(CHUNK).enumerate() {
        let mut overflow = None;
        each_difference(codec, plan, (chunk, theta.len()), &mut sums, &mut |index, value| {
            if !(theta[index] - value).is_finite() {
                overflow = Some(overflow.map_or(index, |first: usize| first.min(index)));
            }
        })?;
        if let Some(index) = overflow {
            return Err(ApplyError::Overflow { index: chunk * CHUNK + index });
        }
    }
    Ok(())
}
