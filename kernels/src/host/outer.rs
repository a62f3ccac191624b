//! The outer step: the mean of the summands off the state, by one f32 subtraction an element.
//!
//! Invariants: the next state is written beside the one it is made from, so an error leaves that as it was, and proving
//! and applying take one pass together. Codecs other than `none` give the same bits in any order of the summands.

use rayon::prelude::*;

use super::aggregate::{MEMBERS_MAX, Plan, Summand};
use super::body::{CHUNKS_PER_TASK, Form, check_length, validate};
use super::chunk::plain;
use super::sums::{self, Chunk, Sums};
use crate::format::{ApplyError, CHUNK, Codec};

/// The largest α: the whole mean is applied.
pub const ALPHA_MAX: u32 = 256;

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

/// `next` ← θ − α/256 · mean of the summands, exactly as `FORMAT.md` says. Both [elements]
///
/// One pass: θ and every body are read once and the next state is written once.
///
/// # Errors
/// A weight, clip, α or ρ out of its range, too many summands, a body that does not decode, a state that is not finite
/// or would not be, named in this order. `next` means nothing then.
///
/// # Panics
/// When the two states differ in length, which is a fault of the caller.
pub fn apply_into(
    codec: Codec,
    theta: &[f32],
    summands: &[Summand<'_>],
    step: &OuterStep,
    next: &mut [f32],
) -> Result<(), ApplyError> {
    assert_eq!(theta.len(), next.len(), "one length for the states");
    let plan = checked_plan(codec, theta.len(), summands, step)?;
    let states = theta.par_chunks(CHUNK).map(Some).zip(next.par_chunks_mut(CHUNK));
    if fold(codec, &plan, states) { Ok(()) } else { Err(find_fault(codec, theta, summands, next)) }
}

/// θ ← θ − α/256 · mean of the summands, as [`apply_into`]. [elements]
///
/// # Errors
/// As [`apply_into`]; the state is then as it was.
pub fn apply(codec: Codec, theta: &mut [f32], summands: &[Summand<'_>], step: &OuterStep) -> Result<(), ApplyError> {
    let mut next = vec![0.0; theta.len()];
    apply_into(codec, theta, summands, step, &mut next)?;
    theta.copy_from_slice(&next);
    Ok(())
}

/// The plain weighted mean of the summands, for `exchange = "gradient"`. → [elements]
///
/// # Errors
/// As [`apply_into`].
pub fn mean(codec: Codec, elements: usize, summands: &[Summand<'_>]) -> Result<Vec<f32>, ApplyError> {
    let mut mean = vec![0.0; elements];
    mean_into(codec, summands, &mut mean)?;
    Ok(mean)
}

/// As [`mean`], over what a vector holds, whose memory is there already. [elements]
///
/// # Errors
/// As [`apply_into`]; the vector means nothing then.
pub fn mean_into(codec: Codec, summands: &[Summand<'_>], mean: &mut [f32]) -> Result<(), ApplyError> {
    let plan = checked_plan(codec, mean.len(), summands, &OuterStep::MEAN)?;
    let states = mean.par_chunks_mut(CHUNK).map(|mean| (None, mean));
    if fold(codec, &plan, states) { Ok(()) } else { Err(find_fault(codec, &[], summands, mean)) }
}

/// The outer step of every chunk, from its state before to the one after. Whether all was well.
fn fold<'a>(
    codec: Codec,
    plan: &Plan<'_>,
    states: impl IndexedParallelIterator<Item = (Option<&'a [f32]>, &'a mut [f32])>,
) -> bool {
    let form = Form::of(codec);
    states
        .with_min_len(CHUNKS_PER_TASK)
        .enumerate()
        .map_init(Sums::new, |sums, (number, (theta, next))| {
            let mut chunk = Chunk { number, theta, next };
            match form {
                _ if plan.summands.is_empty() => sums::begin(&mut chunk),
                Form::Sparse(shape) => sums::sparse(shape, plan, sums, &mut chunk),
                Form::Dense(width) => sums::dense(width, plan, &mut chunk),
                Form::Plain => sums::plain(plan, sums, &mut chunk),
            }
        })
        .reduce(|| true, |all, one| all & one)
}

/// The fault of a pass that failed. The slow path: everything is looked at again in the order of the errors.
fn find_fault(codec: Codec, theta: &[f32], summands: &[Summand<'_>], next: &[f32]) -> ApplyError {
    if let Err(error) = validate_summands(codec, next.len(), summands) {
        return error;
    }
    if let Some(index) = plain::first_non_finite(theta.iter().copied()) {
        return ApplyError::NonFiniteState { index };
    }
    let index = plain::first_non_finite(next.iter().copied());
    ApplyError::Overflow { index: index.unwrap_or(0) }
}

/// Checks everything but the state: the summands that count, all of them valid, with their integers.
pub(crate) fn plan<'a>(
    codec: Codec,
    elements: usize,
    summands: &[Summand<'a>],
    step: &OuterStep,
) -> Result<Plan<'a>, ApplyError> {
    let plan = checked_plan(codec, elements, summands, step)?;
    validate_summands(codec, elements, summands)?;
    Ok(plan)
}

fn counted<'a, 't>(summands: &'t [Summand<'a>]) -> impl Iterator<Item = (usize, &'t Summand<'a>)> {
    summands.iter().enumerate().filter(|(_, summand)| summand.weight > 0)
}

fn validate_summands(codec: Codec, elements: usize, summands: &[Summand<'_>]) -> Result<(), ApplyError> {
    counted(summands).try_for_each(|(summand, Summand { body, .. })| {
        validate(codec, elements, body).map_err(|source| ApplyError::Decode { summand, source })
    })
}

/// The plan of summands whose ranges and lengths are right; what their bodies hold is not looked at.
fn checked_plan<'a>(
    codec: Codec,
    elements: usize,
    summands: &[Summand<'a>],
    step: &OuterStep,
) -> Result<Plan<'a>, ApplyError> {
    step.check()?;
    summands.iter().enumerate().try_for_each(|(index, summand)| summand.check(index))?;
    let found = counted(summands).count();
    if found > MEMBERS_MAX {
        return Err(ApplyError::TooManySummands { found, limit: MEMBERS_MAX });
    }
    for (summand, Summand { body, .. }) in counted(summands) {
        check_length(codec, elements, body).map_err(|source| ApplyError::Decode { summand, source })?;
    }
    let weight_sum = counted(summands).map(|(_, summand)| summand.weight).sum();
    Ok(Plan {
        summands: counted(summands)
            .map(|(_, summand)| (summand.body, summand.weight, step.alpha * summand.clip))
            .collect(),
        divisor_min: step.divisor_min(weight_sum),
        weight_sum,
    })
}
