//! A worker: its performer, its compute thread, its disk.

use std::collections::VecDeque;

use node::payloads::Payloads;
use node::performer::Blob;
use node::performer::member::{Effect, Input, MemberPerformer};
use protocol::member::{ApplyRequest, MemberConfig, MemberRecord, MemberResume, VerifyRequest};
use protocol::{Hash, Head, Member, Message, Round, WorkerId};

use super::body::Body;
use super::plant::Plant;
use super::world::{Blobs, Event, WorkerLife, World};

/// Work for a worker's compute thread, done one after the other.
#[allow(clippy::large_enum_variant, reason = "a handful are under way")]
pub(super) enum Job {
    Train { round: Round, head: Head, codec: String, cut: bool },
    Verify { request: VerifyRequest, payloads: Payloads },
    Apply { request: ApplyRequest, payloads: Payloads },
    Replace { head: Head, state: Blob },
}

impl<B: Body> World<B> {
    pub(super) fn start_worker(&mut self, index: usize) {
        let node = &mut self.workers[index];
        if node.life.is_some() {
            return;
        }
        let config = MemberConfig {
            session: self.session,
            keypair: node.keypair.clone(),
            aggregator: self.keypair.worker(),
            parameters: self.body.parameters().clone(),
        };
        let body = self.body.worker(&node.keypair, self.session, &node.disk.files);
        let resume = MemberResume { head: B::head(&node.disk.files), records: node.disk.records.clone() };
        let blobs: Blobs = self.body.served(&body).into_iter().map(|blob| (Hash::of(&blob), blob)).collect();
        let outer_steps = self.body.parameters().outer_steps;
        let (me, aggregator) = (node.keypair.worker(), self.keypair.worker());
        let served = Some(self.body.state_hash(&body));
        let mut performer = MemberPerformer::new(Member::resume(config, resume), me, aggregator, outer_steps, served);
        let first = performer.start();
        let (unwritten, jobs) = (VecDeque::new(), VecDeque::new());
        node.life = Some(WorkerLife { performer, body, blobs, unwritten, handed: 0, written: 0, jobs });
        self.worker_does(index, first);
        self.later(1, 50, Event::Connect { worker: index });
    }

    pub(super) fn worker_hears(&mut self, index: usize, message: Message) {
        if let Message::CommitAccepted { round, commitment } = &message {
            let me = self.worker_id(index);
            self.oracle.acknowledged(*round, me, *commitment);
        }
        self.worker_input(index, Input::Message(message));
    }

    pub(super) fn worker_input(&mut self, index: usize, input: Input<B::Write>) {
        if self.plant.loses(&input) {
            return;
        }
        if let Some(life) = &mut self.workers[index].life {
            let effects = life.performer.handle(input);
            self.worker_does(index, effects);
        }
    }

    fn worker_does(&mut self, index: usize, effects: Vec<Effect<B::Write>>) {
        for effect in self.plant.distort(effects) {
            if self.dies() {
                return self.kill_worker(index);
            }
            if self.workers[index].life.is_none() {
                return;
            }
            self.worker_effect(index, effect);
        }
    }

