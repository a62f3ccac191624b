//! A round begins, once the driver holds the state that it starts from; and the run ends.

use super::{Busy, Member, MemberAction, MemberEvent, Open, Start};
use crate::{Head, Message, Round, Signed, round::Abandonment};

/// How a head relates to the one held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// The same.
    Same,
    /// The next: its manifest is on its way.
    Next,
    /// Further on, or the first one seen.
    Ahead,
    /// Of the past.
    Behind,
    /// Another head of a round that was committed otherwise here.
    Fork,
}

impl Member {
    pub(super) fn on_start(&mut self, start: Start) {
        let Start { round, term, head } = &start;
        if head.session != self.config.session || !head.is_valid() || *round <= head.round {
            return self.ignored("start", "invalid head");
        }
        if (*round, *term) < (self.open.round, self.open.term) || self.signed_later(*round, *term) {
            return; // an old one that was delayed
        }
        match self.relation(head) {
            Relation::Same => {
                self.start = Some(start);
                self.begin();
            }
            Relation::Next => self.start = Some(start), // it begins when the manifest between has been applied
            Relation::Ahead => {
                let head = head.clone();
                self.start = Some(start);
                self.refetch(head);
            }
            Relation::Behind => {}
            Relation::Fork => self.ignored("start", "a fork of the committed chain"),
        }
    }

    pub(super) fn on_finished(&mut self, head: Head) {
        if head.session != self.config.session || !head.is_valid() {
            return self.ignored("finished", "invalid head");
        }
        match self.relation(&head) {
            Relation::Same | Relation::Next => self.finished = Some(head),
            Relation::Ahead => {
                self.finished = Some(head.clone());
                self.refetch(head);
            }
            Relation::Behind => {}
            Relation::Fork => self.ignored("finished", "a fork of the committed chain"),
        }
        self.finish();
    }

    pub(super) fn on_abandoned(&mut self, signed: &Signed<Abandonment>) {
        let Abandonment { session, round, term, reason } = &signed.body;
        let ours = *session == self.config.session && signed.signer == self.config.aggregator;
        if !ours || signed.verify().is_err() {
            return self.ignored("abandoned", "not signed by the aggregator");
        }
        if (*round, *term) != (self.open.round, self.open.term) || self.open.over {
            return;
        }
        self.open.over = true;
        self.note(MemberEvent::Abandoned { round: *round, reason: reason.clone() });
        self.leave_out(*round);
    }

    /// Goes on after the head has moved: the run may be over, which takes nobody's word, or the announced round begin.
    pub(super) fn after_head(&mut self) {
        if self.holds_last_state() {
            self.finished.clone_from(&self.head);
        }
        let me = self.me();
        let listed = self.head.as_ref().is_none_or(|head| head.roster.member(&me).is_some());
        if !listed && self.finished.is_none() {
            self.actions.push(MemberAction::Rejoin);
        }
        self.finish();
        self.begin();
    }

    /// Opens the announced round if the driver holds its state, and trains unless that is done.
    pub(super) fn begin(&mut self) {
        let Some(Start { round, term, head }) = self.start.clone() else { return };
        if self.busy != Busy::Idle || self.relation(&head) != Relation::Same {
            return;
        }
        if (self.open.round, self.open.term) != (round, term) {
            self.leave_out_before(round);
            self.open = Open { round, term, ..Open::default() };
            self.fetching.clear();
            self.held.clear();
            self.held.extend(self.own.as_ref().map(|own| own.payload.hash));
        }
        if self.open.over {
            return;
        }
        if self.own_of(round).is_some() {
            return self.send_commit();
        }
        self.train(round, head);
    }

    pub(super) fn relation(&self, head: &Head) -> Relation {
        let Some(held) = &self.head else { return Relation::Ahead };
        if head.manifest_hash == held.manifest_hash {
            Relation::Same
        } else if head.round < held.round {
            Relation::Behind
        } else if head.round == held.round {
            Relation::Fork
        } else if head.parent_hash == held.manifest_hash {
            Relation::Next
        } else {
            Relation::Ahead
        }
    }

    pub(super) fn finish(&mut self) {
        let Some(head) = self.finished.clone() else { return };
        if self.busy != Busy::Idle || self.relation(&head) != Relation::Same {
            return;
        }
        self.send(Message::Applied { round: head.round, state_hash: head.state_hash });
        if !self.done {
            self.done = true;
            self.actions.push(MemberAction::Done { head });
        }
    }

    /// A payload of an earlier round on the same head: that round was abandoned.
    fn leave_out_before(&mut self, round: Round) {
        if let Some(earlier) = self.own.as_ref().map(|own| own.commitment.body.round).filter(|earlier| *earlier < round)
        {
            self.leave_out(earlier);
        }
    }

    fn leave_out(&mut self, round: Round) {
        if let Some(own) = self.own.take_if(|own| own.commitment.body.round == round) {
            self.note(MemberEvent::LeftOut { round, payload_hash: own.payload.hash });
        }
    }
}
