//! The driver of the aggregator's core.

use super::{Event, PAYLOAD_BYTES, World};
use crate::toy;
use protocol::{
    Coordinator, Head, Millis, Term,
    coordinator::{Action, CoordinatorConfig, Record, Resume},
};

impl World {
    pub(super) fn start_aggregator(&mut self) {
        if self.aggregator.core.is_some() {
            return;
        }
        let config = CoordinatorConfig {
            session: self.session,
            term: Term(1),
            keypair: self.keypair.clone(),
            parameters: self.parameters.clone(),
            genesis_state: toy::genesis(),
            elements: 1_000,
        };
        let disk = &self.aggregator.disk;
        let resume = Resume { head: disk.head.clone(), records: disk.records.clone() };
        let (core, actions) = Coordinator::resume(Millis(self.now), config, resume).expect("a log of our own");
        self.catch_up_state(&core);
        self.aggregator.core = Some(core);
        self.aggregator_does(actions);
        for worker in 0..self.workers.len() {
            self.later(1, 100, Event::Connect { worker });
        }
    }

    /// The driver's duty at a restart: applies what was committed after its stored state.
    pub(super) fn catch_up_state(&mut self, core: &Coordinator) {
        for record in &self.aggregator.disk.records {
            if let Record::Committed(committed) = record
                && self.aggregator.disk.state == Some(committed.manifest.body.base_hash)
            {
                let manifest = &committed.manifest.body;
                self.aggregator.disk.state = Some(toy::next_state(&manifest.base_hash, &manifest.summands()));
            }
        }
        if let Some(head) = core.head() {
            assert_eq!(self.aggregator.disk.state, Some(head.state_hash), "the aggregator's state is not its head's");
        }
    }

    pub(super) fn aggregator_call(&mut self, call: impl FnOnce(&mut Coordinator, Millis) -> Vec<Action>) {
        let now = Millis(self.now);
        if let Some(core) = &mut self.aggregator.core {
            let actions = call(core, now);
            self.aggregator_does(actions);
        }
    }

    pub(super) fn aggregator_does(&mut self, actions: Vec<Action>) {
        for action in actions {
            if self.dies() {
                return self.kill_aggregator();
            }
            match action {
                Action::Persist(record) => {
                    self.oracle.recorded(&record);
                    self.aggregator.disk.records.push(record);
                }
                Action::Send { to, message } => self.send_to_worker(to, message),
                Action::Finish { .. } => self.finished = true,
                Action::Abandon { .. } | Action::Note(_) => {}
                work => {
                    let life = self.aggregator.life;
                    self.later(1, 40, Event::AggregatorWork { life, action: work });
                }
            }
        }
    }

    pub(super) fn aggregator_works(&mut self, action: Action) {
        match action {
            Action::FetchPayload { round, worker, hash, bytes } => {
                assert_eq!(bytes, PAYLOAD_BYTES);
                let owner = self.workers.iter().find(|other| other.keypair.worker() == worker);
                let there = owner.is_some_and(|owner| owner.link.is_some() && owner.disk.payloads.contains(&hash));
                if there {
                    self.aggregator.disk.payloads.insert(hash);
                }
                if self.aggregator.disk.payloads.contains(&hash) {
                    self.aggregator_call(|core, now| core.stored(now, round, worker, hash));
                } else {
                    self.aggregator_call(|core, now| core.fetch_failed(now, round, worker, hash));
                }
            }
            Action::Score(request) => {
                let scored = toy::score(&self.parameters.score, &request);
                self.aggregator_call(|core, now| core.scored(now, scored));
            }
            Action::Aggregate(request) => {
                assert_eq!(self.aggregator.disk.state, Some(request.base_hash));
                let state = toy::next_state(&request.base_hash, &request.summands);
                self.aggregator_call(|core, now| core.aggregated(now, request.round, state));
            }
            Action::Commit { committed, head } => self.aggregator_commits(&committed, head),
            _ => {}
        }
    }

    pub(super) fn aggregator_commits(&mut self, committed: &protocol::CommittedManifest, head: Head) {
        let manifest = &committed.manifest.body;
        let state = toy::next_state(&manifest.base_hash, &manifest.summands());
        assert_eq!(state, manifest.state_hash);
        self.aggregator.disk.state = Some(state);
        if self.random.happens(300_000) {
            // Compaction: the head, its own manifest, and what came after it.
            let records = std::mem::take(&mut self.aggregator.disk.records);
            let own = |record: &Record| matches!(record, Record::Committed(_)) && record.round() == head.round;
            self.aggregator.disk.records =
                records.into_iter().filter(|record| record.round() > head.round || own(record)).collect();
            self.aggregator.disk.head = Some(head);
        }
    }
}
