//! The aggregator: its performer, its compute thread, its disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use node::payloads::Payloads;
use node::performer::leader::{Applied, Effect, Ending, Input, LeaderPerformer, ROUNDS_SERVED, WelcomeFacts};
use protocol::coordinator::{AggregateRequest, CoordinatorConfig, Record, Resume, ScoreRequest};
use protocol::{CommittedManifest, Coordinator, Hash, Head, HelloReply, Message, Millis, Round, Term, WorkerId};
use record::RoundRecord;

use super::body::Body;
use super::world::{Event, LeaderLife, World};

/// Work for the aggregator's compute thread, done one after the other.
#[allow(clippy::large_enum_variant, reason = "a handful are under way")]
pub(super) enum Job {
    Score(ScoreRequest),
    Aggregate(AggregateRequest),
    Commit { committed: CommittedManifest, head: Head },
    Finish { head: Head },
}

impl<B: Body> World<B> {
    /// Recovers as the aggregator does: manifests of rounds that committed are written, all of them replayed, lines
    /// that are missing appended.
    pub(super) fn start_leader(&mut self) {
        if self.leader.life.is_some() {
            return;
        }
        for record in self.leader.disk.records.clone() {
            if let Record::Committed(committed) = record {
                self.leader.disk.manifests.entry(committed.manifest.body.round).or_insert(committed);
            }
        }
        let disk = &mut self.leader.disk;
        let committed: Vec<CommittedManifest> = disk.manifests.values().cloned().collect();
        for record in committed.iter().map(RoundRecord::of) {
            disk.append_line(record);
        }
        let genesis = disk.records.iter().find_map(|record| match record {
            Record::Genesis(head) => Some(head.body.clone()),
            _ => None,
        });
        let last = committed.last().cloned();
        let head = last.as_ref().map(|last| Head::of(&last.manifest.body)).or(genesis);
        let mut records = disk.records.clone();
        records.extend(last.map(Record::Committed));
        let rounds: Vec<(CommittedManifest, Payloads)> = committed
            .into_iter()
            .map(|committed| {
                let round = committed.manifest.body.round;
                let payloads = disk.payloads_of(round);
                (committed, payloads)
            })
            .collect();
        let body = self.body.leader(&rounds);
        let config = CoordinatorConfig {
            session: self.session,
            term: Term::FIRST,
            keypair: self.keypair.clone(),
            parameters: self.body.parameters().clone(),
            genesis_state: Hash::of(&self.body.genesis()),
            elements: self.body.elements(),
        };
        let now = Millis(self.now);
        let (core, actions) = Coordinator::resume(now, config, Resume { head, records }).expect("a log of our own");
        let state = self.body.leader_state(&body);
        if let Some(head) = core.head() {
            assert_eq!(Hash::of(&state), head.state_hash, "the aggregator's state is not its head's");
        }
        let mut blobs = BTreeMap::from([(Hash::of(&state), state)]);
        let newest: BTreeSet<Round> = disk.payloads.keys().map(|(round, _)| *round).rev().collect();
        for round in newest.into_iter().rev().take(ROUNDS_SERVED) {
            blobs.extend(disk.payloads_of(round));
        }
        let facts = WelcomeFacts {
            session: self.session,
            network: self.network,
            token: vec![0; 16],
            job: String::new(),
            genesis_state: Hash::of(&self.body.genesis()),
            data_shards: Vec::new(),
            ledger: None,
        };
        let mut performer = LeaderPerformer::new(core, facts, blobs.keys().copied().collect());
        let first = performer.start(now, actions);
        self.leader.life =
            Some(LeaderLife { performer, body, blobs, admitted: BTreeSet::new(), jobs: VecDeque::new(), reply: None });
        self.leader_does(first);
        for worker in 0..self.workers.len() {
            self.later(1, 100, Event::Connect { worker });
        }
    }

    pub(super) fn leader_input(&mut self, input: Input) {
        let now = Millis(self.now);
        if let Some(life) = &mut self.leader.life {
            let effects = life.performer.handle(now, input);
            self.leader_does(effects);
        }
    }

    /// A hello of a worker and the answer, if one comes.
    pub(super) fn leader_greets(&mut self, from: WorkerId, hello: protocol::Hello) -> Option<HelloReply> {
        self.leader_input(Input::Hello { from, hello });
        self.leader.life.as_mut()?.reply.take()
    }

