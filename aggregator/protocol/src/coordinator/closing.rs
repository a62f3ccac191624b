//! The commits close as a signed list, which a quorum countersigns before anything is revealed.

use super::{Coordinator, Phase, Record};
use crate::{
    Certificate, ClosedSet, Message, Millis, Signed, WorkerId,
    round::{AbandonReason, CertifiedSet, Countersign},
};

impl Coordinator {
    /// Records the closed set and asks the voters to countersign it.
    pub(super) fn close(&mut self, now: Millis) {
        let Some(head) = &self.head else { return };
        let commits = self.open.commits.values().cloned().collect();
        let (session, term, base) = (self.config.session, self.config.term, head.state_hash);
        let set = ClosedSet { session, round: self.round, term, base, commits };
        self.open.closed_hash = Some(set.hash());
        let signed = Signed::new(set, &self.config.keypair);
        self.persist(Record::Closed(signed.clone()));
        self.open.closed = Some(signed);
        self.enter(now, Phase::Closing);
        self.send_close();
    }

    pub(super) fn on_countersign(&mut self, from: WorkerId, signed: &Signed<Countersign>) {
        if self.phase != Phase::Closing || signed.signer != from || !self.votes(&from) {
            return;
        }
        if Some(signed.body) == self.countersign() && signed.verify().is_ok() {
            self.open.countersigns.insert(from, signed.signature);
        }
    }

    pub(super) fn advance_closing(&mut self, now: Millis) {
        let (have, need) = (self.open.countersigns.len(), self.quorum());
        if have >= need {
            return self.certify(now);
        }
        let expired = now.since(self.phase_since) >= self.config.parameters.close_deadline_ms;
        if expired || self.hopeless() {
            let reason = AbandonReason::NotCountersigned { have: have as u32, need: need as u32 };
            self.abandon(now, reason);
        }
    }

    fn send_close(&mut self) {
        let Some(set) = self.open.closed.clone() else { return };
        for voter in self.connected_voters() {
            self.send(voter, Message::Close(set.clone()));
        }
    }

    /// So many refused that a quorum cannot come about.
    pub(super) fn hopeless(&self) -> bool {
        let Some(head) = &self.head else { return false };
        let voters = head.roster.voters().count();
        voters.saturating_sub(self.open.refusals.len()) < head.roster.quorum()
    }

    fn countersign(&self) -> Option<Countersign> {
        let closed_hash = self.open.closed_hash?;
        Some(Countersign { session: self.config.session, round: self.round, term: self.config.term, closed_hash })
    }

    fn certify(&mut self, now: Millis) {
        let Some(set) = self.open.closed.clone() else { return };
        let signatures: Certificate =
            self.open.countersigns.iter().map(|(worker, signature)| (*worker, *signature)).collect();
        let certified = CertifiedSet { set, signatures };
        self.persist(Record::Certified(certified.clone()));
        self.open.certified = Some(certified.clone());
        self.open.refusals.clear();
        self.enter(now, Phase::Revealing);
        for worker in self.connected_members() {
            self.send(worker, Message::Closed(certified.clone()));
        }
    }
}
