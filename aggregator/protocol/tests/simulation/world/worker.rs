//! The driver of a worker's core.

use super::{Event, PAYLOAD_BYTES, World};
use crate::toy;
use protocol::{
    Hash, Head, Member, Message, Round, WorkerId,
    member::{MemberAction, MemberConfig, MemberResume, Payload},
    message::Timings,
};

impl World {
    pub(super) fn start_worker(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        if worker.core.is_some() {
            return;
        }
        let config = MemberConfig {
            session: self.session,
            keypair: worker.keypair.clone(),
            aggregator: self.keypair.worker(),
            parameters: self.parameters.clone(),
        };
        let resume = MemberResume { head: worker.disk.now.head.clone(), records: worker.disk.records.clone() };
        worker.core = Some(Member::resume(config, resume));
        self.later(1, 50, Event::Connect { worker: index });
    }

    pub(super) fn worker_hears(&mut self, index: usize, message: Message) {
        if let Message::CommitAccepted { round, commitment } = &message {
            let me = self.worker_id(index);
            self.oracle.acknowledged(*round, me, *commitment);
        }
        self.worker_call(index, |core| core.message(message));
    }

    pub(super) fn worker_call(&mut self, index: usize, call: impl FnOnce(&mut Member) -> Vec<MemberAction>) {
        if let Some(core) = &mut self.workers[index].core {
            let actions = call(core);
            self.worker_does(index, actions);
        }
    }

    pub(super) fn worker_does(&mut self, index: usize, actions: Vec<MemberAction>) {
        for action in actions {
            if self.dies() {
                return self.kill_worker(index);
            }
            match action {
                MemberAction::Persist(record) => {
                    self.oracle.worker_recorded(self.worker_id(index), &record);
                    let disk = &mut self.workers[index].disk;
                    if disk.durable.take().is_some() {
                        let head = disk.now.head.as_ref().map_or(Round(0), |head| head.round);
                        disk.records.retain(|record| record.round() > head);
                    }
                    disk.records.push(record);
                }
                MemberAction::Send(message) => self.send_to_aggregator(index, message),
                MemberAction::Rejoin => self.rejoin(index),
                MemberAction::Done { head } => {
                    assert_eq!(self.workers[index].disk.now.state, Some(head.state_hash));
                    self.workers[index].done = true;
                }
                MemberAction::Settle { .. } | MemberAction::Note(_) => {} // the toy residual holds no pending payload
                work => self.begin_work(index, work),
            }
        }
    }

    pub(super) fn begin_work(&mut self, index: usize, action: MemberAction) {
        let (shortest, longest) = if matches!(action, MemberAction::Train { .. }) { (20, 300) } else { (1, 60) };
        if matches!(action, MemberAction::Train { .. } | MemberAction::Apply(_) | MemberAction::Refetch { .. }) {
            self.workers[index].trains_from = self.sequence; // ends any training begun before
        }
        let life = self.workers[index].life;
        self.later(shortest, longest, Event::WorkerWork { worker: index, life, action });
    }

    pub(super) fn worker_works(&mut self, index: usize, action: MemberAction) {
        match action {
            MemberAction::Train { round, head, .. } => self.train(index, round, &head),
            MemberAction::Fetch { hash, holders, .. } => self.fetch(index, hash, &holders),
            MemberAction::Verify(request) => {
                let payloads = &self.workers[index].disk.payloads;
                assert!(
                    request.summands.iter().all(|summand| payloads.contains(&summand.payload_hash)),
                    "verifies what it lacks"
                );
                let verification = toy::verify(&request);
                self.worker_call(index, |core| core.verified(&verification));
            }
            MemberAction::Apply(request) => self.apply(index, request),
            MemberAction::Refetch { head } => self.refetch(index, head),
            _ => {}
        }
    }

    pub(super) fn train(&mut self, index: usize, round: Round, head: &Head) {
        let me = self.worker_id(index);
        let disk = &mut self.workers[index].disk;
        if disk.now.head.as_ref() != Some(head) {
            return; // ended by an Apply or a Refetch
        }
        let hash = toy::train(&me, &head.state_hash, &disk.now.residual.expect("always there"));
        disk.durable = None; // a payload waits for the snapshot that it was trained from
        disk.payloads.insert(hash);
        let payload = Payload { hash, bytes: PAYLOAD_BYTES, tokens: 1_000, timings: Timings::default() };
        self.worker_call(index, |core| core.trained(round, payload));
    }

    pub(super) fn fetch(&mut self, index: usize, hash: Hash, holders: &[WorkerId]) {
        let held = self.workers[index].disk.payloads.contains(&hash);
        let linked = self.workers[index].link.is_some();
        let from_aggregator = linked && self.aggregator.disk.payloads.contains(&hash);
        let from_owner = self.workers.iter().any(|other| {
            holders.contains(&other.keypair.worker())
                && linked
                && other.link.is_some()
                && other.disk.payloads.contains(&hash)
        });
        if held || from_aggregator || from_owner {
            self.workers[index].disk.payloads.insert(hash);
            self.worker_call(index, |core| core.fetched(hash));
        } else {
            self.worker_call(index, |core| core.fetch_failed(hash));
        }
    }

    pub(super) fn apply(&mut self, index: usize, request: protocol::member::ApplyRequest) {
        let me = self.worker_id(index);
        let disk = &mut self.workers[index].disk;
        let base = disk.now.state.expect("always there");
        let state = toy::next_state(&base, &request.summands);
        let round = request.head.round;
        if state == request.head.state_hash {
            disk.durable.get_or_insert(disk.now.clone());
            if let Some(own) = request.own.filter(|own| own.accepted) {
                disk.now.residual = Some(toy::settle(&disk.now.residual.expect("always there"), &own.payload_hash));
            }
            disk.now.state = Some(state);
            if request.head.outer_steps >= self.parameters.outer_steps {
                disk.durable = None; // nobody is left to ask afterwards
            }
            disk.now.head = Some(request.head);
            self.oracle.applied(round, me, state);
        }
        self.worker_call(index, |core| core.applied(round, state));
    }

    pub(super) fn refetch(&mut self, index: usize, head: Head) {
        let worker = &mut self.workers[index];
        let there = worker.link.is_some() && self.aggregator.disk.state == Some(head.state_hash);
        let held = worker.disk.now.state == Some(head.state_hash);
        if !held && !there {
            return self.worker_call(index, |core| core.refetch_failed(head.state_hash));
        }
        worker.disk.durable.get_or_insert(worker.disk.now.clone());
        if !held {
            self.figures.states_fetched += 1;
            worker.disk.now.residual = Some(Hash::ZERO);
            worker.disk.now.state = Some(head.state_hash);
        }
        let state = head.state_hash;
        if head.outer_steps >= self.parameters.outer_steps {
            worker.disk.durable = None;
        }
        worker.disk.now.head = Some(head);
        self.worker_call(index, |core| core.refetched(state));
    }
}
