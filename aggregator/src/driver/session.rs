//! The loop: what network, compute thread and clock bring goes into the performer, and its effects are carried out in
//! their order.
//!
//! Invariants: an effect that touches the disk is done when the next begins; none waits for a peer or for the compute
//! thread, whose answers come back as inputs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use network::{Network, NetworkEvent, ReplyHandle};
use node::compute::{ComputeThread, Fault};
use node::outbox::Outbox;
use node::payloads;
use node::performer::leader::{Effect, Input, LeaderPerformer, WelcomeFacts};
use node::performer::{Blob, DONE_MAX, FETCH_DEADLINE};
use protocol::coordinator::{AggregateRequest, CoordinatorConfig, Resume, ScoreRequest};
use protocol::message::DataShard;
use protocol::{CommittedManifest, Coordinator, Hash, Head, Message, Millis, Round, Term, WorkerId};
use record::chained_log::ChainedLog;
use record::events::Events;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::opening::Place;
use super::reporting::Reporting;

/// How often the core is told the time.
const TICK: Duration = Duration::from_millis(100);

/// An answer of work that ran elsewhere, or what stops the process.
type Done = Result<Input, Fault>;

/// Everything that the loop works with.
pub(super) struct Session {
    place: Place,
    performer: LeaderPerformer,
    network: Network,
    compute: ComputeThread<Desk>,
    outbox: Outbox,
    events: Events,
    reporting: Reporting,
    chained_log: ChainedLog,
    started: Instant,
    /// Whom the hello that is being handled is answered through.
    asking: Option<ReplyHandle>,
    done: mpsc::Sender<Done>,
    over: bool,
}

