//! The numbers behind scores and votes (PROTOCOL.md, "Gates and measuring"): gates, norms, losses at θ − ½D, cosines,
//! rounded once to the integers of the record.
//!
//! Invariants: the aggregator and every voter measure with these functions; gates, norms and cosines are the same on
//! every CPU, losses agree within the job's tolerance; nothing that a payload holds makes a function here fail: it
//! makes that payload's numbers bad.

use kernels::{Clipped, Codec, OuterStep};
use models::data::{DataError, Split};
use models::{Batch, ModelError, Trainer};
use protocol::coordinator::{ScoreRequest, Scored};
use protocol::manifest::Summand;
use protocol::member::{Remeasured, Verification, VerifyRequest};
use protocol::score::{Measured, Prepared, prepare, to_millionths};
use protocol::{Assignment, Hash, Head, Parameters, Round, ScorePolicy, WorkerId};

use crate::evaluate::mean;
use crate::job::{Job, JobError};
use crate::payloads::Payloads;
use crate::state::{OuterRule, State, StateError};

mod gates;

use gates::Gated;

/// The loss that stands for one that is not finite, in nats: no model that trains comes near it.
const LOSS_MAX: f64 = 1e6;
/// θ − ½D: the step at which a contribution's use is measured.
const HALF_STEP: OuterStep = OuterStep { alpha: 128, rho: (0, 1) };

/// What measurements are made against.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The job.
    pub job: &'a Job,
    /// The layout and the outer step.
    pub rule: &'a OuterRule,
    /// The windows.
    pub split: &'a Split,
    /// The state of the head.
    pub state: &'a State,
}

