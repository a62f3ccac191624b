//! Whether a manifest follows from its own record and from the head that it builds on. What takes payloads to check
//! (gates, losses, the next state) is left to [`crate::Member`].

use super::{Contribution, Manifest};
use crate::{
    ClosedSet, Commitment, Hash, Head, Parameters, Reason, Stage, WorkerId,
    roster::next_roster,
    round::evaluation_seed,
    score::{Decision, Entry, Outcome, decide},
};
use serde::{Deserialize, Serialize};

/// How a manifest does not follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ManifestError {
    /// It does not build on the head: session, parent, base, size, outer step or cursor.
    #[error("it does not build on the head")]
    Head,
    /// It belongs to another round or term than the closed set.
    #[error("another round or term")]
    Round,
    /// Codec, outer learning rate, ρ or stages are not those of the job.
    #[error("parameters are not those of the job")]
    Parameters,
    /// The entries are not exactly those of the closed set.
    #[error("the entries are not those of the closed set")]
    Entries,
    /// What is said to be revealed does not open the commitment.
    #[error("the reveal of {0} does not open its commitment")]
    Reveal(WorkerId),
    /// The evaluation seed is another.
    #[error("the evaluation seed does not follow")]
    Seed,
    /// Verdict, reason, score, weight or clip do not follow from the numbers.
    #[error("the judgement of {0} does not follow")]
    Judgement(WorkerId),
    /// Joins are not sorted by worker.
    #[error("the joins are out of order")]
    Joins,
    /// The next roster is another.
    #[error("the next roster does not follow")]
    Roster,
    /// Nothing was accepted, and yet the state changes.
    #[error("the state changes without a contribution")]
    State,
}

/// Checks that `manifest` follows from its record, from `head` and from the closed set.
///
/// # Errors
/// [`ManifestError`] names the first thing that does not.
pub fn check(
    manifest: &Manifest,
    head: &Head,
    parameters: &Parameters,
    closed: &ClosedSet,
) -> Result<(), ManifestError> {
    let rounds = manifest.round == closed.round && manifest.term == closed.term;
    require(rounds, ManifestError::Round)?;
    require(builds_on(manifest, head, parameters), ManifestError::Head)?;
    require(keeps_parameters(manifest, head, parameters), ManifestError::Parameters)?;
    check_entries(manifest, closed)?;
    check_judgements(manifest, head, parameters)?;
    check_roster(manifest, head, parameters)?;
    let unchanged = manifest.state_hash == manifest.base_hash;
    require(!manifest.summands().is_empty() || unchanged, ManifestError::State)
}

impl Contribution {
    /// The record of a commit with its judgement.
    #[must_use]
    pub fn of(entry: &Entry, decision: &Decision) -> Self {
        let mut contribution = Self {
            worker: entry.worker,
            commitment: entry.commitment,
            salt: None,
            payload_hash: None,
            bytes: 0,
            tokens: 0,
            inner_ms: 0,
            verdict: decision.verdict,
            reason: decision.reason,
            measured: None,
            norm_ratio_millionths: decision.norm_ratio_millionths,
            usefulness_millionths: decision.usefulness_millionths,
            agreement_millionths: decision.agreement_millionths,
            score: decision.score,
            weight: decision.weight,
            clip: decision.clip,
        };
        if let Outcome::Revealed { salt, payload_hash, bytes, tokens, inner_ms, measured } = &entry.outcome {
            (contribution.salt, contribution.payload_hash) = (Some(*salt), Some(*payload_hash));
            (contribution.bytes, contribution.tokens, contribution.inner_ms) = (*bytes, *tokens, *inner_ms);
            contribution.measured.clone_from(measured);
        }
        contribution
    }

    /// What was recorded before the judgement.
    #[must_use]
    pub fn entry(&self) -> Entry {
        let outcome = match (self.salt, self.payload_hash) {
            (Some(salt), Some(payload_hash)) => {
                let (bytes, tokens, inner_ms) = (self.bytes, self.tokens, self.inner_ms);
                Outcome::Revealed { salt, payload_hash, bytes, tokens, inner_ms, measured: self.measured.clone() }
            }
            _ if self.reason == Reason::CommitmentMismatch => Outcome::Mismatch,
            _ => Outcome::Withheld,
        };
        Entry { worker: self.worker, commitment: self.commitment, outcome }
    }
}

/// The seed that follows from a closed set and the entries of its commits.
#[must_use]
pub(crate) fn seed_of(closed: &Hash, entries: &[Entry]) -> Hash {
    let salts = entries.iter().filter_map(|entry| match &entry.outcome {
        Outcome::Revealed { salt, .. } => Some(*salt),
        _ => None,
    });
    evaluation_seed(closed, salts)
}

fn require(holds: bool, error: ManifestError) -> Result<(), ManifestError> {
    if holds { Ok(()) } else { Err(error) }
}

fn builds_on(manifest: &Manifest, head: &Head, parameters: &Parameters) -> bool {
    // How many windows the text has does not change how many sequences a round takes.
    let assignment = head.assignment(manifest.round, parameters, 1);
    manifest.session == head.session
        && manifest.parent_hash == head.manifest_hash
        && manifest.base_hash == head.state_hash
        && manifest.elements == head.elements
        && manifest.round > head.round
        && manifest.outer_step == head.outer_steps.saturating_add(1)
        && manifest.cursor == assignment.next_cursor()
}

fn keeps_parameters(manifest: &Manifest, head: &Head, parameters: &Parameters) -> bool {
    manifest.codec == parameters.codec_at(head.outer_steps)
        && manifest.alpha == parameters.alpha
        && manifest.rho == parameters.rho
        && manifest.stage() == Stage::WHOLE
}

fn check_entries(manifest: &Manifest, closed: &ClosedSet) -> Result<(), ManifestError> {
    let committed = closed.commits.iter().map(|commit| (commit.body.worker, commit.body.commitment));
    let recorded = manifest.contributions.iter().map(|entry| (entry.worker, entry.commitment));
    let same = closed.base == manifest.base_hash && closed.hash() == manifest.closed_hash;
    require(same && committed.eq(recorded), ManifestError::Entries)?;
    for Contribution { worker, commitment, salt, payload_hash, .. } in &manifest.contributions {
        if let (Some(salt), Some(payload)) = (salt, payload_hash) {
            let Manifest { session, round, base_hash, .. } = manifest;
            let digest = Commitment::digest(session, *round, worker, base_hash, payload, salt);
            require(digest == *commitment, ManifestError::Reveal(*worker))?;
        }
    }
    Ok(())
}

fn check_judgements(manifest: &Manifest, head: &Head, parameters: &Parameters) -> Result<(), ManifestError> {
    let entries: Vec<_> = manifest.contributions.iter().map(Contribution::entry).collect();
    require(manifest.eval_seed == seed_of(&manifest.closed_hash, &entries), ManifestError::Seed)?;
    let decisions = decide(parameters, &head.roster, &entries);
    for ((entry, decision), recorded) in entries.iter().zip(&decisions).zip(&manifest.contributions) {
        require(Contribution::of(entry, decision) == *recorded, ManifestError::Judgement(entry.worker))?;
    }
    Ok(())
}

fn check_roster(manifest: &Manifest, head: &Head, parameters: &Parameters) -> Result<(), ManifestError> {
    let sorted = manifest.joins.windows(2).all(|pair| pair[0].worker < pair[1].worker);
    require(sorted, ManifestError::Joins)?;
    let next = next_roster(parameters, &head.roster, manifest.round, &manifest.contributions, &manifest.joins);
    require(next == manifest.next_roster, ManifestError::Roster)
}
