//! What a committed round leaves behind: who contributed what, how it was judged, and the state that follows.
//!
//! A manifest holds every number that its judgements follow from, so that anyone can recompute them: the evaluation
//! seed from the commitments and salts, scores and weights from what was measured, the next roster from both.

use crate::{
    Certificate, CertificateError, Hash, Reason, Roster, Round, SessionId, Signable, Signature, SignatureError, Signed,
    Stage, Term, Verdict, WorkerId, encoding,
    limits::{CODEC_NAME_BYTES_MAX, JOINS_MAX, MEMBERS_MAX},
    roster::Join,
    round::Ballot,
    score::Measured,
};
use serde::{Deserialize, Serialize};

mod check;
pub(crate) use check::seed_of;
pub use check::{ManifestError, check};

/// The record of one round, proposed by the aggregator and committed by a quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The session.
    pub session: SessionId,
    /// The round.
    pub round: Round,
    /// The aggregator's term.
    pub term: Term,
    /// Committed outer steps, this one included.
    pub outer_step: u64,
    /// Stage of the model, 0 of 1 today.
    pub stage: u16,
    /// Stages of the model.
    pub stages: u16,
    /// State that the round started from.
    pub base_hash: Hash,
    /// The manifest that committed that state.
    pub parent_hash: Hash,
    /// State after the round.
    pub state_hash: Hash,
    /// Parameters in the flat vector.
    pub elements: u64,
    /// Sequences assigned so far, this round's included.
    pub cursor: u64,
    /// Name of the codec.
    #[serde(deserialize_with = "encoding::text::<_, CODEC_NAME_BYTES_MAX>")]
    pub codec: String,
    /// Outer learning rate in 1/256.
    pub alpha: u32,
    /// ρ as numerator and denominator.
    pub rho: (u32, u32),
    /// The closed set of commits, [`crate::ClosedSet::hash`].
    pub closed_hash: Hash,
    /// Seed of the evaluation.
    pub eval_seed: Hash,
    /// Loss of the scoring sequences at the base state, in micro-nats per token; none where nothing is evaluated.
    pub base_loss_micronats: Option<i64>,
    /// One for every commit of the closed set, in the order of workers.
    #[serde(deserialize_with = "encoding::list::<_, _, MEMBERS_MAX>")]
    pub contributions: Vec<Contribution>,
    /// Who joins, or announces new addresses, in the order of workers.
    #[serde(deserialize_with = "encoding::list::<_, _, JOINS_MAX>")]
    pub joins: Vec<Join>,
    /// The roster of the next round.
    pub next_roster: Roster,
}

/// One commit of the closed set and its judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// Who committed.
    pub worker: WorkerId,
    /// The commitment.
    pub commitment: Hash,
    /// Its salt, when it was opened.
    pub salt: Option<Hash>,
    /// BLAKE3 of the payload file, when it was revealed.
    pub payload_hash: Option<Hash>,
    /// Length of the payload in bytes.
    pub bytes: u64,
    /// Tokens trained on.
    pub tokens: u64,
    /// What the inner steps took, by the worker's own clock; 0 when it did not say.
    pub inner_ms: u64,
    /// Whether it enters the aggregate.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What was measured; none without the payload.
    pub measured: Option<Measured>,
    /// Ratio to the median norm, in millionths.
    pub norm_ratio_millionths: u32,
    /// Usefulness u in millionths.
    pub usefulness_millionths: u32,
    /// Agreement c in millionths.
    pub agreement_millionths: u32,
    /// Score S, 0–100.
    pub score: u32,
    /// Weight in the aggregate, 0–64.
    pub weight: u32,
    /// Clip in 1/256, 0–256.
    pub clip: u32,
}

/// One payload of the aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summand {
    /// Whose.
    pub worker: WorkerId,
    /// BLAKE3 of the payload file.
    pub payload_hash: Hash,
    /// Weight, 1–64.
    pub weight: u32,
    /// Clip in 1/256, 0–256.
    pub clip: u32,
}

/// A manifest with the signatures that commit it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedManifest {
    /// The manifest, signed by the aggregator.
    pub manifest: Signed<Manifest>,
    /// A quorum over the [`Ballot`] for it.
    pub signatures: Certificate,
}

/// The JSON form of a committed manifest (`rounds/000012/manifest.json`, aggregator/record/RUN.md): the fields of
/// [`Manifest`], then who signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestDocument {
    /// The manifest's own fields, not nested.
    #[serde(flatten)]
    pub manifest: Manifest,
    /// [`Manifest::hash`].
    pub manifest_hash: Hash,
    /// Who proposed it.
    pub aggregator: WorkerId,
    /// The proposer's signature over the manifest.
    pub aggregator_signature: Signature,
    /// The voters' signatures over the [`Ballot`] for it.
    pub signatures: Certificate,
}

impl Signable for Manifest {
    const DOMAIN: &'static str = "cotrain/manifest/1";
}

impl Manifest {
    /// BLAKE3("cotrain/manifest/1" ‖ 0 ‖ canonical bytes).
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of_value(Self::DOMAIN, self)
    }

    /// The vote for it.
    #[must_use]
    pub fn ballot(&self) -> Ballot {
        Ballot { session: self.session, round: self.round, term: self.term, manifest_hash: self.hash() }
    }

    /// The stage of the model that it is about.
    #[must_use]
    pub fn stage(&self) -> Stage {
        Stage { index: self.stage, of: self.stages }
    }

    /// What enters the aggregate, in the order of workers. When it is empty the state stays as it is.
    #[must_use]
    pub fn summands(&self) -> Vec<Summand> {
        self.contributions.iter().filter_map(Contribution::summand).collect()
    }

    /// The entry of one worker.
    #[must_use]
    pub fn contribution(&self, worker: &WorkerId) -> Option<&Contribution> {
        self.contributions.iter().find(|contribution| contribution.worker == *worker)
    }
}

impl Contribution {
    /// What of it enters the aggregate.
    #[must_use]
    pub fn summand(&self) -> Option<Summand> {
        let payload_hash = self.payload_hash?;
        let accepted = self.verdict == Verdict::Accepted && self.weight > 0;
        accepted.then_some(Summand { worker: self.worker, payload_hash, weight: self.weight, clip: self.clip })
    }
}

impl CommittedManifest {
    /// Checks the proposer's signature and the quorum of the roster that the round started with.
    ///
    /// # Errors
    /// [`CertificateError`] names the first fault.
    pub fn verify(&self, aggregator: &WorkerId, roster: &Roster) -> Result<(), CertificateError> {
        let Signed { body, signer, .. } = &self.manifest;
        if signer != aggregator {
            return Err(SignatureError::Signature { signer: *signer, domain: Manifest::DOMAIN }.into());
        }
        self.manifest.verify()?;
        self.signatures.verify(&body.ballot(), roster)
    }
}

impl From<CommittedManifest> for ManifestDocument {
    fn from(committed: CommittedManifest) -> Self {
        let Signed { body: manifest, signer: aggregator, signature: aggregator_signature } = committed.manifest;
        let manifest_hash = manifest.hash();
        Self { manifest, manifest_hash, aggregator, aggregator_signature, signatures: committed.signatures }
    }
}

impl From<ManifestDocument> for CommittedManifest {
    fn from(document: ManifestDocument) -> Self {
        let ManifestDocument {
            manifest: body, aggregator: signer, aggregator_signature: signature, signatures, ..
        } = document;
        Self { manifest: Signed { body, signer, signature }, signatures }
    }
}

#[cfg(test)]
mod tests;
