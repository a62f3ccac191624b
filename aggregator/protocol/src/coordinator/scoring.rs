//! The driver measures; the core judges, and drafts the manifest.

use super::{Action, AggregateRequest, Candidate, Coordinator, Phase, Record, ScoreRequest, Scored};
use crate::{
    Contribution, Hash, Head, Manifest, Message, Millis, Reveal, Round, ScorePolicy, Signed, Stage, WorkerId,
    limits::TEXT_BYTES_MAX,
    manifest::seed_of,
    roster::{Join, next_roster},
    round::AbandonReason,
    score::{Entry, Outcome, decide},
};

impl Coordinator {
    pub(super) fn begin_scoring(&mut self, now: Millis) {
        self.enter(now, Phase::Scoring);
        let reveals: Vec<Reveal> =
            self.open.reveals.values().filter(|reveal| self.open.stored.contains(&reveal.worker)).cloned().collect();
        let (Some(head), Some(closed)) = (self.head.clone(), self.open.closed_hash) else { return };
        if reveals.is_empty() {
            return self.draft(now);
        }
        for worker in self.connected_members() {
            self.send(worker, Message::Revealed { round: self.round, reveals: reveals.clone() });
        }
        let candidates = reveals.iter().map(Candidate::of).collect();
        let eval_seed = seed_of(&closed, &self.entries());
        self.actions.push(Action::Score(ScoreRequest { round: self.round, head, eval_seed, candidates }));
    }

    pub(super) fn on_scored(&mut self, now: Millis, scored: Scored) {
        if self.phase != Phase::Scoring || scored.round != self.round || self.open.draft.is_some() {
            return;
        }
        self.open.base_loss_micronats = scored.base_loss_micronats;
        let stored = &self.open.stored;
        self.open.measured = scored.measured.into_iter().filter(|(worker, _)| stored.contains(worker)).collect();
        let missing = stored.iter().find(|worker| !self.open.measured.contains_key(worker)).copied();
        let unevaluated =
            scored.base_loss_micronats.is_none() && self.config.parameters.score != ScorePolicy::GatesOnly;
        match missing {
            Some(worker) => self.on_failed(now, self.round, &format!("{worker} was not measured")),
            None if unevaluated => self.on_failed(now, self.round, "the base state was not evaluated"),
            None => self.draft(now),
        }
    }

    pub(super) fn on_aggregated(&mut self, now: Millis, round: Round, state_hash: Hash) {
        if self.phase != Phase::Scoring || round != self.round {
            return;
        }
        if let Some(mut manifest) = self.open.draft.take() {
            manifest.state_hash = state_hash;
            self.propose(now, manifest);
        }
    }

    pub(super) fn on_failed(&mut self, now: Millis, round: Round, why: &str) {
        if self.phase == Phase::Scoring && round == self.round {
            let mut why = why.to_owned();
            why.truncate(why.floor_char_boundary(TEXT_BYTES_MAX));
            self.abandon(now, AbandonReason::AggregatorFailed(why));
        }
    }

    /// Judges the round; the next state's hash is what is missing then, unless nothing was accepted.
    fn draft(&mut self, now: Millis) {
        let Some(manifest) = self.manifest() else { return };
        let summands = manifest.summands();
        if summands.is_empty() {
            return self.propose(now, manifest);
        }
        self.actions.push(Action::Aggregate(AggregateRequest {
            round: self.round,
            base_hash: manifest.base_hash,
            outer_step: manifest.outer_step,
            codec: manifest.codec.clone(),
            alpha: manifest.alpha,
            rho: manifest.rho,
            summands,
        }));
        self.open.draft = Some(manifest);
    }

    fn propose(&mut self, now: Millis, manifest: Manifest) {
        self.open.proposal_hash = Some(manifest.hash());
        let signed = Signed::new(manifest, &self.config.keypair);
        self.persist(Record::Proposal(signed.clone()));
        self.open.proposal = Some(signed);
        self.enter(now, Phase::Voting);
        self.send_proposal();
    }

    /// The manifest with the state left as it was.
    fn manifest(&self) -> Option<Manifest> {
        let (head, closed_hash, parameters) = (self.head.as_ref()?, self.open.closed_hash?, &self.config.parameters);
        let entries = self.entries();
        let decisions = decide(parameters, &head.roster, &entries);
        let contributions: Vec<_> =
            entries.iter().zip(&decisions).map(|(entry, decision)| Contribution::of(entry, decision)).collect();
        let joins = self.news(head);
        let next_roster = next_roster(parameters, &head.roster, self.round, &contributions, &joins);
        Some(Manifest {
            session: self.config.session,
            round: self.round,
            term: self.config.term,
            outer_step: head.outer_steps + 1,
            stage: Stage::WHOLE.index,
            stages: Stage::WHOLE.of,
            base_hash: head.state_hash,
            parent_hash: head.manifest_hash,
            state_hash: head.state_hash,
            elements: head.elements,
            cursor: head.assignment(self.round, parameters, 1).next_cursor(),
            codec: parameters.codec_at(head.outer_steps).to_owned(),
            alpha: parameters.alpha,
            rho: parameters.rho,
            closed_hash,
            eval_seed: seed_of(&closed_hash, &entries),
            base_loss_micronats: self.open.base_loss_micronats,
            contributions,
            joins,
            next_roster,
        })
    }

    /// The record of each commit.
    fn entries(&self) -> Vec<Entry> {
        let Some(set) = &self.open.closed else { return Vec::new() };
        let entry = |commit: &Signed<crate::Commitment>| Entry {
            worker: commit.body.worker,
            commitment: commit.body.commitment,
            outcome: self.outcome(&commit.body.worker),
        };
        set.body.commits.iter().map(entry).collect()
    }

    fn outcome(&self, worker: &WorkerId) -> Outcome {
        let Some(reveal) = self.open.reveals.get(worker) else {
            return if self.open.mismatched.contains(worker) { Outcome::Mismatch } else { Outcome::Withheld };
        };
        let measured = self.open.measured.get(worker).cloned();
        let Reveal { salt, payload_hash, payload_bytes: bytes, tokens, inner_ms, .. } = *reveal;
        Outcome::Revealed { salt, payload_hash, bytes, tokens, inner_ms, measured }
    }

    /// Joiners that are here, and members that have moved.
    fn news(&self, head: &Head) -> Vec<Join> {
        let present = self.joins.values().filter(|join| self.presence.is_connected(&join.worker));
        let moved =
            |join: &&Join| head.roster.member(&join.worker).is_none_or(|member| member.addresses != join.addresses);
        present.filter(moved).cloned().collect()
    }
}

impl Candidate {
    fn of(reveal: &Reveal) -> Self {
        let Reveal { worker, payload_hash, payload_bytes: bytes, tokens, .. } = *reveal;
        Self { worker, payload_hash, bytes, tokens }
    }
}
