//! From what the disk holds to a core that goes on where the last one was, and what a new connection is told.

use super::{Answer, Busy, Member, MemberConfig, MemberRecord, MemberResume, Open};
use crate::{Message, Round};
use std::collections::BTreeSet;

impl Member {
    /// Builds the core from what the disk holds; for a new worker that is [`MemberResume::default`]. The payload of a
    /// recorded own commit must be in the driver's store.
    #[must_use]
    pub fn resume(config: MemberConfig, resume: MemberResume) -> Self {
        let head = resume.head.filter(|head| head.session == config.session);
        let mut core = Self {
            config,
            head,
            busy: Busy::Idle,
            gathers_failed: 0,
            start: None,
            finished: None,
            done: false,
            own: None,
            countersigned: None,
            voted: None,
            held: BTreeSet::new(),
            fetching: BTreeSet::new(),
            open: Open::default(),
            actions: Vec::new(),
        };
        for record in resume.records {
            core.replay(record);
        }
        core
    }

    /// The last record of each kind counts: a later one is of a later round, or term.
    fn replay(&mut self, record: MemberRecord) {
        if record.round() <= self.head.as_ref().map_or(Round(0), |head| head.round) {
            return;
        }
        match record {
            MemberRecord::Committed(own) => {
                self.held.insert(own.payload.hash);
                self.own = Some(own);
            }
            MemberRecord::Countersigned(signed) => self.countersigned = Some(signed),
            MemberRecord::Voted(signed) => self.voted = Some(signed),
        }
    }

    /// Says again what belongs to the open round; the aggregator says again what it has said.
    pub(super) fn resync(&mut self) {
        if self.holds_last_state() {
            self.finished.clone_from(&self.head);
            return self.finish();
        }
        let round = self.open.round;
        if self.open.over || round == Round(0) {
            return;
        }
        if self.open.answer == Answer::Unknown {
            self.send_commit();
        }
        if let Some(signed) = self.countersigned.clone().filter(|signed| signed.body.round == round) {
            self.send(Message::Countersign(signed));
        }
        self.send_reveal();
        if let Some(signed) = self.voted.clone().filter(|signed| signed.body.round == round) {
            self.send(Message::Vote(signed));
        }
    }

    /// Whether something of a later round, or of this one in a later term, was signed already.
    pub(super) fn signed_later(&self, round: Round, term: crate::Term) -> bool {
        let countersigned = self.countersigned.as_ref().map(|signed| (signed.body.round, signed.body.term));
        let voted = self.voted.as_ref().map(|signed| (signed.body.round, signed.body.term));
        countersigned.max(voted).is_some_and(|latest| latest > (round, term))
    }
}

impl MemberRecord {
    /// The round that it belongs to.
    #[must_use]
    pub const fn round(&self) -> Round {
        match self {
            Self::Committed(own) => own.commitment.body.round,
            Self::Countersigned(signed) => signed.body.round,
            Self::Voted(signed) => signed.body.round,
        }
    }
}
