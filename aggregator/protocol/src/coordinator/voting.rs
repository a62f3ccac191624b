//! Voters sign the manifest, or say why not.

use super::{Coordinator, Event, Phase};
use crate::{
    Message, Millis, Signed, WorkerId,
    message::{Refusal, RefusalReason},
    round::{AbandonReason, Ballot},
};

impl Coordinator {
    pub(super) fn on_vote(&mut self, from: WorkerId, signed: &Signed<Ballot>) {
        if self.phase != Phase::Voting || signed.signer != from || !self.votes(&from) {
            return;
        }
        if Some(signed.body) == self.ballot() && signed.verify().is_ok() {
            self.open.refusals.remove(&from);
            self.open.votes.insert(from, signed.signature);
        }
    }

    pub(super) fn on_refused(&mut self, from: WorkerId, refusal: Refusal) {
        let subject = match self.phase {
            Phase::Closing => self.open.closed_hash,
            Phase::Voting => self.open.proposal_hash,
            _ => None,
        };
        let current =
            refusal.round == self.round && refusal.term == self.config.term && subject == Some(refusal.subject);
        if !current || !self.votes(&from) {
            return;
        }
        if !matches!(refusal.reason, RefusalReason::PayloadMissing(_) | RefusalReason::Failed(_)) {
            self.open.refusals.insert(from); // what is missing may still come, so those voters are asked again
        }
        self.note(Event::Refused { worker: from, refusal });
    }

    pub(super) fn advance_voting(&mut self, now: Millis) {
        let (have, need) = (self.open.votes.len(), self.quorum());
        if have >= need {
            return self.commit(now);
        }
        let expired = now.since(self.phase_since) >= self.config.parameters.vote_deadline_ms;
        if expired || self.hopeless() {
            let refused = self.open.refusals.len() as u32;
            self.abandon(now, AbandonReason::NoQuorum { have: have as u32, need: need as u32, refused });
        }
    }

    pub(super) fn send_proposal(&mut self) {
        for voter in self.connected_voters() {
            self.send_proposal_to(voter);
        }
    }

    pub(super) fn send_proposal_to(&mut self, voter: WorkerId) {
        if let Some(proposal) = self.open.proposal.clone() {
            self.send(voter, Message::Propose(proposal));
        }
    }

    fn ballot(&self) -> Option<Ballot> {
        let manifest_hash = self.open.proposal_hash?;
        Some(Ballot { session: self.config.session, round: self.round, term: self.config.term, manifest_hash })
    }
}
