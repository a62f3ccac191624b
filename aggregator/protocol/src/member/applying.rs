//! The head moves: by applying a committed manifest, or by fetching a whole state.

use super::{ApplyRequest, Busy, Member, MemberAction, MemberEvent, OwnVerdict, Relation};
use crate::{CommittedManifest, Hash, Head, Manifest, Message, Round, Verdict};

/// Attempts to gather the payloads of a committed round before its whole state is fetched.
const GATHERS_MAX: u32 = 5;

impl Member {
    pub(super) fn on_committed(&mut self, committed: CommittedManifest) {
        let manifest = &committed.manifest.body;
        if manifest.session != self.config.session {
            return self.ignored("committed", "another session");
        }
        let head = Head::of(manifest);
        match self.relation(&head) {
            Relation::Same => self.send(Message::Applied { round: head.round, state_hash: head.state_hash }),
            Relation::Next => self.on_next(committed),
            Relation::Ahead if !head.is_valid() || !self.proposed_by_aggregator(&committed) => {
                self.ignored("committed", "not signed by the aggregator");
            }
            Relation::Ahead => self.refetch(head),
            Relation::Behind => {}
            Relation::Fork => self.ignored("committed", "a fork of the committed chain"),
        }
    }

    pub(super) fn on_applied(&mut self, round: Round, state_hash: Hash) {
        let Busy::Applying(committed) = &self.busy else { return };
        let manifest = &committed.manifest.body;
        if manifest.round != round {
            return;
        }
        let head = Head::of(manifest);
        if state_hash == head.state_hash {
            self.adopt(head);
        } else {
            self.note(MemberEvent::Drifted { round, found: state_hash });
            self.busy = Busy::Idle;
            self.refetch(head);
        }
    }

    pub(super) fn on_refetched(&mut self, state_hash: Hash) {
        if let Busy::Refetching(head) = &self.busy
            && head.state_hash == state_hash
        {
            let head = head.clone();
            self.adopt(head);
        }
    }

    pub(super) fn on_refetch_failed(&mut self, state_hash: Hash) {
        if matches!(&self.busy, Busy::Refetching(head) if head.state_hash == state_hash) {
            self.busy = Busy::Idle; // the aggregator's next Start or Committed asks again
        }
    }

    /// Has the driver fetch a whole state, unless it is fetching this one already. A later one takes an earlier one's
    /// place.
    pub(super) fn refetch(&mut self, head: Head) {
        match &self.busy {
            Busy::Refetching(current) if current.manifest_hash == head.manifest_hash => return,
            Busy::Refetching(current) if current.round > head.round => return,
            Busy::Applying(_) => return, // it must end first; the aggregator asks again
            _ => {}
        }
        self.busy = Busy::Refetching(head.clone());
        self.open.training = false;
        self.actions.push(MemberAction::Refetch { head });
    }

    /// Applies the committed manifest when all that it takes is here.
    pub(super) fn apply_when_gathered(&mut self) {
        let Busy::Gathering(committed) = &self.busy else { return };
        let committed = committed.clone();
        let manifest = &committed.manifest.body;
        if !self.gather(manifest, |contribution| contribution.summand().is_some()) {
            return;
        }
        let (summands, own) = (manifest.summands(), self.own_verdict(manifest));
        self.busy = Busy::Applying(committed.clone());
        self.open.over = true;
        let head = Head::of(&committed.manifest.body);
        self.actions.push(MemberAction::Apply(ApplyRequest { committed, head, summands, own }));
    }

    /// A payload of a committed round cannot be had: the aggregator's next word starts over, and after some attempts
    /// the whole state must come instead, which costs the residual.
    pub(super) fn gather_failed(&mut self, hash: Hash) {
        let Busy::Gathering(committed) = &self.busy else { return };
        let manifest = &committed.manifest.body;
        if !manifest.summands().iter().any(|summand| summand.payload_hash == hash) {
            return;
        }
        let head = Head::of(manifest);
        self.busy = Busy::Idle;
        self.gathers_failed += 1;
        if self.gathers_failed >= GATHERS_MAX {
            self.refetch(head);
        }
    }

    fn on_next(&mut self, committed: CommittedManifest) {
        if self.busy != Busy::Idle {
            return;
        }
        let Some(held) = &self.head else { return };
        if committed.verify(&self.config.aggregator, &held.roster).is_err() {
            return self.ignored("committed", "not signed by a quorum");
        }
        self.busy = Busy::Gathering(committed);
        self.apply_when_gathered();
    }

    fn proposed_by_aggregator(&self, committed: &CommittedManifest) -> bool {
        committed.manifest.signer == self.config.aggregator && committed.manifest.verify().is_ok()
    }

    fn own_verdict(&self, manifest: &Manifest) -> Option<OwnVerdict> {
        let own = self.own_of(manifest.round)?;
        let entry = manifest.contribution(&self.me());
        let entered =
            |hash| entry.is_some_and(|entry| entry.verdict == Verdict::Accepted && entry.payload_hash == Some(hash));
        Some(OwnVerdict { payload_hash: own.payload.hash, accepted: entered(own.payload.hash) })
    }

    /// The driver holds the state of `head`: what belonged to the rounds before is done with.
    fn adopt(&mut self, head: Head) {
        let (round, state_hash) = (head.round, head.state_hash);
        self.busy = Busy::Idle;
        self.gathers_failed = 0;
        self.head = Some(head);
        self.own.take_if(|own| own.commitment.body.round <= round);
        self.send(Message::Applied { round, state_hash });
        self.after_head();
    }
}
