//! A round ends: committed by a quorum, or abandoned; and so does the run.

use super::{Action, Coordinator, Event, Open, Phase, Record};
use crate::{
    Certificate, CommittedManifest, Hash, Head, Message, Millis, Round, Signed, WorkerId,
    round::{AbandonReason, Abandonment},
};

impl Coordinator {
    /// The quorum is there: the record first, then the word to everybody, then the driver's own work.
    pub(super) fn commit(&mut self, now: Millis) {
        let Some(manifest) = self.open.proposal.take() else { return };
        let signatures: Certificate = self.open.votes.iter().map(|(worker, signature)| (*worker, *signature)).collect();
        let committed = CommittedManifest { manifest, signatures };
        self.persist(Record::Committed(committed.clone()));
        let head = Head::of(&committed.manifest.body);
        let told = self.connected_members();
        self.adopt(committed.clone());
        for worker in self.connected_members().into_iter().chain(told).collect::<std::collections::BTreeSet<_>>() {
            self.send(worker, Message::Committed(committed.clone()));
        }
        self.actions.push(Action::Commit { committed, head });
        self.continue_or_finish(now);
    }

    /// The round will never commit: recorded before anybody is told.
    pub(super) fn abandon(&mut self, now: Millis, reason: AbandonReason) {
        let (session, round, term) = (self.config.session, self.round, self.config.term);
        let signed = Signed::new(Abandonment { session, round, term, reason: reason.clone() }, &self.config.keypair);
        self.persist(Record::Abandoned(signed.clone()));
        for worker in self.connected_members() {
            self.send(worker, Message::Abandoned(signed.clone()));
        }
        self.actions.push(Action::Abandon { round, reason });
        self.open = Open::default();
        self.round = round.next();
        self.enter(now, Phase::Waiting);
    }

    /// Takes a committed manifest as the head.
    pub(super) fn adopt(&mut self, committed: CommittedManifest) {
        let head = Head::of(&committed.manifest.body);
        for join in &committed.manifest.body.joins {
            self.joins.remove(&join.worker);
        }
        self.applied.clear();
        self.open = Open::default();
        self.round = head.round.next();
        self.head = Some(head);
        self.last = Some(committed);
    }

    pub(super) fn continue_or_finish(&mut self, now: Millis) {
        if !self.is_finished() {
            return self.enter(now, Phase::Waiting); // the next step begins the round
        }
        self.enter(now, Phase::Finishing);
        for worker in self.connected_members() {
            self.send_finished(worker);
        }
    }

    pub(super) fn on_applied(&mut self, from: WorkerId, round: Round, state_hash: Hash) {
        let Some(head) = &self.head else { return };
        if round != head.round || head.roster.member(&from).is_none() {
            return;
        }
        let equal = state_hash == head.state_hash;
        let new = equal && self.applied.insert(from);
        if new || !equal {
            self.note(Event::Applied { worker: from, round, equal });
        }
    }

    /// The driver may leave when the live members have the last state, or had their time.
    pub(super) fn advance_finishing(&mut self, now: Millis) {
        let Some(head) = self.head.clone() else { return };
        let expired = now.since(self.phase_since) >= self.config.parameters.vote_deadline_ms;
        let waits = |worker: &WorkerId| !self.applied.contains(worker) && self.is_live(now, worker);
        if expired || !head.roster.members.iter().any(|member| waits(&member.worker)) {
            self.enter(now, Phase::Done);
            self.actions.push(Action::Finish { head });
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.outer_steps >= self.config.parameters.outer_steps)
    }
}