    fn worker_effect(&mut self, index: usize, effect: Effect<B::Write>) {
        let life_number = self.workers[index].number;
        match effect {
            Effect::Append(record) => self.record(index, record),
            Effect::Replace(record) => self.replace_records(index, record),
            Effect::Write(write) => {
                self.life(index).hand_in(write);
                let upto = self.life(index).handed;
                self.later(1, 200, Event::Written { worker: index, life: life_number, upto, ticket: None });
            }
            Effect::Flush(ticket) if self.plant == Plant::ForgottenFsync => {
                self.later(
                    0,
                    0,
                    Event::WorkerInput { worker: index, life: life_number, input: Input::Flushed(ticket) },
                );
            }
            Effect::Flush(ticket) => {
                let upto = self.life(index).handed;
                self.later(1, 60, Event::Written { worker: index, life: life_number, upto, ticket: Some(ticket) });
            }
            Effect::Send(message) => {
                self.check_said(index, &message);
                self.send_to_leader(index, message);
            }
            Effect::Greet => self.later(1, 40, Event::Hello { worker: index, life: life_number }),
            Effect::Train { round, head, codec } => {
                self.cut_training(index);
                self.begin(index, (20, 300), Job::Train { round, head, codec, cut: false });
            }
            Effect::Fetch { hash, holders } => {
                self.later(1, 60, Event::WorkerFetch { worker: index, life: life_number, hash, holders });
            }
            Effect::Verify { request, payloads } => {
                let payloads = self.held(index, &payloads);
                let measured = request.manifest.contributions.iter().filter(|entry| entry.measured.is_some());
                let mut needed = measured.filter_map(|entry| entry.payload_hash);
                assert!(needed.all(|hash| payloads.contains_key(&hash)), "verifies what it lacks");
                self.begin(index, (1, 60), Job::Verify { request, payloads });
            }
            Effect::Apply { request, payloads } => {
                let payloads = self.held(index, &payloads);
                let mut needed = request.summands.iter();
                assert!(needed.all(|summand| payloads.contains_key(&summand.payload_hash)), "applies what it lacks");
                self.cut_training(index);
                self.begin(index, (1, 60), Job::Apply { request, payloads });
            }
            Effect::Refetch { head, holders } => {
                self.cut_training(index);
                self.later(1, 60, Event::WorkerRefetch { worker: index, life: life_number, head, holders });
            }
            Effect::Serve(blob) => {
                let hash = Hash::of(&blob);
                let life = self.workers[index].life.as_mut().expect("effects are of a process that lives");
                let is_payload = hash != self.body.state_hash(&life.body);
                if !(is_payload && self.plant == Plant::FreedEarly) {
                    life.blobs.insert(hash, blob);
                }
            }
            Effect::Forget(hash) => drop(self.life(index).blobs.remove(&hash)),
            Effect::Refused(refusal) => panic!("the aggregator refused a worker: {refusal}"),
            Effect::End => self.end_worker(index),
            Effect::Meet(_) | Effect::Ledger(_) | Effect::Tell(_) => {}
        }
    }

    fn record(&mut self, index: usize, record: MemberRecord) {
        self.oracle.worker_recorded(self.worker_id(index), &record);
        self.workers[index].disk.records.push(record);
    }

    /// The records of rounds before may go only once the state after them is on the disk.
    fn replace_records(&mut self, index: usize, record: MemberRecord) {
        let disk = &mut self.workers[index].disk;
        let durable = B::head(&disk.files).map_or(Round(0), |head| head.round);
        let forgotten = disk.records.iter().map(MemberRecord::round).max().unwrap_or_default();
        assert!(forgotten <= durable, "records of round {forgotten} go while the disk holds the state of {durable}");
        disk.records.clear();
        self.record(index, record);
    }

    /// What a message promises is on the disk before it is sent.
    fn check_said(&self, index: usize, message: &Message) {
        let disk = &self.workers[index].disk;
        let recorded = |wanted: &dyn Fn(&MemberRecord) -> bool| disk.records.iter().any(wanted);
        let kept = match message {
            Message::Commit { commitment, .. } => disk.records.iter().any(|record| match record {
                MemberRecord::Committed(own) => {
                    own.commitment == *commitment && self.body.announces(&disk.files, &own.payload.hash)
                }
                _ => false,
            }),
            Message::Countersign(signed) => {
                recorded(&|record| matches!(record, MemberRecord::Countersigned(own) if own == signed))
            }
            Message::Vote(signed) => recorded(&|record| matches!(record, MemberRecord::Voted(own) if own == signed)),
            Message::Applied { round, .. } => {
                let life = self.workers[index].life.as_ref().expect("it speaks");
                let last = life.performer.core().holds_last_state();
                !last || B::head(&disk.files).is_some_and(|head| head.round >= *round)
            }
            _ => true,
        };
        assert!(kept, "a worker says what its disk does not hold: {}", message.kind());
    }

    fn end_worker(&mut self, index: usize) {
        let life = self.life(index);
        let head = life.performer.core().head().map(|head| head.state_hash);
        let upto = life.handed;
        let state = self.body.state_hash(&self.workers[index].life.as_ref().expect("it ends").body);
        assert_eq!(Some(state), head, "a worker ends with another state than its head's");
        self.write_files(index, upto);
        self.workers[index].done = true;
    }

