//! What the unit tests share: keys, rosters, and rounds that can be bent in one place.

use crate::{
    ClosedSet, Commitment, Contribution, Hash, Head, Keypair, Manifest, Parameters, Roster, Round, SessionId, Signed,
    Stage, Term,
    manifest::seed_of,
    parameters::{CodecFrom, Tolerances},
    roster::{Join, next_roster},
    score::{Entry, Measured, Outcome, QualityRule, ScorePolicy, decide},
};

pub(crate) const SESSION: SessionId = SessionId([7; 32]);
pub(crate) const STATE: Hash = Hash([1; 32]);

pub(crate) fn keypair(number: u8) -> Keypair {
    Keypair::from_secret(&[number; 32])
}

/// `count` key pairs in the order of their workers.
pub(crate) fn keypairs(count: u8) -> Vec<Keypair> {
    let mut keypairs: Vec<_> = (1..=count).map(keypair).collect();
    keypairs.sort_by_key(Keypair::worker);
    keypairs
}

pub(crate) fn aggregator() -> Keypair {
    keypair(200)
}

pub(crate) fn join(keypair: &Keypair) -> Join {
    Join { worker: keypair.worker(), addresses: vec!["somewhere".to_owned()] }
}

pub(crate) fn head(keypairs: &[Keypair]) -> Head {
    let joins: Vec<_> = keypairs.iter().map(join).collect();
    Head::genesis(SESSION, STATE, 1_000, Roster::genesis(&joins))
}

/// The numbers of the quality rule that the job has by default.
pub(crate) fn rule() -> QualityRule {
    QualityRule {
        usefulness_weight: 50,
        agreement_weight: 25,
        norm_weight: 10,
        norm_ratio_min_millionths: 100_000,
        cosine_floor_millionths: 20_000,
        score_min: 50,
        usefulness_min_millionths: 200_000,
        standing_min: 30,
        standing_memory_percent: 70,
        low_score: 20,
        low_streak_rounds_max: 3,
        quarantine_rounds: 10,
        return_standing: 50,
    }
}

pub(crate) fn parameters(workers_min: u32) -> Parameters {
    Parameters {
        seed: 0,
        workers_min,
        outer_steps: 3,
        inner_steps: 2,
        batch_sequences: 4,
        balanced: false,
        round_deadline_ms: 10_000,
        close_deadline_ms: 1_000,
        reveal_deadline_ms: 2_000,
        vote_deadline_ms: 3_000,
        join_deadline_ms: 5_000,
        reconnect_grace_ms: 500,
        resend_ms: 100,
        alpha: 256,
        rho: (1, 5),
        codecs: vec![CodecFrom { outer_step: 0, codec: "toy".to_owned() }],
        score: ScorePolicy::Quality(rule()),
        tolerances: Tolerances { loss_micronats: 2_000, cosine_millionths: 1_000, norm_millionths: 1 },
        missed_rounds_max: 3,
        probation_rounds: 5,
    }
}

pub(crate) fn payload(number: usize) -> Hash {
    Hash::of(&[number as u8, 1])
}

pub(crate) fn commit(keypair: &Keypair, round: Round, payload: &Hash) -> Signed<Commitment> {
    let commitment = Commitment::of_payload(keypair, SESSION, round, Term::FIRST, STATE, payload);
    Signed::new(commitment, keypair)
}

pub(crate) fn closed_set(keypairs: &[Keypair], round: Round) -> ClosedSet {
    let commits =
        keypairs.iter().enumerate().map(|(number, keypair)| commit(keypair, round, &payload(number))).collect();
    ClosedSet { session: SESSION, round, term: Term::FIRST, base: STATE, commits }
}

pub(crate) fn measured() -> Measured {
    Measured {
        gate: None,
        norm_nanos: 1_000_000,
        loss_micronats: 1_999_000,
        gain_micronats: 1_000,
        gain_error_micronats: 10,
        cosine_millionths: Some(400_000),
    }
}

/// The entry of a commit that was delivered.
pub(crate) fn delivered(keypair: &Keypair, number: usize, measured: Measured) -> Entry {
    let round = Round(1);
    let outcome = Outcome::Revealed {
        salt: keypair.salt(&SESSION, round),
        payload_hash: payload(number),
        bytes: 100,
        tokens: 1_000,
        inner_ms: 100,
        measured: Some(measured),
    };
    Entry { worker: keypair.worker(), commitment: commit(keypair, round, &payload(number)).body.commitment, outcome }
}

/// A manifest of round 1 that follows from `entries`.
pub(crate) fn manifest(
    head: &Head,
    parameters: &Parameters,
    set: &ClosedSet,
    entries: &[Entry],
    joins: Vec<Join>,
) -> Manifest {
    let decisions = decide(parameters, &head.roster, entries);
    let contributions: Vec<_> =
        entries.iter().zip(&decisions).map(|(entry, decision)| Contribution::of(entry, decision)).collect();
    let next_roster = next_roster(parameters, &head.roster, set.round, &contributions, &joins);
    let accepted = contributions.iter().any(|contribution| contribution.summand().is_some());
    Manifest {
        session: SESSION,
        round: set.round,
        term: set.term,
        outer_step: head.outer_steps + 1,
        stage: Stage::WHOLE.index,
        stages: Stage::WHOLE.of,
        base_hash: head.state_hash,
        parent_hash: head.manifest_hash,
        state_hash: if accepted { Hash([2; 32]) } else { head.state_hash },
        elements: head.elements,
        cursor: head.assignment(set.round, parameters, 1).next_cursor(),
        codec: parameters.codec_at(head.outer_steps).to_owned(),
        alpha: parameters.alpha,
        rho: parameters.rho,
        closed_hash: set.hash(),
        eval_seed: seed_of(&set.hash(), entries),
        base_loss_micronats: Some(2_000_000),
        contributions,
        joins,
        next_roster,
    }
}
