//! Members train; their commits come in, each recorded before it is acknowledged.

use super::{Coordinator, Event, Phase, Record};
use crate::{
    Commitment, Message, Millis, Signed, WorkerId,
    message::{CommitRefusal, Timings},
    round::AbandonReason,
};

impl Coordinator {
    pub(super) fn on_commit(&mut self, from: WorkerId, signed: Signed<Commitment>, timings: Timings) {
        let (round, commitment) = (signed.body.round, signed.body.commitment);
        if round != self.round || self.head.is_none() {
            return; // of another round: whoever sent it learns the open one from its Start
        }
        match self.judge_commit(&from, &signed) {
            Ok(true) => {
                self.persist(Record::Commit(signed.clone()));
                self.open.commits.insert(from, signed);
                self.note(Event::Committed { round, worker: from, timings });
                self.send(from, Message::CommitAccepted { round, commitment });
            }
            Ok(false) => self.send(from, Message::CommitAccepted { round, commitment }),
            Err(reason) => {
                self.note(Event::CommitRefused { round, worker: from, reason });
                self.send(from, Message::CommitRefused { round, commitment, reason });
            }
        }
    }

    pub(super) fn advance_training(&mut self, now: Millis) {
        let expired = now.since(self.phase_since) >= self.config.parameters.round_deadline_ms;
        if expired && self.open.commits.is_empty() {
            return self.abandon(now, AbandonReason::NoCommits);
        }
        if expired || self.all_committed(now) {
            self.close(now);
        }
    }

    /// Whether to take it (true), or acknowledge it once more (false).
    fn judge_commit(&self, from: &WorkerId, signed: &Signed<Commitment>) -> Result<bool, CommitRefusal> {
        let Some(head) = &self.head else { return Err(CommitRefusal::Invalid) };
        let Commitment { session, term, worker, base, commitment, .. } = &signed.body;
        if let Some(known) = self.open.commits.get(from) {
            let same = known.body.commitment == *commitment && worker == from;
            return if same { Ok(false) } else { Err(CommitRefusal::Conflicting) };
        }
        let named =
            *session == self.config.session && *term == self.config.term && worker == from && signed.signer == *from;
        if !named || signed.verify().is_err() {
            return Err(CommitRefusal::Invalid);
        }
        if !head.roster.member(from).is_some_and(|member| member.contributes(self.round)) {
            return Err(CommitRefusal::NotContributor);
        }
        if *base != head.state_hash {
            return Err(CommitRefusal::WrongBase);
        }
        if self.phase == Phase::Training { Ok(true) } else { Err(CommitRefusal::Late) }
    }

    /// Every live contributor has committed, and enough voters are there to close: otherwise the deadline decides.
    fn all_committed(&self, now: Millis) -> bool {
        let Some(head) = &self.head else { return false };
        let mut contributors = head.roster.contributors(self.round);
        !self.open.commits.is_empty()
            && contributors
                .all(|member| self.open.commits.contains_key(&member.worker) || !self.is_live(now, &member.worker))
            && self.live_voters(now) >= self.quorum()
    }
}
