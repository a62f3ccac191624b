//! What is signed within a round before anything is judged: commitments, the closed set of them, reveals and ballots.

use crate::{
    Certificate, Hash, Keypair, Round, SessionId, Signable, Signed, Term, WorkerId, encoding,
    limits::{MEMBERS_MAX, TEXT_BYTES_MAX},
};
use serde::{Deserialize, Serialize};

/// A worker's promise of one payload, made before anyone reveals theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// The session.
    pub session: SessionId,
    /// The round.
    pub round: Round,
    /// The aggregator's term.
    pub term: Term,
    /// Who promises.
    pub worker: WorkerId,
    /// State hash that the payload was trained from.
    pub base: Hash,
    /// [`Commitment::digest`] of the payload.
    pub commitment: Hash,
}

impl Signable for Commitment {
    const DOMAIN: &'static str = "cotrain/commitment/1";
}

impl Commitment {
    /// BLAKE3("cotrain/commit/1" ‖ session ‖ round (u64, little-endian) ‖ worker ‖ base ‖ payload hash ‖ salt).
    #[must_use]
    pub fn digest(
        session: &SessionId,
        round: Round,
        worker: &WorkerId,
        base: &Hash,
        payload: &Hash,
        salt: &Hash,
    ) -> Hash {
        let round = round.0.to_le_bytes();
        let parts: [&[u8]; 6] = [&session.0, &round, &worker.0, &base.0, &payload.0, &salt.0];
        Hash::of_parts("cotrain/commit/1", &parts)
    }

    /// The commitment of `keypair`'s owner to a payload.
    #[must_use]
    pub fn of_payload(
        keypair: &Keypair,
        session: SessionId,
        round: Round,
        term: Term,
        base: Hash,
        payload: &Hash,
    ) -> Self {
        let worker = keypair.worker();
        let salt = keypair.salt(&session, round);
        let commitment = Self::digest(&session, round, &worker, &base, payload, &salt);
        Self { session, round, term, worker, base, commitment }
    }
}

/// All commitments that count in a round, sorted by worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedSet {
    /// The session.
    pub session: SessionId,
    /// The round.
    pub round: Round,
    /// The aggregator's term.
    pub term: Term,
    /// State hash that all of them share.
    pub base: Hash,
    /// One per worker, sorted by worker, each with its owner's signature.
    #[serde(deserialize_with = "encoding::list::<_, _, MEMBERS_MAX>")]
    pub commits: Vec<Signed<Commitment>>,
}

impl Signable for ClosedSet {
    const DOMAIN: &'static str = "cotrain/closed-set/1";
}

impl ClosedSet {
    /// BLAKE3("cotrain/closed/1" ‖ session ‖ round ‖ term ‖ base ‖ (worker ‖ commitment)…), integers as u64
    /// little-endian. It leaves the signatures out, so that anyone can recompute it from a manifest.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let commits = self.commits.iter().map(|commit| (commit.body.worker, commit.body.commitment));
        Self::hash_of(&self.session, self.round, self.term, &self.base, commits)
    }

    /// [`ClosedSet::hash`] from its parts.
    pub fn hash_of(
        session: &SessionId,
        round: Round,
        term: Term,
        base: &Hash,
        commits: impl Iterator<Item = (WorkerId, Hash)>,
    ) -> Hash {
        let mut bytes = Vec::from(session.0);
        bytes.extend(round.0.to_le_bytes());
        bytes.extend(term.0.to_le_bytes());
        bytes.extend(base.0);
        for (worker, commitment) in commits {
            bytes.extend(worker.0);
            bytes.extend(commitment.0);
        }
        Hash::of_parts("cotrain/closed/1", &[&bytes])
    }

    /// The commitment of one worker.
    #[must_use]
    pub fn of(&self, worker: &WorkerId) -> Option<&Signed<Commitment>> {
        let found = self.commits.binary_search_by(|commit| commit.body.worker.cmp(worker));
        found.ok().map(|index| &self.commits[index])
    }
}

/// The seed of a round's evaluation: BLAKE3("cotrain/eval/1" ‖ hash of the closed set ‖ revealed salts in the order of
/// workers).
#[must_use]
pub fn evaluation_seed(closed: &Hash, salts: impl Iterator<Item = Hash>) -> Hash {
    let mut bytes = Vec::from(closed.0);
    for salt in salts {
        bytes.extend(salt.0);
    }
    Hash::of_parts("cotrain/eval/1", &[&bytes])
}

/// What a voter signs to close the commits of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Countersign {
    /// The session.
    pub session: SessionId,
    /// The round.
    pub round: Round,
    /// The aggregator's term.
    pub term: Term,
    /// [`ClosedSet::hash`].
    pub closed_hash: Hash,
}

impl Signable for Countersign {
    const DOMAIN: &'static str = "cotrain/countersign/1";
}

/// A closed set that a quorum has countersigned: from here on payloads may be revealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedSet {
    /// The set, signed by the aggregator.
    pub set: Signed<ClosedSet>,
    /// A quorum over [`Countersign`].
    pub signatures: Certificate,
}

/// A worker opens its commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    /// The round.
    pub round: Round,
    /// Who opens.
    pub worker: WorkerId,
    /// The salt of the commitment.
    pub salt: Hash,
    /// BLAKE3 of the payload file.
    pub payload_hash: Hash,
    /// Its length in bytes.
    pub payload_bytes: u64,
    /// Tokens trained on.
    pub tokens: u64,
    /// What the inner steps took, by the worker's own clock; 0 when it does not say.
    pub inner_ms: u64,
}

impl Reveal {
    /// Whether it opens `commitment`.
    #[must_use]
    pub fn opens(&self, commitment: &Commitment) -> bool {
        let Commitment { session, round, worker, base, commitment: expected, .. } = commitment;
        self.round == *round
            && self.worker == *worker
            && Commitment::digest(session, *round, worker, base, &self.payload_hash, &self.salt) == *expected
    }
}

/// A vote for one manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// The session.
    pub session: SessionId,
    /// The round.
    pub round: Round,
    /// The aggregator's term.
    pub term: Term,
    /// [`crate::Manifest::hash`].
    pub manifest_hash: Hash,
}

impl Signable for Ballot {
    const DOMAIN: &'static str = "cotrain/ballot/1";
}

/// The aggregator's word that a round will never commit; beside a certificate of the same round it proves a lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abandonment {
    /// The session.
    pub session: SessionId,
    /// The round.
    pub round: Round,
    /// The aggregator's term.
    pub term: Term,
    /// Why.
    pub reason: AbandonReason,
}

impl Signable for Abandonment {
    const DOMAIN: &'static str = "cotrain/abandonment/1";
}

/// Why a round was abandoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum AbandonReason {
    /// Nobody committed before the deadline.
    #[error("no commit before the deadline")]
    NoCommits,
    /// Too few countersigned the closed set before the deadline.
    #[error("{have} of {need} countersignatures before the deadline")]
    NotCountersigned {
        /// Countersignatures received.
        have: u32,
        /// The quorum.
        need: u32,
    },
    /// Too few voted for the manifest before the deadline, or too many refused it.
    #[error("{have} of {need} votes, {refused} refused")]
    NoQuorum {
        /// Votes received.
        have: u32,
        /// The quorum.
        need: u32,
        /// Refusals received.
        refused: u32,
    },
    /// The aggregator could not score or aggregate the round.
    #[error("the aggregator failed: {0}")]
    AggregatorFailed(#[serde(deserialize_with = "encoding::text::<_, TEXT_BYTES_MAX>")] String),
}
