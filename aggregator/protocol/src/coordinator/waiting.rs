//! Before the first round, and whenever a quorum is missing.

use super::{Coordinator, Event, JoinRefusal, Open, Phase, Record};
use crate::{
    Head, Message, Millis, Roster, Signed, WorkerId,
    limits::{JOINS_MAX, MEMBERS_MAX},
    roster::Join,
};

impl Coordinator {
    pub(super) fn admit(&mut self, join: Join) -> Result<(), JoinRefusal> {
        if matches!(self.phase, Phase::Finishing | Phase::Done) && !self.is_member(&join.worker) {
            return Err(JoinRefusal::Finished);
        }
        if !self.is_member(&join.worker) && !self.joins.contains_key(&join.worker) && self.is_full() {
            self.forget_absent_joins();
            if self.is_full() {
                return Err(JoinRefusal::Full);
            }
        }
        self.joins.insert(join.worker, join);
        Ok(())
    }

    pub(super) fn advance_waiting(&mut self, now: Millis) {
        let Some(head) = &self.head else { return self.try_genesis() };
        let (live, need) = (self.live_voters(now), head.roster.quorum());
        if live < need {
            if !self.below_quorum {
                self.below_quorum = true;
                self.note(Event::BelowQuorum { live, need });
            }
            return;
        }
        self.begin_round(now);
    }

    pub(super) fn begin_round(&mut self, now: Millis) {
        self.open = Open::default();
        self.below_quorum = false;
        self.enter(now, Phase::Training);
        let Some(head) = self.head.clone() else { return };
        let contributors = head.roster.contributors(self.round).count();
        self.note(Event::Started { round: self.round, contributors });
        for worker in self.connected_members() {
            self.send_start(worker);
        }
    }

    pub(super) fn send_start(&mut self, worker: WorkerId) {
        let Some(head) = self.head.clone() else { return };
        self.send(worker, Message::Start { round: self.round, term: self.config.term, head });
    }

    pub(super) fn is_member(&self, worker: &WorkerId) -> bool {
        self.head.as_ref().is_some_and(|head| head.roster.member(worker).is_some())
    }

    pub(super) fn votes(&self, worker: &WorkerId) -> bool {
        self.head.as_ref().is_some_and(|head| head.roster.votes(worker))
    }

    pub(super) fn quorum(&self) -> usize {
        self.head.as_ref().map_or(1, |head| head.roster.quorum())
    }

    pub(super) fn live_voters(&self, now: Millis) -> usize {
        let Some(head) = &self.head else { return 0 };
        head.roster.voters().filter(|voter| self.is_live(now, &voter.worker)).count()
    }

    pub(super) fn is_live(&self, now: Millis, worker: &WorkerId) -> bool {
        self.presence.is_live(now, &self.config.parameters, worker)
    }

    /// Members whose connection stands, in order.
    pub(super) fn connected_members(&self) -> Vec<WorkerId> {
        let Some(head) = &self.head else { return Vec::new() };
        let members = head.roster.members.iter().map(|member| member.worker);
        members.filter(|worker| self.presence.is_connected(worker)).collect()
    }

    /// Voters whose connection stands, in order.
    pub(super) fn connected_voters(&self) -> Vec<WorkerId> {
        let mut members = self.connected_members();
        members.retain(|worker| self.votes(worker));
        members
    }

    fn try_genesis(&mut self) {
        let present: Vec<Join> =
            self.joins.values().filter(|join| self.presence.is_connected(&join.worker)).cloned().collect();
        if present.len() < self.config.parameters.workers_min as usize {
            return;
        }
        let roster = Roster::genesis(&present);
        let head = Head::genesis(self.config.session, self.config.genesis_state, self.config.elements, roster.clone());
        self.persist(Record::Genesis(Signed::new(head.clone(), &self.config.keypair)));
        self.note(Event::Genesis { roster });
        self.joins.clear();
        self.round = head.round.next();
        self.head = Some(head);
        // The next step begins the first round: all of the roster is connected.
    }

    /// Whether members and joiners to be leave no room.
    fn is_full(&self) -> bool {
        let members = self.head.as_ref().map_or(0, |head| head.roster.members.len());
        let joiners = self.joins.keys().filter(|worker| !self.is_member(worker)).count();
        members + joiners >= MEMBERS_MAX || joiners >= JOINS_MAX
    }

    /// Joiners that left before they became members hold no room.
    fn forget_absent_joins(&mut self) {
        let presence = &self.presence;
        self.joins.retain(|worker, _| presence.is_connected(worker));
    }
}