/// Why nothing could be measured: our own fault, never a payload's.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The device or the model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A scoring window does not exist.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The job makes no parameters.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A codec that does not exist.
    #[error(transparent)]
    Codec(#[from] kernels::UnknownCodec),
    /// The aggregate cannot be applied.
    #[error(transparent)]
    State(#[from] StateError),
    /// A delivered payload that was not handed in.
    #[error("the payload {0} is not there")]
    Missing(Hash),
    /// A contribution whose payload did not pass the gates here was to be measured.
    #[error("the payload of {0} did not pass the gates")]
    Gated(WorkerId),
    /// A body that passed its gate does not decode, which is a bug.
    #[error("a payload that passed its gate: {0}")]
    Decode(#[from] kernels::DecodeError),
}

/// Measures every delivered payload of a round: the answer to `Action::Score`.
///
/// # Errors
/// [`MeasureError`] when this node cannot measure.
pub fn score(
    trainer: &mut Trainer,
    context: &Context<'_>,
    request: &ScoreRequest,
    payloads: &Payloads,
) -> Result<Scored, MeasureError> {
    let frame = Frame::new(context, &request.head, request.round)?;
    let candidates = request.candidates.iter();
    let delivered = candidates.map(|of| delivered(payloads, of.worker, &of.payload_hash, of.tokens));
    let gated = gates::gate_all(&frame, &delivered.collect::<Result<Vec<_>, _>>()?)?;
    if frame.parameters.score == ScorePolicy::GatesOnly {
        let measured = gated.iter().map(|payload| (payload.worker, payload.unmeasured())).collect();
        return Ok(Scored { round: request.round, base_loss_micronats: None, measured });
    }
    let prepared = frame.prepare(&gated);
    let cosines = frame.cosines(&gated, &prepared)?;
    let batch = frame.scoring_batch(&request.eval_seed)?;
    let base = finite(trainer.sequence_losses(&context.state.theta, &batch)?);
    let mut measured = Vec::new();
    for ((payload, prepared), cosine) in gated.iter().zip(&prepared).zip(cosines) {
        let mut entry = payload.unmeasured();
        if prepared.gate.is_none() {
            let losses = frame.losses_after(trainer, payload.body, prepared.clip, &batch)?;
            (entry.loss_micronats, entry.gain_micronats, entry.gain_error_micronats) = gains(&base, &losses);
            entry.cosine_millionths = cosine;
        }
        measured.push((payload.worker, entry));
    }
    Ok(Scored { round: request.round, base_loss_micronats: Some(to_millionths(mean(&base))), measured })
}

/// Measures what a vote needs: every gate and norm, one worker's gain and cosine, and the next state, which comes with
/// it so that nobody need compute it again.
///
/// # Errors
/// [`MeasureError`] when this node cannot measure.
pub fn verify(
    trainer: &mut Trainer,
    context: &Context<'_>,
    request: &VerifyRequest,
    payloads: &Payloads,
) -> Result<(Verification, State), MeasureError> {
    let manifest = &request.manifest;
    let frame = Frame::new(context, &request.head, manifest.round)?;
    let measured = manifest.contributions.iter().filter(|entry| entry.measured.is_some());
    let revealed = measured.filter_map(|entry| entry.payload_hash.as_ref().map(|hash| (entry, hash)));
    let delivered = revealed.map(|(entry, hash)| delivered(payloads, entry.worker, hash, entry.tokens));
    let gated = gates::gate_all(&frame, &delivered.collect::<Result<Vec<_>, _>>()?)?;
    let gates = gated.iter().map(|payload| (payload.worker, payload.gate, payload.norm_nanos)).collect();
    let remeasured = match request.remeasure {
        Some(worker) => Some(remeasure(trainer, &frame, &manifest.eval_seed, &gated, worker)?),
        None => None,
    };
    let next = next_state(context.rule, context.state, &manifest.codec, &request.summands, payloads)?;
    let (round, manifest_hash, state_hash) = (manifest.round, request.manifest_hash, next.hash());
    Ok((Verification { round, manifest_hash, gates, remeasured, state_hash }, next))
}

/// The state after the summands, in the order of workers; the base state stays as it is.
///
/// # Errors
/// [`MeasureError`] when a payload is missing or the aggregate is refused.
pub fn next_state(
    rule: &OuterRule,
    base: &State,
    codec: &str,
    summands: &[Summand],
    payloads: &Payloads,
) -> Result<State, MeasureError> {
    let codec: Codec = codec.parse()?;
    let mut state = base.clone();
    let summands = summands.iter().map(|summand| {
        let bytes = payloads.get(&summand.payload_hash).ok_or(MeasureError::Missing(summand.payload_hash))?;
        let (_, body) = kernels::parse(bytes)?;
        Ok(kernels::Summand { body, weight: summand.weight, clip: summand.clip })
    });
    let summands = summands.collect::<Result<Vec<_>, MeasureError>>()?;
    rule.apply(codec, &mut state, &summands)?;
    Ok(state)
}

fn remeasure(
    trainer: &mut Trainer,
    frame: &Frame<'_>,
    eval_seed: &Hash,
    gated: &[Gated<'_>],
    worker: WorkerId,
) -> Result<Remeasured, MeasureError> {
    let prepared = frame.prepare(gated);
    let found = gated.iter().position(|payload| payload.worker == worker);
    let index = found.filter(|index| prepared[*index].gate.is_none()).ok_or(MeasureError::Gated(worker))?;
    let cosines = frame.cosines(gated, &prepared)?;
    let batch = frame.scoring_batch(eval_seed)?;
    let base = finite(trainer.sequence_losses(&frame.context.state.theta, &batch)?);
    let losses = frame.losses_after(trainer, gated[index].body, prepared[index].clip, &batch)?;
    let (loss_micronats, gain_micronats, _) = gains(&base, &losses);
    let base_loss_micronats = to_millionths(mean(&base));
    Ok(Remeasured { worker, base_loss_micronats, loss_micronats, gain_micronats, cosine_millionths: cosines[index] })
}

fn delivered<'a>(
    payloads: &'a Payloads,
    worker: WorkerId,
    hash: &Hash,
    tokens: u64,
) -> Result<Delivered<'a>, MeasureError> {
    let bytes = payloads.get(hash).ok_or(MeasureError::Missing(*hash))?;
    Ok(Delivered { worker, tokens, bytes })
}

/// A payload that was delivered, in the order of workers.
#[derive(Clone, Copy)]
struct Delivered<'a> {
    worker: WorkerId,
    /// Tokens that its owner stated.
    tokens: u64,
    /// The file.
    bytes: &'a [u8],
}

