//! Training, and the commitment to what came of it.

use super::{Answer, Busy, Member, MemberAction, MemberEvent, MemberRecord, OwnCommit, Payload};
use crate::{Commitment, Hash, Head, Message, Round, Signed, message::CommitRefusal};

impl Member {
    /// Has the driver train, if this worker contributes in the round and does not train for it already.
    pub(super) fn train(&mut self, round: Round, head: Head) {
        let contributes = head.roster.member(&self.me()).is_some_and(|member| member.contributes(round));
        if !contributes || self.open.training {
            return;
        }
        self.open.training = true;
        let codec = self.config.parameters.codec_at(head.outer_steps).to_owned();
        self.actions.push(MemberAction::Train { round, head, codec });
    }

    pub(super) fn on_trained(&mut self, round: Round, payload: Payload) {
        let Some(head) = self.head.clone() else { return };
        if round != self.open.round || self.open.over || self.busy != Busy::Idle || self.own_of(round).is_some() {
            // Too late: the round went on without it.
            return self.note(MemberEvent::LeftOut { round, payload_hash: payload.hash });
        }
        let (session, term) = (self.config.session, self.open.term);
        let body = Commitment::of_payload(&self.config.keypair, session, round, term, head.state_hash, &payload.hash);
        self.record_own(OwnCommit { commitment: Signed::new(body, &self.config.keypair), payload });
        self.send_commit();
    }

    pub(super) fn on_commit_accepted(&mut self, round: Round, commitment: Hash) {
        if self.answered(round, commitment) && self.open.answer != Answer::Accepted {
            self.open.answer = Answer::Accepted;
            self.note(MemberEvent::CommitAccepted { round });
        }
    }

    pub(super) fn on_commit_refused(&mut self, round: Round, commitment: Hash, reason: CommitRefusal) {
        if !self.answered(round, commitment) || self.open.answer != Answer::Unknown {
            return;
        }
        self.open.answer = Answer::Refused;
        self.note(MemberEvent::CommitRefused { round, reason });
    }

    /// The own commit of a round.
    pub(super) fn own_of(&self, round: Round) -> Option<&OwnCommit> {
        self.own.as_ref().filter(|own| own.commitment.body.round == round)
    }

    /// Sends the own commit of the open round; in a later term than it was made in, signed anew for that.
    pub(super) fn send_commit(&mut self) {
        let Some(own) = self.own_of(self.open.round).cloned() else { return };
        let own = if own.commitment.body.term == self.open.term { own } else { self.renew(own) };
        let timings = own.payload.timings;
        self.send(Message::Commit { commitment: own.commitment, timings });
    }

    fn renew(&mut self, own: OwnCommit) -> OwnCommit {
        let body = Commitment { term: self.open.term, ..own.commitment.body };
        let renewed = OwnCommit { commitment: Signed::new(body, &self.config.keypair), payload: own.payload };
        self.record_own(renewed.clone());
        renewed
    }

    fn record_own(&mut self, own: OwnCommit) {
        self.actions.push(MemberAction::Persist(MemberRecord::Committed(own.clone())));
        self.held.insert(own.payload.hash);
        self.own = Some(own);
    }

    fn answered(&self, round: Round, commitment: Hash) -> bool {
        round == self.open.round && self.own_of(round).is_some_and(|own| own.commitment.body.commitment == commitment)
    }
}