    fn leader_does(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if self.dies() {
                return self.kill_leader();
            }
            if self.leader.life.is_none() {
                return;
            }
            self.leader_effect(effect);
        }
    }

    fn leader_effect(&mut self, effect: Effect) {
        let number = self.leader.number;
        match effect {
            Effect::Append(record) => {
                self.oracle.recorded(&record);
                self.leader.disk.records.push(record);
            }
            Effect::Store { round, payload } => {
                self.leader.disk.payloads.insert((round, Hash::of(&payload)), payload);
            }
            Effect::Close(committed) => self.leader.disk.close(committed),
            Effect::Discard(round) => self.leader.disk.discard(round),
            Effect::Line(record) => {
                self.oracle.line(&record);
                self.leader.disk.append_line(record);
            }
            Effect::ChainRound(record) => {
                assert!(self.leader.disk.has_line(record.round), "a round is chained before it has its line");
                self.leader.disk.chained.insert(record.round);
            }
            Effect::Settle(record) => {
                assert!(self.leader.disk.chained.contains(&record.round), "a round is settled before it is chained");
            }
            Effect::Send { to, message } => {
                self.check_leader_said(&message);
                self.send_to_worker(to, message);
            }
            Effect::Admit(worker) => drop(self.leader_life().admitted.insert(worker)),
            Effect::Reply { reply, .. } => self.leader_life().reply = Some(reply),
            Effect::Fetch { round, worker, hash, .. } => {
                self.later(1, 40, Event::LeaderFetch { life: number, round, worker, hash });
            }
            Effect::Score(request) => self.begin_leader(Job::Score(request)),
            Effect::Aggregate(request) => self.begin_leader(Job::Aggregate(request)),
            Effect::Commit { committed, head } => self.begin_leader(Job::Commit { committed, head }),
            Effect::Finish { head } => self.begin_leader(Job::Finish { head }),
            Effect::Serve(blob) => drop(self.leader_life().blobs.insert(Hash::of(&blob), blob)),
            Effect::Forget(hash) => drop(self.leader_life().blobs.remove(&hash)),
            Effect::End => self.finished = true,
            Effect::Drop | Effect::ChainAbandoned(_) | Effect::Tell(_) => {}
        }
    }

    /// What a message promises is on the disk before it is sent.
    fn check_leader_said(&self, message: &Message) {
        let disk = &self.leader.disk;
        let life = self.leader.life.as_ref().expect("it speaks");
        let open = life.performer.core().round();
        let recorded = |wanted: &dyn Fn(&Record) -> bool| disk.records.iter().any(wanted);
        let kept = match message {
            Message::CommitAccepted { round, commitment } if *round == open && !disk.manifests.contains_key(round) => {
                recorded(&|record| matches!(record, Record::Commit(own) if own.body.commitment == *commitment))
            }
            Message::Close(set) => recorded(&|record| matches!(record, Record::Closed(own) if own == set)),
            Message::Propose(manifest) => {
                recorded(&|record| matches!(record, Record::Proposal(own) if own == manifest))
            }
            Message::Committed(committed) => {
                let round = committed.manifest.body.round;
                disk.manifests.contains_key(&round)
                    || recorded(&|record| matches!(record, Record::Committed(own) if own == committed))
            }
            _ => true,
        };
        assert!(kept, "the aggregator says what its disk does not hold: {}", message.kind());
    }

    fn begin_leader(&mut self, job: Job) {
        self.leader_life().jobs.push_back(job);
        let life = self.leader.number;
        self.later(1, 40, Event::LeaderWork { life });
    }

    /// The next piece of work of the compute thread is done.
    pub(super) fn leader_works(&mut self) {
        let Some(life) = &mut self.leader.life else { return };
        let Some(job) = life.jobs.pop_front() else { return };
        let (body, disk) = (&mut life.body, &self.leader.disk);
        let input = match job {
            Job::Score(request) => {
                let payloads = disk.payloads_of(request.round);
                let round = request.round;
                Input::Scored { round, scored: Ok(self.body.score(body, &request, &payloads)), took_ms: 0.0 }
            }
            Job::Aggregate(request) => {
                let payloads = disk.payloads_of(request.round);
                let hash = self.body.aggregate(body, &request, &payloads);
                Input::Aggregated { round: request.round, hash: Ok(hash), took_ms: 0.0 }
            }
            Job::Commit { committed, head } => {
                let payloads = disk.payloads_of(head.round);
                let applied: Applied = self.body.commit(body, &committed, &head, &payloads);
                Input::Committed { head, committed, applied }
            }
            Job::Finish { head } => {
                Input::Finished { head, finished: Ending { checkpoint: String::new(), eval_loss: 0.0 } }
            }
        };
        self.leader_input(input);
    }

    pub(super) fn leader_fetch(&mut self, round: Round, worker: WorkerId, hash: Hash) {
        let stored = self.leader.disk.payloads.get(&(round, hash)).cloned();
        let owner = self.workers.iter().find(|other| other.keypair.worker() == worker && other.link.is_some());
        let found = stored.or_else(|| owner?.life.as_ref()?.blobs.get(&hash).cloned());
        if let (Some(blob), Some(life)) = (&found, &mut self.leader.life) {
            life.blobs.insert(hash, blob.clone());
        }
        let bytes = found.ok_or_else(|| "nobody has it".to_owned());
        self.leader_input(Input::Fetched { round, worker, hash, bytes });
    }

    fn leader_life(&mut self) -> &mut LeaderLife<B> {
        self.leader.life.as_mut().expect("effects are of a process that lives")
    }
}
