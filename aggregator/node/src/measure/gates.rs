//! The gates that need a payload's bytes: size, header, encoding, finite values, tokens, duplicates.
//!
//! Invariant: a verdict here depends on the payloads, the head and the job alone, so every node comes to the same.

use kernels::{CHUNK, Codec, DecodeError, Expected};
use protocol::score::to_nanos;
use protocol::{Reason, Stage, WorkerId};

use crate::job::ScoreSection;

use super::{Delivered, Frame, MeasureError};

/// Chunks that are compared for duplicates: enough to tell, and bounded however large the model is.
const COMPARED_CHUNKS: usize = 256;

/// A payload after its gates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gated<'a> {
    /// Whose.
    pub(super) worker: WorkerId,
    /// The gate that it failed.
    pub(super) gate: Option<Reason>,
    /// Its norm in 10⁻⁹; 0 when it failed.
    pub(super) norm_nanos: u64,
    /// Its body; empty when it failed.
    pub(super) body: &'a [u8],
}

/// Gates all payloads, given in the order of workers.
pub(super) fn gate_all<'a>(frame: &Frame<'_>, delivered: &[Delivered<'a>]) -> Result<Vec<Gated<'a>>, MeasureError> {
    let mut gated: Vec<Gated<'a>> = delivered.iter().map(|payload| gate(frame, payload)).collect();
    if frame.codec.is_sparse() {
        mark_duplicates(frame, &mut gated)?;
    }
    Ok(gated)
}

fn gate<'a>(frame: &Frame<'_>, payload: &Delivered<'a>) -> Gated<'a> {
    let worker = payload.worker;
    match check(frame, payload) {
        Ok((norm, body)) => Gated { worker, gate: None, norm_nanos: to_nanos(norm), body },
        Err(reason) => Gated { worker, gate: Some(reason), norm_nanos: 0, body: &[] },
    }
}

fn check<'a>(frame: &Frame<'_>, payload: &Delivered<'a>) -> Result<(f64, &'a [u8]), Reason> {
    let elements = frame.context.state.theta.len();
    let expected = Expected {
        layout_hash: frame.context.rule.layout().hash(),
        stage: Stage::WHOLE.index,
        stages: Stage::WHOLE.of,
        session: frame.head.session.0,
        base_hash: frame.head.state_hash.0,
        round: frame.round.0,
        worker: payload.worker.0,
        codec: frame.codec,
        elements: elements as u64,
    };
    let (header, body) = kernels::check(payload.bytes, &expected).map_err(|error| reason(&error))?;
    if header.tokens != payload.tokens {
        return Err(Reason::WrongHeader);
    }
    if header.tokens == 0 || header.tokens > assigned_tokens(frame, &payload.worker) {
        return Err(Reason::WrongTokens);
    }
    let norm = kernels::norm(frame.codec, elements, body).map_err(|error| reason(&error))?;
    if norm.is_finite() { Ok((norm, body)) } else { Err(Reason::NotFinite) }
}

fn assigned_tokens(frame: &Frame<'_>, worker: &WorkerId) -> u64 {
    let steps = u64::from(frame.parameters.inner_steps);
    let length = frame.context.job.train.sequence_length as u64;
    frame.assignment.batch(worker).saturating_mul(steps).saturating_mul(length)
}

fn reason(error: &DecodeError) -> Reason {
    match error {
        DecodeError::HeaderTooShort { .. } | DecodeError::WrongLength { .. } => Reason::WrongSize,
        DecodeError::WrongMagic { .. }
        | DecodeError::WrongVersion { .. }
        | DecodeError::UnknownCodec { .. }
        | DecodeError::ReservedNotZero { .. }
        | DecodeError::StageOutOfRange { .. }
        | DecodeError::NoElements
        | DecodeError::WrongCodec { .. }
        | DecodeError::WrongStage { .. }
        | DecodeError::WrongElements { .. }
        | DecodeError::WrongLayout { .. }
        | DecodeError::WrongSession { .. }
        | DecodeError::WrongBase { .. }
        | DecodeError::WrongRound { .. }
        | DecodeError::WrongWorker { .. } => Reason::WrongHeader,
        DecodeError::NonFiniteMagnitude { .. } | DecodeError::NonFinite { .. } => Reason::NotFinite,
        _ => Reason::InvalidEncoding,
    }
}

/// Marks copies. The commits of a round are made before anyone reveals, so two equal payloads have one maker; the one
/// of the higher key counts as the copy, which everybody can check.
fn mark_duplicates(frame: &Frame<'_>, gated: &mut [Gated<'_>]) -> Result<(), MeasureError> {
    let sample = Sample::of(frame.codec, frame.context.state.theta.len(), frame.round.0);
    for later in 1..gated.len() {
        for earlier in 0..later {
            let (first, second) = (gated[earlier], gated[later]);
            let both = first.gate.is_none() && second.gate.is_none();
            if both && sample.is_copy(&frame.context.job.score, first.body, second.body)? {
                gated[later] = Gated { gate: Some(Reason::Duplicate { of: first.worker }), norm_nanos: 0, ..second };
            }
        }
    }
    Ok(())
}

/// A run of chunks of a sparse body, at a place that changes from round to round.
struct Sample {
    codec: Codec,
    elements: usize,
    bytes: std::ops::Range<usize>,
}

impl Sample {
    fn of(codec: Codec, elements: usize, round: u64) -> Self {
        let chunks = elements.div_ceil(CHUNK);
        if chunks <= COMPARED_CHUNKS {
            return Self { codec, elements, bytes: 0..codec.body_bytes(elements) };
        }
        // The tail chunk is left out, so that every compared chunk is whole.
        let places = chunks - COMPARED_CHUNKS;
        let first = (round as usize).wrapping_mul(COMPARED_CHUNKS) % places;
        let at = |chunk: usize| codec.body_bytes(chunk * CHUNK);
        Self { codec, elements: COMPARED_CHUNKS * CHUNK, bytes: at(first)..at(first + COMPARED_CHUNKS) }
    }

    /// Whether two bodies list nearly the same coordinates with nearly the same values.
    fn is_copy(&self, score: &ScoreSection, a: &[u8], b: &[u8]) -> Result<bool, MeasureError> {
        let (a, b) = (&a[self.bytes.clone()], &b[self.bytes.clone()]);
        let listed = kernels::coordinates(self.codec, self.elements);
        let common = kernels::overlap(self.codec, self.elements, a, b)?;
        if 100 * common < u64::from(score.duplicate_overlap_percent) * listed {
            return Ok(false);
        }
        let scale = kernels::norm(self.codec, self.elements, a)? * kernels::norm(self.codec, self.elements, b)?;
        let dot = kernels::dot(self.codec, self.elements, a, b)?;
        Ok(scale > 0.0 && 100.0 * dot >= f64::from(score.duplicate_cosine_percent) * scale)
    }
}
