//! A deterministic "training" without tensors: states, payloads and residuals are hashes, measurements follow from them.

use protocol::{
    Hash, ScorePolicy, WorkerId,
    coordinator::{ScoreRequest, Scored},
    manifest::Summand,
    member::{Remeasured, Verification, VerifyRequest},
    score::Measured,
};

/// The state before the first round.
pub(crate) fn genesis() -> Hash {
    Hash::of(b"toy genesis")
}

pub(crate) fn train(worker: &WorkerId, state: &Hash, residual: &Hash) -> Hash {
    Hash::of_parts("toy payload", &[&worker.0, &state.0, &residual.0])
}

pub(crate) fn settle(residual: &Hash, payload: &Hash) -> Hash {
    Hash::of_parts("toy residual", &[&residual.0, &payload.0])
}

pub(crate) fn next_state(state: &Hash, summands: &[Summand]) -> Hash {
    if summands.is_empty() {
        return *state;
    }
    let mut bytes = Vec::from(state.0);
    for summand in summands {
        bytes.extend(summand.payload_hash.0);
        bytes.extend(summand.weight.to_le_bytes());
        bytes.extend(summand.clip.to_le_bytes());
    }
    Hash::of_parts("toy state", &[&bytes])
}

pub(crate) fn score(policy: &ScorePolicy, request: &ScoreRequest) -> Scored {
    let measured = request.candidates.iter();
    let measured =
        measured.map(|candidate| (candidate.worker, measure(&candidate.payload_hash, &request.eval_seed))).collect();
    let base_loss_micronats = (*policy != ScorePolicy::GatesOnly).then(|| base_loss(&request.eval_seed));
    Scored { round: request.round, base_loss_micronats, measured }
}

pub(crate) fn verify(request: &VerifyRequest) -> Verification {
    let manifest = &request.manifest;
    let delivered = manifest.contributions.iter().filter(|entry| entry.measured.is_some());
    let gates = delivered.filter_map(|entry| {
        let found = measure(&entry.payload_hash?, &manifest.eval_seed);
        Some((entry.worker, found.gate, found.norm_nanos))
    });
    let remeasured = request.remeasure.and_then(|worker| {
        let payload = manifest.contribution(&worker)?.payload_hash?;
        let Measured { loss_micronats, gain_micronats, cosine_millionths, .. } = measure(&payload, &manifest.eval_seed);
        let base_loss_micronats = base_loss(&manifest.eval_seed);
        Some(Remeasured { worker, base_loss_micronats, loss_micronats, gain_micronats, cosine_millionths })
    });
    Verification {
        round: manifest.round,
        manifest_hash: request.manifest_hash,
        gates: gates.collect(),
        remeasured,
        state_hash: next_state(&request.head.state_hash, &request.summands),
    }
}

fn measure(payload: &Hash, seed: &Hash) -> Measured {
    let dice = Hash::of_parts("toy measure", &[&payload.0, &seed.0]);
    let die = |index: usize| i64::from(dice.0[index]);
    // Mostly good, sometimes useless, so that verdicts differ.
    let gain = if die(0) < 24 { -500 } else { 1_000 + die(1) };
    Measured {
        gate: None,
        norm_nanos: 1_000_000 + u64::from(payload.0[0]) * 1_000,
        loss_micronats: base_loss(seed) - gain,
        gain_micronats: gain,
        gain_error_micronats: 20,
        cosine_millionths: Some(300_000 + 1_000 * die(2)),
    }
}

fn base_loss(seed: &Hash) -> i64 {
    2_000_000 + i64::from(seed.0[0])
}
