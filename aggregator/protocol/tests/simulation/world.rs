//! One aggregator and some workers in virtual time: processes that die between any two actions and come back from what they
//! made durable, links that lose, double, delay and reorder, and break.

use crate::{oracle::Oracle, random::Random, toy};
use protocol::{
    Coordinator, Hash, Head, Keypair, Member, Message, Parameters, SessionId, WorkerId,
    coordinator::{Action, Record},
    member::{MemberAction, MemberRecord},
};
use std::collections::{BTreeMap, BTreeSet};

mod aggregator;
mod faults;
mod links;
mod worker;

const TICK_MS: u64 = 100;
const PAYLOAD_BYTES: u64 = 100;

/// What goes wrong, and how often.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Messages lost, in a million.
    pub(crate) loss: u64,
    /// Messages doubled, in a million.
    pub(crate) duplicates: u64,
    /// Longest delay of a message.
    pub(crate) delay_ms: u64,
    /// Deaths before an action, in a million.
    pub(crate) deaths: u64,
    /// Mean time between two planned faults; 0 for none.
    pub(crate) every_ms: u64,
    /// Longest time that something stays down.
    pub(crate) down_ms: u64,
    /// When they end.
    pub(crate) until_ms: u64,
    /// Whether workers may hang and large parts of the network may be cut off.
    pub(crate) partitions: bool,
}

#[derive(Default)]
struct AggregatorDisk {
    records: Vec<Record>,
    head: Option<Head>,
    state: Option<Hash>,
    payloads: BTreeSet<Hash>,
}

#[derive(Default)]
struct Aggregator {
    disk: AggregatorDisk,
    core: Option<Coordinator>,
    life: u64,
}

/// What a worker's snapshot holds.
#[derive(Clone, Default)]
struct Snapshot {
    head: Option<Head>,
    state: Option<Hash>,
    residual: Option<Hash>,
}

#[derive(Default)]
struct WorkerDisk {
    records: Vec<MemberRecord>,
    /// What the process works with.
    now: Snapshot,
    /// What a death may fall back to, while the newest snapshot is still being written.
    durable: Option<Snapshot>,
    payloads: BTreeSet<Hash>,
}

struct Worker {
    keypair: Keypair,
    disk: WorkerDisk,
    core: Option<Member>,
    life: u64,
    link: Option<u64>,
    hung_until: u64,
    trains_from: u64,
    done: bool,
}

enum Event {
    ToAggregator { worker: usize, link: u64, message: Message },
    ToWorker { worker: usize, link: u64, message: Message },
    AggregatorWork { life: u64, action: Action },
    WorkerWork { worker: usize, life: u64, action: MemberAction },
    Tick,
    Connect { worker: usize },
    StartAggregator,
    StartWorker { worker: usize },
    Fault,
}

pub(crate) struct World {
    parameters: Parameters,
    session: SessionId,
    keypair: Keypair,
    random: Random,
    faults: Faults,
    now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    links: u64,
    aggregator: Aggregator,
    workers: Vec<Worker>,
    pub(crate) oracle: Oracle,
    pub(crate) figures: Figures,
    pub(crate) finished: bool,
}

/// What a run consisted of, so that a simulation that tests nothing would be seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) events: u64,
    pub(crate) aggregator_deaths: u64,
    pub(crate) worker_deaths: u64,
    pub(crate) messages_lost: u64,
    pub(crate) states_fetched: u64,
    pub(crate) snapshots_lost: u64,
    pub(crate) rounds_committed: u64,
    pub(crate) rounds_abandoned: u64,
    pub(crate) refusals: u64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.aggregator_deaths += other.aggregator_deaths;
        self.worker_deaths += other.worker_deaths;
        self.messages_lost += other.messages_lost;
        self.states_fetched += other.states_fetched;
        self.snapshots_lost += other.snapshots_lost;
        self.rounds_committed += other.rounds_committed;
        self.rounds_abandoned += other.rounds_abandoned;
        self.refusals += other.refusals;
    }
}

