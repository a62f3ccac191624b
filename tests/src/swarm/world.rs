//! One aggregator and some workers in virtual time: processes that die between any two effects and come back from what
//! is on their disks, links that lose, double, delay and reorder, and break.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use node::payloads::Payloads;
use node::performer::Blob;
use node::performer::leader::{self, LeaderPerformer};
use node::performer::member::{self, MemberPerformer};
use protocol::coordinator::Record;
use protocol::member::MemberRecord;
use protocol::{
    CommittedManifest, Hash, Head, Hello, HelloReply, Keypair, Message, NetworkId, PROTOCOL_VERSION, Round, SessionId,
    WorkerId,
};
use record::RoundRecord;

use super::body::Body;
use super::oracle::Oracle;
use super::plant::Plant;
use super::random::Random;
use super::{leader as leading, worker as working};

const TICK_MS: u64 = 100;
/// The wait before a hello is said again after a failed one.
const HELLO_RETRY_MS: u64 = 500;

/// What goes wrong, and how often.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Messages lost, in a million.
    pub loss: u64,
    /// Messages doubled, in a million.
    pub duplicates: u64,
    /// Longest delay of a message.
    pub delay_ms: u64,
    /// Deaths before an effect, in a million.
    pub deaths: u64,
    /// Mean time between two planned faults; 0 for none.
    pub every_ms: u64,
    /// Longest time that something stays down.
    pub down_ms: u64,
    /// When they end.
    pub until_ms: u64,
    /// Whether workers may hang and large parts of the network may be cut off.
    pub partitions: bool,
}

/// Blobs that a process serves.
pub(super) type Blobs = BTreeMap<Hash, Blob>;

#[derive(Default)]
pub(super) struct LeaderDisk {
    pub(super) records: Vec<Record>,
    pub(super) manifests: BTreeMap<Round, CommittedManifest>,
    pub(super) payloads: BTreeMap<(Round, Hash), Blob>,
    lines: Vec<RoundRecord>,
    pub(super) chained: BTreeSet<Round>,
}

pub(super) struct LeaderLife<B: Body> {
    pub(super) performer: LeaderPerformer,
    pub(super) body: B::Leader,
    pub(super) blobs: Blobs,
    pub(super) admitted: BTreeSet<WorkerId>,
    pub(super) jobs: VecDeque<leading::Job>,
    /// The answer to the hello that is being handled.
    pub(super) reply: Option<HelloReply>,
}

pub(super) struct Leader<B: Body> {
    pub(super) disk: LeaderDisk,
    pub(super) life: Option<LeaderLife<B>>,
    /// Counts its lives.
    pub(super) number: u64,
}

#[derive(Default)]
pub(super) struct WorkerDisk<F> {
    pub(super) records: Vec<MemberRecord>,
    pub(super) files: F,
}

pub(super) struct WorkerLife<B: Body> {
    pub(super) performer: MemberPerformer<B::Write>,
    pub(super) body: B::Worker,
    pub(super) blobs: Blobs,
    /// Handed in and not on the disk yet.
    pub(super) unwritten: VecDeque<B::Write>,
    pub(super) handed: u64,
    pub(super) written: u64,
    pub(super) jobs: VecDeque<working::Job>,
}

pub(super) struct Worker<B: Body> {
    pub(super) keypair: Keypair,
    pub(super) disk: WorkerDisk<B::Files>,
    pub(super) life: Option<WorkerLife<B>>,
    /// Counts its lives.
    pub(super) number: u64,
    pub(super) link: Option<u64>,
    pub(super) hung_until: u64,
    pub(super) done: bool,
}

#[allow(clippy::large_enum_variant, reason = "events are made one at a time and consumed at once")]
pub(super) enum Event<W> {
    ToLeader { worker: usize, link: u64, message: Message },
    ToWorker { worker: usize, link: u64, message: Message },
    LeaderWork { life: u64 },
    LeaderFetch { life: u64, round: Round, worker: WorkerId, hash: Hash },
    WorkerWork { worker: usize, life: u64 },
    WorkerFetch { worker: usize, life: u64, hash: Hash, holders: Vec<WorkerId> },
    WorkerRefetch { worker: usize, life: u64, head: Head, holders: Vec<WorkerId> },
    WorkerInput { worker: usize, life: u64, input: member::Input<W> },
    Written { worker: usize, life: u64, upto: u64, ticket: Option<u64> },
    Hello { worker: usize, life: u64 },
    Greeted { worker: usize, life: u64, link: Option<u64>, reply: Option<HelloReply> },
    Tick,
    Connect { worker: usize },
    StartLeader,
    StartWorker { worker: usize },
    Fault,
}

