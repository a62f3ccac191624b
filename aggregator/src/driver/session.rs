//! The loop: what the network, the compute thread and the clock bring goes into the core, and its actions are carried
//! out in their order.
//!
//! Invariants: records are durable before anything that follows them is sent; no action waits for a peer or for the
//! compute thread, whose answers come back as [`Done`]; a failure to write ends the process, since going on would break
//! a promise.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use network::{Network, NetworkEvent};
use node::compute::{ComputeThread, Fault};
use node::outbox::Outbox;
use node::payloads;
use protocol::coordinator::{Action, AggregateRequest, Event as CoreEvent, Resume, ScoreRequest, Scored};
use protocol::{
    CommittedManifest, Coordinator, Hash, Head, Message, Millis, Round, WorkerId, coordinator::CoordinatorConfig,
};
use record::RoundRecord;
use record::chained_log::ChainedLog;
use record::events::{CheckpointWritten, Event, Events, Finished, Left, RoundAbandoned, Warning};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::clock::RoundClock;
use super::desk::{Applied, Desk};
use super::opening::Place;
use super::reporting::Reporting;

/// How often the core is told the time.
const TICK: Duration = Duration::from_millis(100);
/// Finished work that may wait for the loop; each kind is under way a few times at once at most.
const DONE_MAX: usize = 1024;
/// The longest fetch of one payload; the core's own deadline is usually shorter.
const FETCH_DEADLINE: Duration = Duration::from_secs(600);
/// Rounds whose payloads stay available to members that lag behind.
const ROUNDS_SERVED: usize = 2;

/// An answer of work that ran elsewhere.
pub(super) enum Done {
    Fetched { round: Round, worker: WorkerId, hash: Hash, bytes: Result<std::sync::Arc<Vec<u8>>, String> },
    Scored { round: Round, scored: Result<Scored, String>, took_ms: f64 },
    Aggregated { round: Round, hash: Result<Hash, String>, took_ms: f64 },
    Committed { head: Box<Head>, committed: Box<CommittedManifest>, applied: Result<Applied, String> },
    Finished { head: Box<Head>, end: Result<(PathBuf, f64), String> },
}

/// Everything that the loop works with.
pub(super) struct Session {
    pub(super) place: Place,
    pub(super) core: Coordinator,
    pub(super) network: Network,
    pub(super) compute: ComputeThread<Desk>,
    pub(super) outbox: Outbox,
    pub(super) events: Events,
    pub(super) ordinals: BTreeMap<WorkerId, u32>,
    pub(super) reporting: Reporting,
    audit: ChainedLog,
    started: Instant,
    clock: RoundClock,
    /// Clocks of committed rounds whose line is still to be written.
    ended: VecDeque<RoundClock>,
    /// Blobs of the last rounds, dropped in their turn.
    served: VecDeque<Vec<Hash>>,
    open_blobs: Vec<Hash>,
    start: Vec<Action>,
    done: mpsc::Sender<Done>,
    answers: Option<mpsc::Receiver<Done>>,
    finished: Option<Head>,
}

impl Session {
    pub(super) fn new(
        place: Place,
        network: Network,
        compute: ComputeThread<Desk>,
        events: Events,
        reporting: Reporting,
        resume: Resume,
    ) -> anyhow::Result<Self> {
        let config = CoordinatorConfig {
            session: place.genesis.session,
            term: protocol::Term::FIRST,
            keypair: place.keypair.clone(),
            parameters: place.parameters.clone(),
            genesis_state: place.genesis.state_hash,
            elements: place.genesis.elements,
        };
        let (core, start) = Coordinator::resume(Millis(0), config, resume)?;
        let audit = ChainedLog::open(&place.run.audit_log(), &place.run.audit_head(), place.keypair.clone())?;
        reporting.resume(audit.head_hash())?;
        let (done, answers) = mpsc::channel(DONE_MAX);
        Ok(Self {
            core,
            outbox: Outbox::new(network.clone()),
            network,
            compute,
            events,
            ordinals: BTreeMap::new(),
            reporting,
            audit,
            started: Instant::now(),
            clock: RoundClock::default(),
            ended: VecDeque::new(),
            served: VecDeque::new(),
            open_blobs: vec![place.genesis.state_hash],
            start,
            done,
            answers: Some(answers),
            finished: None,
            place,
        })
    }