    /// Writes what was handed in, up to the one with this number.
    pub(super) fn write_files(&mut self, index: usize, upto: u64) {
        let node = &mut self.workers[index];
        let Some(life) = &mut node.life else { return };
        while life.written < upto {
            let Some(write) = life.unwritten.pop_front() else { return };
            B::store(&mut node.disk.files, write);
            life.written += 1;
        }
    }

    fn begin(&mut self, index: usize, (shortest, longest): (u64, u64), job: Job) {
        self.life(index).jobs.push_back(job);
        let life = self.workers[index].number;
        self.later(shortest, longest, Event::WorkerWork { worker: index, life });
    }

    fn cut_training(&mut self, index: usize) {
        for job in &mut self.life(index).jobs {
            if let Job::Train { cut, .. } = job {
                *cut = true;
            }
        }
    }

    /// The next piece of work of the compute thread is done.
    pub(super) fn worker_works(&mut self, index: usize) {
        let me = self.worker_id(index);
        let Some(life) = &mut self.workers[index].life else { return };
        let Some(job) = life.jobs.pop_front() else { return };
        let body = &mut life.body;
        let input = match job {
            Job::Train { round, cut: true, .. } => Input::Trained { round, trained: None },
            Job::Train { round, head, codec, cut: false } => {
                Input::Trained { round, trained: Some(self.body.train(body, round, &head, &codec)) }
            }
            Job::Verify { request, payloads } => Input::Verified(self.body.verify(body, &request, &payloads)),
            Job::Apply { request, payloads } => {
                let applied = self.body.apply(body, &request, &payloads);
                let round = request.head.round;
                if applied.state_hash == request.head.state_hash {
                    self.oracle.applied(round, me, applied.state_hash);
                }
                Input::Applied { round, applied }
            }
            Job::Replace { head, state } => {
                let fetched = self.body.state_hash(body) != head.state_hash;
                let result = self.body.replace(body, &head, state);
                self.figures.states_fetched += u64::from(fetched && result.is_ok());
                Input::Refetched { state_hash: head.state_hash, result }
            }
        };
        self.worker_input(index, input);
    }

    pub(super) fn fetch(&mut self, index: usize, hash: Hash, holders: &[WorkerId]) {
        let found = self.find(index, &hash, holders);
        let held = found.is_some();
        found.into_iter().for_each(|blob| drop(self.life(index).blobs.insert(hash, blob)));
        self.worker_input(index, Input::Fetched { hash, held });
    }

    pub(super) fn refetch(&mut self, index: usize, head: Head, holders: &[WorkerId]) {
        match self.find(index, &head.state_hash, holders) {
            Some(state) => {
                self.life(index).blobs.insert(head.state_hash, state.clone());
                self.begin(index, (1, 20), Job::Replace { head, state });
            }
            None => {
                let result = Err("nobody has it".to_owned());
                self.worker_input(index, Input::Refetched { state_hash: head.state_hash, result });
            }
        }
    }

    /// A blob of this worker's own, or of one of the holders that can be reached.
    fn find(&self, index: usize, hash: &Hash, holders: &[WorkerId]) -> Option<Blob> {
        let node = &self.workers[index];
        if let Some(own) = node.life.as_ref().and_then(|life| life.blobs.get(hash)) {
            return Some(own.clone());
        }
        node.link?;
        if holders.contains(&self.keypair.worker())
            && let Some(blob) = self.leader.life.as_ref().and_then(|life| life.blobs.get(hash))
        {
            return Some(blob.clone());
        }
        let reachable = self.workers.iter().filter(|other| other.link.is_some());
        let mut holding = reachable.filter(|other| holders.contains(&other.keypair.worker()));
        holding.find_map(|other| other.life.as_ref()?.blobs.get(hash).cloned())
    }

    fn held(&self, index: usize, hashes: &[Hash]) -> Payloads {
        let blobs = &self.workers[index].life.as_ref().expect("it works").blobs;
        hashes.iter().filter_map(|hash| blobs.get(hash).map(|blob| (*hash, blob.clone()))).collect()
    }

    fn life(&mut self, index: usize) -> &mut WorkerLife<B> {
        self.workers[index].life.as_mut().expect("effects are of a process that lives")
    }
}