/// A session and all that happens to it.
pub struct World<B: Body> {
    pub(super) body: B,
    pub(super) session: SessionId,
    pub(super) network: NetworkId,
    pub(super) keypair: Keypair,
    pub(super) random: Random,
    pub(super) faults: Faults,
    pub(super) plant: Plant,
    pub(super) now: u64,
    queue: BTreeMap<(u64, u64), Event<B::Write>>,
    sequence: u64,
    pub(super) links: u64,
    pub(super) leader: Leader<B>,
    pub(super) workers: Vec<Worker<B>>,
    pub oracle: Oracle,
    pub figures: Figures,
    pub(super) finished: bool,
}

/// What a run consisted of, so that a simulation that tests nothing would be seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub events: u64,
    pub leader_deaths: u64,
    pub worker_deaths: u64,
    pub messages_lost: u64,
    pub states_fetched: u64,
    pub files_lost: u64,
    pub rounds_committed: u64,
    pub rounds_abandoned: u64,
    pub refusals: u64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.leader_deaths += other.leader_deaths;
        self.worker_deaths += other.worker_deaths;
        self.messages_lost += other.messages_lost;
        self.states_fetched += other.states_fetched;
        self.files_lost += other.files_lost;
        self.rounds_committed += other.rounds_committed;
        self.rounds_abandoned += other.rounds_abandoned;
        self.refusals += other.refusals;
    }
}

impl<B: Body> World<B> {
    /// A world of `workers`, of which the last `late` come only after a while.
    #[must_use]
    pub fn new(seed: u64, body: B, workers: usize, late: usize, faults: Faults, plant: Plant) -> Self {
        let key = |number: u64| {
            Keypair::from_secret(&Hash::of_parts("toy key", &[&seed.to_le_bytes(), &number.to_le_bytes()]).0)
        };
        let worker = |number: usize| Worker {
            keypair: key(1 + number as u64),
            disk: WorkerDisk { records: Vec::new(), files: B::Files::default() },
            life: None,
            number: 0,
            link: None,
            hung_until: 0,
            done: false,
        };
        let mut world = Self {
            body,
            session: SessionId(Hash::of_parts("toy session", &[&seed.to_le_bytes()]).0),
            network: NetworkId([1; 32]),
            keypair: key(0),
            random: Random::new(seed),
            faults,
            plant,
            now: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            links: 0,
            leader: Leader { disk: LeaderDisk::default(), life: None, number: 0 },
            workers: (0..workers).map(worker).collect(),
            oracle: Oracle::default(),
            figures: Figures::default(),
            finished: false,
        };
        world.later(0, 0, Event::StartLeader);
        for index in 0..workers {
            let delay = if index >= workers - late { world.random.between(500, 8_000) } else { 0 };
            world.later(delay, delay + 20, Event::StartWorker { worker: index });
        }
        world.later(TICK_MS, TICK_MS, Event::Tick);
        if faults.every_ms > 0 {
            world.later(1, faults.every_ms, Event::Fault);
        }
        world
    }

    /// Runs until the run is finished everywhere, or `limit_ms` of virtual time are over.
    pub fn run(&mut self, limit_ms: u64) {
        while let Some(((now, _), event)) = self.queue.pop_first() {
            self.now = now;
            self.figures.events += 1;
            if now > limit_ms || self.is_over() {
                break;
            }
            self.step(event);
        }
        self.figures.rounds_committed = self.oracle.committed.len() as u64;
        self.figures.rounds_abandoned = self.oracle.abandoned.len() as u64;
    }

    #[must_use]
    pub fn is_over(&self) -> bool {
        self.finished && self.workers.iter().all(|worker| worker.done)
    }

    /// Where everybody is, for the message of a failing seed.
    #[must_use]
    pub fn describe(&self) -> String {
        let workers = self.workers.iter().map(|worker| {
            let head = worker.life.as_ref().map(|life| life.performer.core().head().map(|head| head.round.0));
            format!("(head {head:?}, linked {}, done {})", worker.link.is_some(), worker.done)
        });
        let core = self.leader.life.as_ref().map(|life| life.performer.core());
        let core = core.map(|core| (core.round().0, core.phase()));
        format!("at {} ms: aggregator {core:?}, workers {}", self.now, workers.collect::<Vec<_>>().join(" "))
    }