    /// Runs until the last round is committed and delivered, or `shutdown`.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<NetworkEvent>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let Some(mut answers) = self.answers.take() else { return Ok(()) };
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let start = std::mem::take(&mut self.start);
        self.act(start)?;
        while self.finished.is_none() {
            let actions = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Some(event) = inbox.recv() => self.on_network(event)?,
                Some(done) = answers.recv() => self.on_done(done)?,
                _ = tick.tick() => self.core.tick(self.now()),
                else => return Ok(()),
            };
            self.act(actions)?;
        }
        self.reporting.finish(self.audit.head_hash()).await
    }

    pub(super) fn now(&self) -> Millis {
        Millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn on_network(&mut self, event: NetworkEvent) -> anyhow::Result<Vec<Action>> {
        let now = self.now();
        Ok(match event {
            NetworkEvent::Message { from, message } => match *message {
                Message::Offers(offers) => {
                    self.reporting.offered(from, offers)?;
                    Vec::new()
                }
                message => self.core.message(now, from, message),
            },
            NetworkEvent::Hello { from, hello, reply } => self.on_hello(from, &hello, reply),
            // A peer that was not admitted yet becomes present with its hello.
            NetworkEvent::Connected(worker) if self.network.is_admitted(&worker) => self.core.connected(now, worker),
            NetworkEvent::Disconnected(worker) if self.network.is_admitted(&worker) => {
                let reason = "the connection was lost".to_owned();
                self.events.emit(Event::Left(Left { worker: worker.to_string(), reason }));
                self.core.disconnected(now, worker)
            }
            NetworkEvent::Connected(_) | NetworkEvent::Disconnected(_) | NetworkEvent::Listening(_) => Vec::new(),
        })
    }

    fn on_done(&mut self, done: Done) -> anyhow::Result<Vec<Action>> {
        let now = self.now();
        Ok(match done {
            Done::Fetched { round, worker, hash, bytes: Ok(bytes) } => {
                self.place.run.store_payload(round, &bytes)?;
                self.core.stored(now, round, worker, hash)
            }
            Done::Fetched { round, worker, hash, bytes: Err(why) } => {
                tracing::warn!(%round, %worker, why, "a payload could not be fetched");
                self.core.fetch_failed(now, round, worker, hash)
            }
            Done::Scored { scored: Ok(scored), took_ms, .. } => {
                self.clock.score_ms = took_ms;
                self.core.scored(now, scored)
            }
            Done::Aggregated { round, hash: Ok(hash), took_ms } => {
                self.clock.apply_ms = took_ms;
                self.core.aggregated(now, round, hash)
            }
            Done::Scored { round, scored: Err(why), .. } | Done::Aggregated { round, hash: Err(why), .. } => {
                self.events.emit(Event::Warning(Warning { message: format!("round {round} failed: {why}") }));
                self.core.failed(now, round, &why)
            }
            Done::Committed { head, committed, applied } => {
                self.on_committed(&head, &committed, applied.map_err(anyhow::Error::msg)?)?;
                Vec::new()
            }
            Done::Finished { head, end } => {
                self.finish(*head, end.map_err(anyhow::Error::msg)?);
                Vec::new()
            }
        })
    }

    fn act(&mut self, actions: Vec<Action>) -> anyhow::Result<()> {
        for action in actions {
            match action {
                Action::Persist(record) => self.place.journal.persist(&record)?,
                Action::Send { to, message } => self.outbox.send(to, message),
                Action::FetchPayload { round, worker, hash, bytes } => self.fetch(round, worker, hash, bytes),
                Action::Score(request) => self.score(request)?,
                Action::Aggregate(request) => self.aggregate(request)?,
                Action::Commit { committed, head } => self.commit(committed, head)?,
                Action::Abandon { round, reason } => self.abandon(round, &reason.to_string())?,
                Action::Finish { head } => self.close(head)?,
                Action::Note(event) => self.note(&event),
            }
        }
        Ok(())
    }

    /// Fetches a payload from its owner; one that lies on the disk already is taken from there.
    fn fetch(&mut self, round: Round, worker: WorkerId, hash: Hash, bytes: u64) {
        let (network, done, run) = (self.network.clone(), self.done.clone(), self.place.run.clone());
        let limit = payloads::bytes_max(self.place.genesis.elements as usize);
        self.open_blobs.push(hash);
        tokio::spawn(async move {
            let bytes = if bytes > limit {
                Err(format!("{bytes} bytes are more than any payload of this model has"))
            } else if let Ok(stored) = run.load_payload(round, &hash, limit) {
                let stored = std::sync::Arc::new(stored);
                network.blobs().insert(stored.clone()).map(|_| stored).map_err(|error| error.to_string())
            } else {
                let fetched = network.fetch_blob(hash, limit, &[worker], network.blobs(), FETCH_DEADLINE).await;
                fetched.map(|fetched| fetched.bytes).map_err(|error| error.to_string())
            };
            // The loop ends before its tasks only when the process does.
            let _ = done.send(Done::Fetched { round, worker, hash, bytes }).await;
        });
    }

    fn score(&mut self, request: ScoreRequest) -> anyhow::Result<()> {
        let round = request.round;
        self.compute(move |desk| {
            let (scored, took_ms) = timed(|| desk.score(&request));
            Done::Scored { round, scored, took_ms }
        })
    }

    fn aggregate(&mut self, request: AggregateRequest) -> anyhow::Result<()> {
        let round = request.round;
        self.compute(move |desk| {
            let (hash, took_ms) = timed(|| desk.aggregate(&request));
            Done::Aggregated { round, hash, took_ms }
        })
    }

    fn commit(&mut self, committed: CommittedManifest, head: Head) -> anyhow::Result<()> {
        self.place.journal.commit(&committed)?;
        self.ended.push_back(self.clock);
        self.clock = RoundClock::start(self.now().0);
        self.compute(move |desk| {
            let applied = desk.commit(&committed, &head).map_err(|fault| fault.to_string());
            Done::Committed { head: Box::new(head), committed: Box::new(committed), applied }
        })
    }

    fn on_committed(&mut self, head: &Head, committed: &CommittedManifest, applied: Applied) -> anyhow::Result<()> {
        self.serve(applied.state_bytes)?;
        let clock = self.ended.pop_front().unwrap_or_default();
        let mut line = RoundRecord::of(committed);
        line.eval_loss = applied.eval_loss;
        // The core's clock stopped when the round was committed; evaluation runs beside the next round.
        line.timings_ms = clock.timings(self.clock.began_ms, applied.evaluate_ms);
        self.place.rounds_log.append(&line)?;
        let audit_head = self.audit.append("round", &line)?;
        self.reporting.committed(&line, audit_head)?;
        self.events.emit(Event::Round(line));
        if let Some(path) = applied.checkpoint {
            let path = path.display().to_string();
            self.events.emit(Event::Checkpoint(CheckpointWritten { round: head.round.0, path }));
        }
        Ok(())
    }

    /// Offers the new state to joiners and lets go of what nobody needs any more.
    fn serve(&mut self, state_bytes: Vec<u8>) -> anyhow::Result<()> {
        let hash = self.network.blobs().insert(state_bytes)?;
        self.served.push_back(std::mem::replace(&mut self.open_blobs, vec![hash]));
        while self.served.len() > ROUNDS_SERVED {
            for hash in self.served.pop_front().unwrap_or_default() {
                self.network.blobs().remove(&hash);
            }
        }
        Ok(())
    }

    fn abandon(&mut self, round: Round, reason: &str) -> anyhow::Result<()> {
        self.place.journal.discard(round)?;
        self.audit.append("abandoned", &RoundAbandoned { round: round.0, reason: reason.to_owned() })?;
        self.events.emit(Event::RoundAbandoned(RoundAbandoned { round: round.0, reason: reason.to_owned() }));
        self.clock = RoundClock::start(self.now().0);
        // Nobody waits for the answer: a round that follows uses its own.
        drop(self.compute.submit(Desk::abandon)?);
        Ok(())
    }

    fn close(&mut self, head: Head) -> anyhow::Result<()> {
        self.compute(move |desk| {
            let end = desk.finish(&head).map_err(|fault| fault.to_string());
            Done::Finished { head: Box::new(head), end }
        })
    }

    fn finish(&mut self, head: Head, (path, loss): (PathBuf, f64)) {
        let path = path.display().to_string();
        self.events.emit(Event::Checkpoint(CheckpointWritten { round: head.round.0, path }));
        self.events.emit(Event::Finished(Finished {
            outer_steps: head.outer_steps,
            state_hash: head.state_hash.to_string(),
            eval_loss: Some(loss),
        }));
        self.finished = Some(head);
    }

    fn note(&mut self, event: &CoreEvent) {
        match event {
            CoreEvent::Started { .. } => self.clock = RoundClock::start(self.now().0),
            CoreEvent::Phase { phase: "voting", .. } => self.clock.voting_since_ms = Some(self.now().0),
            CoreEvent::Committed { timings, .. } => self.clock.worker(*timings),
            CoreEvent::BelowQuorum { live, need } => {
                let message =
                    format!("{live} voters are here and {need} are needed: no round begins until they return");
                self.events.emit(Event::Warning(Warning { message }));
            }
            CoreEvent::Refused { worker, refusal } => {
                let message = format!("{worker} did not sign round {}: {}", refusal.round, refusal.reason);
                self.events.emit(Event::Warning(Warning { message }));
            }
            other => tracing::debug!(?other, "core"),
        }
    }

    /// Gives the compute thread work whose answer comes back to the loop.
    fn compute(&self, job: impl FnOnce(&mut Desk) -> Done + Send + 'static) -> anyhow::Result<()> {
        Ok(self.compute.submit_to(&self.done, job)?)
    }
}

fn timed<T>(work: impl FnOnce() -> Result<T, Fault>) -> (Result<T, String>, f64) {
    let started = Instant::now();
    let result = work().map_err(|fault| fault.to_string());
    (result, started.elapsed().as_secs_f64() * 1e3)
}