impl Session {
    /// Leads until the last round is committed and delivered, or `shutdown`.
    pub(super) async fn run(
        (place, reporting, resume): (Place, Reporting, (Resume, Vec<Hash>)),
        (network, compute, events): (Network, ComputeThread<Desk>, Events),
        mut inbox: mpsc::Receiver<NetworkEvent>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let (resume, served) = resume;
        let (core, actions) = Coordinator::resume(Millis(0), core_config(&place), resume)?;
        let mut performer = LeaderPerformer::new(core, facts(&place, &reporting)?, served);
        let chained_log = ChainedLog::open(&place.run.audit_log(), &place.run.audit_head(), place.keypair.clone())?;
        reporting.resume(chained_log.head_hash())?;
        let (done, mut answers) = mpsc::channel(DONE_MAX);
        let (outbox, started) = (Outbox::new(network.clone()), Instant::now());
        let first = performer.start(Millis(0), actions);
        let mut session = Self {
            place,
            performer,
            network,
            compute,
            outbox,
            events,
            reporting,
            chained_log,
            started,
            asking: None,
            done,
            over: false,
        };
        session.carry_out(first)?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while !session.over {
            let input = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Some(event) = inbox.recv() => session.heard(event)?,
                Some(done) = answers.recv() => Some(done?),
                _ = tick.tick() => Some(Input::Tick),
                else => return Ok(()),
            };
            if let Some(input) = input {
                let effects = session.performer.handle(session.now(), input);
                session.carry_out(effects)?;
            }
        }
        session.reporting.finish(session.chained_log.head_hash()).await
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn heard(&mut self, event: NetworkEvent) -> anyhow::Result<Option<Input>> {
        Ok(match event {
            NetworkEvent::Message { from, message } => match *message {
                Message::Offers(offers) => {
                    self.reporting.offered(from, offers)?;
                    None
                }
                message => Some(Input::Message { from, message }),
            },
            NetworkEvent::Hello { from, hello, reply } => {
                self.asking = Some(reply);
                Some(Input::Hello { from, hello: *hello })
            }
            NetworkEvent::Connected(worker) => Some(Input::Connected(worker)),
            NetworkEvent::Disconnected(worker) => Some(Input::Disconnected(worker)),
            NetworkEvent::Listening(_) => None,
        })
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> anyhow::Result<()> {
        for effect in effects {
            match effect {
                Effect::Append(record) => self.place.journal.persist(&record)?,
                Effect::Store { round, payload } => drop(self.place.run.store_payload(round, &payload)?),
                Effect::Close(committed) => self.place.journal.commit(&committed)?,
                Effect::Discard(round) => self.place.journal.discard(round)?,
                Effect::Line(record) => self.place.rounds_log.append(&record)?,
                Effect::ChainRound(record) => drop(self.chained_log.append("round", &record)?),
                Effect::ChainAbandoned(abandoned) => drop(self.chained_log.append("abandoned", &abandoned)?),
                Effect::Settle(record) => self.reporting.committed(&record, self.chained_log.head_hash())?,
                Effect::Send { to, message } => self.outbox.send(to, message),
                Effect::Admit(worker) => self.network.admit(worker),
                // Without a handle there is nobody to answer: the worker says hello again.
                Effect::Reply { reply, .. } => {
                    self.asking.take().into_iter().for_each(|asking| asking.send(reply.clone()))
                }
                Effect::Fetch { round, worker, hash, bytes } => self.fetch(round, worker, hash, bytes),
                Effect::Score(request) => self.score(request)?,
                Effect::Aggregate(request) => self.aggregate(request)?,
                Effect::Commit { committed, head } => self.commit(committed, head)?,
                // Nobody waits for the answer: a round that follows uses its own.
                Effect::Drop => drop(self.compute.submit(Desk::abandon)?),
                Effect::Finish { head } => self.finish(head)?,
                Effect::Serve(blob) => drop(self.network.blobs().insert(blob)?),
                Effect::Forget(hash) => drop(self.network.blobs().remove(&hash)),
                Effect::Tell(event) => self.events.emit(event),
                Effect::End => self.over = true,
            }
        }
        Ok(())
    }

    /// Fetches a payload from its owner; one that lies on the disk already is taken from there.
    fn fetch(&mut self, round: Round, worker: WorkerId, hash: Hash, bytes: u64) {
        let (network, done, run) = (self.network.clone(), self.done.clone(), self.place.run.clone());
        let limit = payloads::bytes_max(self.place.genesis.elements as usize);
        tokio::spawn(async move {
            let bytes: Result<Blob, String> = if bytes > limit {
                Err(format!("{bytes} bytes are more than any payload of this model has"))
            } else if let Ok(stored) = run.load_payload(round, &hash, limit) {
                let stored = Arc::new(stored);
                network.blobs().insert(stored.clone()).map(|_| stored).map_err(|error| error.to_string())
            } else {
                let fetched = network.fetch_blob(hash, limit, &[worker], network.blobs(), FETCH_DEADLINE).await;
                fetched.map(|fetched| fetched.bytes).map_err(|error| error.to_string())
            };
            // The loop ends before its tasks only when the process does.
            let _ = done.send(Ok(Input::Fetched { round, worker, hash, bytes })).await;
        });
    }

    fn score(&mut self, request: ScoreRequest) -> anyhow::Result<()> {
        let round = request.round;
        self.compute(move |desk| {
            let (scored, took_ms) = timed(|| desk.score(&request));
            Ok(Input::Scored { round, scored, took_ms })
        })
    }

    fn aggregate(&mut self, request: AggregateRequest) -> anyhow::Result<()> {
        let round = request.round;
        self.compute(move |desk| {
            let (hash, took_ms) = timed(|| desk.aggregate(&request));
            Ok(Input::Aggregated { round, hash, took_ms })
        })
    }

    fn commit(&mut self, committed: CommittedManifest, head: Head) -> anyhow::Result<()> {
        self.compute(move |desk| {
            let applied = desk.commit(&committed, &head)?;
            Ok(Input::Committed { head, committed, applied })
        })
    }

    fn finish(&mut self, head: Head) -> anyhow::Result<()> {
        self.compute(move |desk| {
            let finished = desk.finish(&head)?;
            Ok(Input::Finished { head, finished })
        })
    }

    /// Gives the compute thread work whose answer comes back to the loop.
    fn compute(&self, job: impl FnOnce(&mut Desk) -> Done + Send + 'static) -> anyhow::Result<()> {
        Ok(self.compute.submit_to(&self.done, job)?)
    }
}

fn core_config(place: &Place) -> CoordinatorConfig {
    CoordinatorConfig {
        session: place.genesis.session,
        term: Term::FIRST,
        keypair: place.keypair.clone(),
        parameters: place.parameters.clone(),
        genesis_state: place.genesis.state_hash,
        elements: place.genesis.elements,
    }
}

fn facts(place: &Place, reporting: &Reporting) -> anyhow::Result<WelcomeFacts> {
    let shards = place.genesis.data_shards.iter();
    Ok(WelcomeFacts {
        session: place.genesis.session,
        network: place.genesis.network,
        token: place.token.to_vec(),
        job: place.job.to_toml()?,
        genesis_state: place.genesis.state_hash,
        data_shards: shards.map(|shard| DataShard { hash: shard.hash, bytes: shard.bytes }).collect(),
        ledger: reporting.conditions(),
    })
}

fn timed<T>(work: impl FnOnce() -> Result<T, Fault>) -> (Result<T, String>, f64) {
    let started = Instant::now();
    let result = work().map_err(|fault| fault.to_string());
    (result, started.elapsed().as_secs_f64() * 1e3)
}