/// What the measurements of one round are made against.
struct Frame<'a> {
    context: &'a Context<'a>,
    parameters: Parameters,
    assignment: Assignment,
    codec: Codec,
    head: &'a Head,
    round: Round,
}

impl<'a> Frame<'a> {
    fn new(context: &'a Context<'a>, head: &'a Head, round: Round) -> Result<Self, MeasureError> {
        let parameters = context.job.parameters();
        let assignment = head.assignment(round, &parameters, context.split.training.len() as u64);
        let codec = parameters.codec_at(head.outer_steps).parse()?;
        Ok(Self { context, parameters, assignment, codec, head, round })
    }

    /// The scoring sequences: training windows that nobody was assigned this round.
    fn scoring_batch(&self, eval_seed: &Hash) -> Result<Batch, MeasureError> {
        let windows = self.assignment.scoring_windows(eval_seed, self.context.job.score.sequences);
        let indices: Vec<usize> = windows.into_iter().map(|index| index as usize).collect();
        Ok(self.context.split.training.batch(&indices)?)
    }

    fn prepare(&self, gated: &[Gated<'_>]) -> Vec<Prepared> {
        let gates: Vec<_> = gated.iter().map(|payload| (payload.worker, payload.gate, payload.norm_nanos)).collect();
        prepare(&self.parameters.score, &self.head.roster, &gates)
    }

    /// The cosine of each payload with the sum of the other trusted ones, in millionths, all clipped.
    fn cosines(&self, gated: &[Gated<'_>], prepared: &[Prepared]) -> Result<Vec<Option<i64>>, MeasureError> {
        let passed = gated.iter().zip(prepared).filter(|(_, prepared)| prepared.gate.is_none());
        let members: Vec<Clipped<'_>> =
            passed.map(|(payload, of)| Clipped { body: payload.body, clip: of.clip, counted: of.trusted }).collect();
        let mut sums = kernels::dot_sum(self.codec, self.context.state.theta.len(), &members)?.into_iter();
        let trusted = prepared.iter().filter(|prepared| prepared.trusted).count();
        let cosine = |prepared: &Prepared| {
            let sum = if prepared.gate.is_none() { sums.next() } else { None };
            let others = trusted - usize::from(prepared.trusted);
            sum.filter(|_| others > 0).and_then(|sum| sum.cosine()).map(to_millionths)
        };
        Ok(prepared.iter().map(cosine).collect())
    }

    /// The losses of the sequences of `batch` at θ − ½D.
    fn losses_after(
        &self,
        trainer: &mut Trainer,
        body: &[u8],
        clip: u32,
        batch: &Batch,
    ) -> Result<Vec<f64>, MeasureError> {
        let state = &self.context.state.theta;
        let mut theta = vec![0.0; state.len()];
        let summand = kernels::Summand { body, weight: 1, clip };
        if kernels::apply_into(self.codec, state, &[summand], &HALF_STEP, &mut theta).is_err() {
            // A step out of the range of numbers is as bad as a step can be.
            return Ok(vec![LOSS_MAX; batch.sequences]);
        }
        Ok(finite(trainer.sequence_losses(&theta, batch)?))
    }
}

/// Mean loss, mean gain and the standard error of the gains, in micro-nats.
fn gains(base: &[f64], losses: &[f64]) -> (i64, i64, u64) {
    let gains: Vec<f64> = base.iter().zip(losses).map(|(before, after)| before - after).collect();
    let gain = mean(&gains);
    let squares: f64 = gains.iter().map(|value| (value - gain) * (value - gain)).sum();
    let degrees = gains.len().saturating_sub(1).max(1) as f64;
    let error = (squares / degrees / gains.len().max(1) as f64).sqrt();
    (to_millionths(mean(losses)), to_millionths(gain), to_millionths(error).unsigned_abs())
}

fn finite(losses: Vec<f64>) -> Vec<f64> {
    losses.into_iter().map(|loss| if loss.is_finite() { loss.min(LOSS_MAX) } else { LOSS_MAX }).collect()
}

impl Gated<'_> {
    /// The record of a payload whose gain is not measured.
    fn unmeasured(&self) -> Measured {
        Measured { gate: self.gate, norm_nanos: self.norm_nanos, ..Measured::default() }
    }
}

#[cfg(test)]
mod tests;