impl World {
    /// A world of `workers`, of which the last `late` come only after a while.
    pub(crate) fn new(seed: u64, parameters: Parameters, workers: usize, late: usize, faults: Faults) -> Self {
        let key = |number: u64| {
            Keypair::from_secret(&Hash::of_parts("toy key", &[&seed.to_le_bytes(), &number.to_le_bytes()]).0)
        };
        let worker = |number: usize| Worker {
            keypair: key(1 + number as u64),
            disk: WorkerDisk {
                now: Snapshot { head: None, residual: Some(Hash::ZERO), state: Some(toy::genesis()) },
                ..WorkerDisk::default()
            },
            core: None,
            life: 0,
            link: None,
            hung_until: 0,
            trains_from: 0,
            done: false,
        };
        let mut world = Self {
            parameters,
            session: SessionId(Hash::of_parts("toy session", &[&seed.to_le_bytes()]).0),
            keypair: key(0),
            random: Random::new(seed),
            faults,
            now: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            links: 0,
            aggregator: Aggregator::default(),
            workers: (0..workers).map(worker).collect(),
            oracle: Oracle::default(),
            figures: Figures::default(),
            finished: false,
        };
        world.aggregator.disk.state = Some(toy::genesis());
        world.later(0, 0, Event::StartAggregator);
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
    pub(crate) fn run(&mut self, limit_ms: u64) {
        self.run_until(limit_ms);
        self.figures.rounds_committed = self.oracle.committed.len() as u64;
        self.figures.rounds_abandoned = self.oracle.abandoned.len() as u64;
    }

    fn run_until(&mut self, limit_ms: u64) {
        while let Some(((now, _), event)) = self.queue.pop_first() {
            self.now = now;
            self.figures.events += 1;
            if now > limit_ms || self.is_over() {
                return;
            }
            self.step(event);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.finished && self.workers.iter().all(|worker| worker.done)
    }

    /// Where everybody is, for the message of a failing seed.
    pub(crate) fn describe(&self) -> String {
        let workers = self.workers.iter().map(|worker| {
            let head = worker.disk.now.head.as_ref().map(|head| head.round.0);
            format!(
                "(head {head:?}, up {}, linked {}, done {})",
                worker.core.is_some(),
                worker.link.is_some(),
                worker.done
            )
        });
        let core = self.aggregator.core.as_ref().map(|core| (core.round().0, core.phase()));
        format!("at {} ms: aggregator {core:?}, workers {}", self.now, workers.collect::<Vec<_>>().join(" "))
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::ToAggregator { worker, link, message } => {
                let from = self.worker_id(worker);
                if self.workers[worker].link == Some(link) {
                    self.aggregator_call(|core, now| core.message(now, from, message));
                }
            }
            Event::ToWorker { worker, link, message } => {
                if self.workers[worker].hung_until > self.now {
                    let wait = self.workers[worker].hung_until - self.now;
                    return self.later(wait, wait + 5, Event::ToWorker { worker, link, message });
                }
                if self.workers[worker].link == Some(link) {
                    self.worker_hears(worker, message);
                }
            }
            Event::AggregatorWork { life, action } if life == self.aggregator.life => self.aggregator_works(action),
            Event::WorkerWork { worker, life, action } if life == self.workers[worker].life => {
                self.worker_works(worker, action)
            }
            Event::AggregatorWork { .. } | Event::WorkerWork { .. } => {} // of a process that died
            Event::Tick => {
                self.aggregator_call(|core, now| core.tick(now));
                self.later(TICK_MS, TICK_MS, Event::Tick);
            }
            Event::Connect { worker } => self.connect(worker),
            Event::StartAggregator => self.start_aggregator(),
            Event::StartWorker { worker } => self.start_worker(worker),
            Event::Fault => self.fault(),
        }
    }

    fn later(&mut self, shortest: u64, longest: u64, event: Event) {
        let delay = self.random.between(shortest, longest.max(shortest));
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), event);
    }

    fn worker_id(&self, index: usize) -> WorkerId {
        self.workers[index].keypair.worker()
    }
}
