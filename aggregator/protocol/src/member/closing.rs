//! The closed set: countersigned when it is sound and holds the own commit, and revealed to when a quorum has done so.

use super::{Answer, Member, MemberAction, MemberEvent, MemberRecord, Relation};
use crate::{
    ClosedSet, Commitment, Hash, Head, Message, Reveal, Round, Signed,
    message::{Refusal, RefusalReason},
    round::{CertifiedSet, Countersign},
};

impl Member {
    pub(super) fn on_close(&mut self, signed: &Signed<ClosedSet>) {
        let Some(head) = self.open_head() else { return };
        let set = &signed.body;
        if !self.of_open_round(set) || !head.roster.votes(&self.me()) {
            return;
        }
        if signed.signer != self.config.aggregator || signed.verify().is_err() {
            return self.ignored("close", "not signed by the aggregator");
        }
        let body = self.countersign(set);
        if let Some(before) = self.countersigned.clone().filter(|before| same_place(&before.body, &body)) {
            let same = before.body == body;
            return if same {
                self.send(Message::Countersign(before))
            } else {
                self.refuse(body.closed_hash, RefusalReason::AlreadySigned)
            };
        }
        if !is_sound(set, &head) {
            return self.refuse(body.closed_hash, RefusalReason::InvalidSet);
        }
        match self.own_in(set) {
            Some(true) => self.sign_set(body),
            Some(false) => self.refuse(body.closed_hash, RefusalReason::CommitMissing),
            None => self.send_commit(), // the answer decides; the aggregator asks again
        }
    }

    pub(super) fn on_closed(&mut self, certified: CertifiedSet) {
        let Some(head) = self.open_head() else { return };
        let set = &certified.set.body;
        if !self.of_open_round(set) {
            return;
        }
        if self.open.certified.is_none() {
            let signed = certified.set.signer == self.config.aggregator && certified.set.verify().is_ok();
            let body = self.countersign(set);
            if !signed || set.base != head.state_hash || certified.signatures.verify(&body, &head.roster).is_err() {
                return self.ignored("closed", "not certified by a quorum");
            }
            self.open.closed_hash = Some(body.closed_hash);
            self.open.certified = Some(certified);
        }
        self.send_reveal();
    }

    pub(super) fn on_revealed(&mut self, round: Round, reveals: &[Reveal]) {
        if round != self.open.round || self.open.over {
            return;
        }
        let Some(certified) = self.open.certified.clone() else { return };
        for reveal in reveals {
            let opened = certified.set.body.of(&reveal.worker).is_some_and(|commit| reveal.opens(&commit.body));
            if opened {
                self.fetch(reveal.worker, reveal.payload_hash);
            }
        }
    }

    /// Opens the own commitment, if it is in the certified set.
    pub(super) fn send_reveal(&mut self) {
        let round = self.open.round;
        let (Some(certified), Some(own)) = (&self.open.certified, self.own_of(round)) else { return };
        let listed = certified.set.body.of(&self.me()).is_some_and(|commit| commit.body == own.commitment.body);
        if !listed || self.open.over {
            return;
        }
        let reveal = Reveal {
            round,
            worker: self.me(),
            salt: self.config.keypair.salt(&self.config.session, round),
            payload_hash: own.payload.hash,
            payload_bytes: own.payload.bytes,
            tokens: own.payload.tokens,
            inner_ms: own.payload.timings.inner_ms,
        };
        self.send(Message::Reveal(reveal));
    }

    /// Has the driver fetch a payload that is not here yet.
    pub(super) fn fetch(&mut self, worker: crate::WorkerId, hash: Hash) {
        if self.held.contains(&hash) || !self.fetching.insert(hash) {
            return;
        }
        let holders = vec![worker, self.config.aggregator];
        self.actions.push(MemberAction::Fetch { hash, holders });
    }

    pub(super) fn refuse(&mut self, subject: Hash, reason: RefusalReason) {
        let (round, term) = (self.open.round, self.open.term);
        self.note(MemberEvent::Refused { round, reason: reason.clone() });
        self.send(Message::Refused(Refusal { round, term, subject, reason }));
    }

    /// The head of the open round, when the driver holds its state.
    pub(super) fn open_head(&self) -> Option<Head> {
        let start = self.start.as_ref().filter(|start| start.round == self.open.round && !self.open.over)?;
        (self.relation(&start.head) == Relation::Same).then(|| start.head.clone())
    }

    fn of_open_round(&self, set: &ClosedSet) -> bool {
        set.session == self.config.session && (set.round, set.term) == (self.open.round, self.open.term)
    }

    fn countersign(&self, set: &ClosedSet) -> Countersign {
        Countersign { session: set.session, round: set.round, term: set.term, closed_hash: set.hash() }
    }

    /// Whether the own commit is where it belongs: in the set if it was acknowledged; none when that is not known yet.
    fn own_in(&self, set: &ClosedSet) -> Option<bool> {
        let Some(own) = self.own_of(set.round) else { return Some(true) };
        let listed = set.of(&self.me()).is_some_and(|commit| commit.body == own.commitment.body);
        match self.open.answer {
            _ if listed => Some(true),
            Answer::Accepted => Some(false),
            Answer::Refused => Some(true),
            Answer::Unknown => None,
        }
    }

    fn sign_set(&mut self, body: Countersign) {
        let signed = Signed::new(body, &self.config.keypair);
        self.actions.push(MemberAction::Persist(MemberRecord::Countersigned(signed.clone())));
        self.countersigned = Some(signed.clone());
        self.send(Message::Countersign(signed));
    }
}

fn same_place(one: &Countersign, other: &Countersign) -> bool {
    (one.round, one.term) == (other.round, other.term)
}

/// Sorted without doubles, not empty, from the head's state, each by a contributor and signed by it.
fn is_sound(set: &ClosedSet, head: &Head) -> bool {
    let sorted = set.commits.windows(2).all(|pair| pair[0].body.worker < pair[1].body.worker);
    let sound = |commit: &Signed<Commitment>| {
        let Commitment { session, round, term, worker, base, .. } = &commit.body;
        let here = (session, round, term, base) == (&set.session, &set.round, &set.term, &head.state_hash);
        let contributes = head.roster.member(worker).is_some_and(|member| member.contributes(*round));
        here && contributes && commit.signer == *worker && commit.verify().is_ok()
    };
    sorted && !set.commits.is_empty() && set.base == head.state_hash && set.commits.iter().all(sound)
}