    fn step(&mut self, event: Event<B::Write>) {
        match event {
            Event::ToLeader { worker, link, message } => self.leader_hears(worker, link, message),
            Event::ToWorker { worker, link, message } => {
                if self.workers[worker].hung_until > self.now {
                    let wait = self.workers[worker].hung_until - self.now;
                    return self.later(wait, wait + 5, Event::ToWorker { worker, link, message });
                }
                if self.workers[worker].link == Some(link) {
                    self.worker_hears(worker, message);
                }
            }
            Event::LeaderWork { life } if life == self.leader.number => self.leader_works(),
            Event::LeaderFetch { life, round, worker, hash } if life == self.leader.number => {
                self.leader_fetch(round, worker, hash);
            }
            Event::Tick => {
                self.leader_input(leader::Input::Tick);
                self.later(TICK_MS, TICK_MS, Event::Tick);
            }
            Event::Connect { worker } => self.connect(worker),
            Event::StartLeader => self.start_leader(),
            Event::StartWorker { worker } => self.start_worker(worker),
            Event::Fault => self.fault(),
            event => self.worker_step(event),
        }
    }

    /// What is of one life of a worker; nothing when that has ended.
    fn worker_step(&mut self, event: Event<B::Write>) {
        let of = |world: &Self, worker: usize, life: u64| world.workers[worker].number == life;
        match event {
            Event::WorkerWork { worker, life } if of(self, worker, life) => self.worker_works(worker),
            Event::WorkerFetch { worker, life, hash, holders } if of(self, worker, life) => {
                self.fetch(worker, hash, &holders);
            }
            Event::WorkerRefetch { worker, life, head, holders } if of(self, worker, life) => {
                self.refetch(worker, head, &holders);
            }
            Event::WorkerInput { worker, life, input } if of(self, worker, life) => self.worker_input(worker, input),
            Event::Written { worker, life, upto, ticket } if of(self, worker, life) => {
                self.write_files(worker, upto);
                if let Some(ticket) = ticket {
                    self.worker_input(worker, member::Input::Flushed(ticket));
                }
            }
            Event::Hello { worker, life } if of(self, worker, life) => self.hello(worker),
            Event::Greeted { worker, life, link, reply } if of(self, worker, life) => {
                let reply = reply.filter(|_| link == self.workers[worker].link);
                self.worker_input(worker, member::Input::Greeted(reply));
            }
            _ => {} // of a process that died
        }
    }

    fn leader_hears(&mut self, worker: usize, link: u64, message: Message) {
        let from = self.worker_id(worker);
        let admitted = self.leader.life.as_ref().is_some_and(|life| life.admitted.contains(&from));
        if admitted && self.workers[worker].link == Some(link) {
            self.leader_input(leader::Input::Message { from, message });
        }
    }

    /// A hello and its answer; what gets none is told after a while.
    fn hello(&mut self, index: usize) {
        let (life, link) = (self.workers[index].number, self.workers[index].link);
        let from = self.worker_id(index);
        let reply = link.and_then(|_| {
            let hello = Hello {
                protocol_version: PROTOCOL_VERSION,
                network: self.network,
                token: [0; 16],
                device: String::new(),
                addresses: vec![format!("toy/{index}")],
            };
            self.leader_greets(from, hello)
        });
        let wait = if reply.is_some() { 1 } else { HELLO_RETRY_MS };
        self.later(wait, wait + 20, Event::Greeted { worker: index, life, link, reply });
    }

    pub(super) fn later(&mut self, shortest: u64, longest: u64, event: Event<B::Write>) {
        let delay = self.random.between(shortest, longest.max(shortest));
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), event);
    }

    pub(super) fn worker_id(&self, index: usize) -> WorkerId {
        self.workers[index].keypair.worker()
    }
}

impl<B: Body> WorkerLife<B> {
    pub(super) fn hand_in(&mut self, write: B::Write) {
        self.unwritten.push_back(write);
        self.handed += 1;
    }
}

impl LeaderDisk {
    pub(super) fn payloads_of(&self, round: Round) -> Payloads {
        let of_round = self.payloads.iter().filter(|((of, _), _)| *of == round);
        of_round.map(|((_, hash), blob)| (*hash, blob.clone())).collect()
    }

    /// The manifest is written before the records that led to it go.
    pub(super) fn close(&mut self, committed: CommittedManifest) {
        self.manifests.insert(committed.manifest.body.round, committed);
        self.records.retain(|record| matches!(record, Record::Genesis(_)));
    }

    pub(super) fn discard(&mut self, round: Round) {
        if !self.manifests.contains_key(&round) {
            self.payloads.retain(|(of, _), _| *of != round);
        }
    }

    pub(super) fn append_line(&mut self, record: RoundRecord) {
        if self.lines.last().is_none_or(|last| last.round < record.round) {
            self.lines.push(record);
        }
    }

    pub(super) fn has_line(&self, round: Round) -> bool {
        self.lines.iter().any(|line| line.round == round)
    }
}
