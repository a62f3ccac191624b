//! The loop: what the network and the compute thread bring goes into the core, and its actions are carried out in their
//! order.
//!
//! Invariants: records are durable before anything that follows them is sent; no action waits for a peer or for the
//! compute thread, whose answers come back as [`Done`]; at most one training is under way, and a newer one ends it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use disk::RecordLog;
use network::{Network, NetworkEvent};
use node::compute::{ComputeThread, Fault};
use node::learner::{Applied, Learner, Trained, Write};
use node::learning::Progress;
use node::outbox::Outbox;
use node::payloads::Payloads;
use protocol::member::{ApplyRequest, MemberAction, MemberEvent, MemberRecord, Verification, VerifyRequest};
use protocol::message::{HelloRefusal, LedgerConditions};
use protocol::{Hash, Head, Hello, HelloReply, Member, Message, Round, WorkerId};
use record::events::{Event, Events, Finished, Inner, RoundAbandoned, RoundApplied, Warning};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Machine;
use super::offers::{OFFER_EVERY, Offers};
use super::starting::Started;
use super::writer::Writer;

/// Finished work that may wait for the loop.
const DONE_MAX: usize = 1024;
/// The longest fetch of one payload or state.
const FETCH_DEADLINE: Duration = Duration::from_secs(600);
/// The longest wait for the last words to be delivered.
const FAREWELL: Duration = Duration::from_secs(5);
/// The wait before a hello is said again after a failed one.
const HELLO_RETRY: Duration = Duration::from_millis(500);

/// An answer of work that ran elsewhere.
enum Done {
    Trained { round: Round, trained: Result<Option<Trained>, Fault> },
    Fetched { hash: Hash, bytes: Result<Arc<Vec<u8>>, String> },
    Verified { manifest_hash: Hash, verification: Result<Verification, Fault> },
    Applied { round: Round, outer_steps: u64, applied: Result<Applied, Fault> },
    Refetched { state_hash: Hash, outer_steps: u64, result: Result<Vec<Write>, String> },
    Greeted(Option<HelloReply>),
}

/// Everything that the loop works with.
pub(super) struct Session {
    core: Member,
    records: RecordLog,
    writer: Writer,
    /// Outer steps of the run: the last state is on the disk before the aggregator is told of it.
    outer_steps: u64,
    /// Whether the newest state may not be on the disk yet; until it is, the records of its round stay.
    keeping: bool,
    aggregator: WorkerId,
    hello: Hello,
    network: Network,
    compute: ComputeThread<Learner>,
    outbox: Outbox,
    events: Events,
    /// The longest payload that is fetched, in bytes.
    limit: u64,
    held: BTreeSet<Hash>,
    /// The state blob that is served, replaced with every round.
    served: Option<Hash>,
    training: CancellationToken,
    done: mpsc::Sender<Done>,
    answers: Option<mpsc::Receiver<Done>>,
    greeting: bool,
    finished: bool,
    /// What is signed for the ledger, and for which; none where the session reports to none.
    offers: Option<Offers>,
    ledger: Option<LedgerConditions>,
}

impl Session {
    pub(super) fn new(machine: &Machine, hello: Hello, started: Started) -> std::io::Result<Self> {
        let Started { member: core, learner, records, writer, limit, .. } = started;
        let outer_steps = learner.facts().parameters.rounds;
        let compute = ComputeThread::spawn("compute", learner)?;
        let (done, answers) = mpsc::channel(DONE_MAX);
        let network = machine.network.clone();
        Ok(Self {
            core,
            records,
            writer,
            outer_steps,
            keeping: false,
            aggregator: machine.config.invite.aggregator,
            hello,
            outbox: Outbox::new(network.clone()),
            network,
            compute,
            events: machine.events.clone(),
            limit,
            held: BTreeSet::new(),
            served: None,
            training: CancellationToken::new(),
            done,
            answers: Some(answers),
            greeting: false,
            finished: false,
            offers: None,
            ledger: None,
        })
    }

    /// Signs for the ledger that the welcome named.
    pub(super) fn with_ledger(self, offers: Offers, ledger: Option<LedgerConditions>) -> Self {
        Self { offers: Some(offers), ledger, ..self }
    }

    /// Runs until the run is over, or `shutdown`.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<NetworkEvent>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let Some(mut answers) = self.answers.take() else { return Ok(()) };
        let first = self.core.connected();
        self.act(first).await?;
        // The welcome that let us in may be older than the core: what was said in between is asked for again.
        self.greet();
        let mut offer = tokio::time::interval(OFFER_EVERY);
        offer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while !self.finished {
            let actions = tokio::select! {
                () = shutdown.cancelled() => {
                    self.training.cancel();
                    return Ok(());
                }
                Some(event) = inbox.recv() => self.on_network(event),
                Some(done) = answers.recv() => self.on_done(done).await?,
                _ = offer.tick() => {
                    self.offer()?;
                    Vec::new()
                }
                else => return Ok(()),
            };
            self.act(actions).await?;
        }
        self.training.cancel();
        // The aggregator waits for the word that this worker has the last state.
        self.outbox.flush(FAREWELL).await;
        Ok(self.writer.written().await?)
    }

    fn on_network(&mut self, event: NetworkEvent) -> Vec<MemberAction> {
        match event {
            NetworkEvent::Message { from, message } if from == self.aggregator => self.core.message(*message),
            // A restarted aggregator knows nobody until it has been greeted.
            NetworkEvent::Connected(peer) if peer == self.aggregator => {
                self.greet();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    async fn on_done(&mut self, done: Done) -> anyhow::Result<Vec<MemberAction>> {
        Ok(match done {
            Done::Trained { round, trained } => match trained? {
                Some(Trained { payload, file, writes }) => {
                    self.writer.write(writes)?;
                    self.writer.written().await?;
                    self.held.insert(self.network.blobs().insert(file)?);
                    self.core.trained(round, payload)
                }
                None => Vec::new(),
            },
            Done::Fetched { hash, bytes: Ok(_) } => {
                self.held.insert(hash);
                self.core.fetched(hash)
            }
            Done::Fetched { hash, bytes: Err(why) } => {
                tracing::warn!(%hash, why, "a payload could not be fetched");
                self.core.fetch_failed(hash)
            }
            Done::Verified { verification: Ok(verification), .. } => self.core.verified(&verification),
            Done::Verified { manifest_hash, verification: Err(fault) } => {
                let why = fault.to_string();
                self.warn(format!("a proposal could not be verified: {why}"));
                self.core.verify_failed(manifest_hash, &why)
            }
            Done::Applied { round, outer_steps, applied } => {
                let Applied { state_hash, state, writes } = applied?;
                self.keep(writes, outer_steps).await?;
                self.serve(state)?;
                self.events
                    .emit(Event::RoundApplied(RoundApplied { round: round.0, state_hash: state_hash.to_string() }));
                let actions = self.core.applied(round, state_hash);
                self.tidy(round);
                actions
            }
            Done::Refetched { state_hash, outer_steps, result: Ok(writes) } => {
                self.keep(writes, outer_steps).await?;
                self.core.refetched(state_hash)
            }
            Done::Refetched { state_hash, result: Err(why), .. } => {
                self.warn(format!("the state could not be fetched: {why}"));
                self.core.refetch_failed(state_hash)
            }
            Done::Greeted(reply) => {
                self.greeting = false;
                self.on_greeted(reply)?
            }
        })
    }

    /// Has the newest state written, and waits for the last one: the aggregator ends once everybody holds it.
    async fn keep(&mut self, writes: Vec<Write>, outer_steps: u64) -> anyhow::Result<()> {
        self.keeping = true;
        self.writer.write(writes)?;
        if outer_steps >= self.outer_steps { Ok(self.writer.written().await?) } else { Ok(()) }
    }

    fn on_greeted(&mut self, reply: Option<HelloReply>) -> anyhow::Result<Vec<MemberAction>> {
        match reply {
            Some(HelloReply::Welcome(welcome)) => {
                self.ledger = welcome.ledger;
                self.offer()?;
                Ok(self.core.connected())
            }
            Some(HelloReply::Refused(HelloRefusal::Finished)) => {
                self.finished = true;
                Ok(Vec::new())
            }
            Some(HelloReply::Refused(refusal)) => anyhow::bail!("the aggregator refused this worker: {refusal}"),
            None => {
                self.greet();
                Ok(Vec::new())
            }
        }
    }

    /// Sends what the aggregator may submit to the ledger for this worker.
    fn offer(&mut self) -> anyhow::Result<()> {
        if let (Some(offers), Some(ledger)) = (&self.offers, self.ledger) {
            self.outbox.send(self.aggregator, Message::Offers(offers.sign(ledger)?));
        }
        Ok(())
    }

    async fn act(&mut self, actions: Vec<MemberAction>) -> anyhow::Result<()> {
        for action in actions {
            match action {
                MemberAction::Persist(record) => self.persist(&record).await?,
                MemberAction::Send(message) => self.outbox.send(self.aggregator, message),
                MemberAction::Train { round, head, codec } => self.train(round, head, codec).await?,
                MemberAction::Fetch { hash, holders, .. } => self.fetch(hash, holders),
                MemberAction::Verify(request) => self.verify(request)?,
                // The payload waits for the next round: it is the same work from the same state.
                MemberAction::Settle { .. } => {}
                MemberAction::Rejoin => self.greet(),
                MemberAction::Apply(request) => self.apply(request)?,
                MemberAction::Refetch { head } => self.refetch(head),
                MemberAction::Done { head } => self.end(&head),
                MemberAction::Note(event) => self.note(event),
            }
        }
        Ok(())
    }

    /// Makes a promise durable. The first one after the state moved waits until that is on the disk; then the records of
    /// the rounds before may go.
    async fn persist(&mut self, record: &MemberRecord) -> anyhow::Result<()> {
        if std::mem::take(&mut self.keeping) {
            self.writer.written().await?;
            return Ok(self.records.replace(std::slice::from_ref(record))?);
        }
        Ok(self.records.append(record)?)
    }

    async fn train(&mut self, round: Round, head: Head, codec: String) -> anyhow::Result<()> {
        self.meet(&head).await;
        self.training.cancel();
        self.training = CancellationToken::new();
        let (stop, events) = (self.training.clone(), self.events.clone());
        let job = move |learner: &mut Learner| {
            let mut report = |progress: Progress| events.emit(Event::Inner(inner_event(round, progress)));
            learner.train(round, &head, &codec, &stop, &mut report)
        };
        Ok(self.compute.submit_with(&self.done, job, move |trained| Done::Trained { round, trained })?)
    }

    /// Lets the other members fetch from here, and makes known where they are.
    async fn meet(&self, head: &Head) {
        for member in head.roster.members.iter().filter(|member| member.worker != self.network.worker()) {
            self.network.admit(member.worker);
            if let Err(error) = self.network.add_addresses(member.worker, &member.addresses).await {
                tracing::debug!(worker = %member.worker, %error, "a member's addresses are of no use");
            }
        }
    }

    fn fetch(&mut self, hash: Hash, holders: Vec<WorkerId>) {
        let (network, done, limit) = (self.network.clone(), self.done.clone(), self.limit);
        tokio::spawn(async move {
            let fetched = network.fetch_blob(hash, limit, &holders, network.blobs(), FETCH_DEADLINE).await;
            let bytes = fetched.map(|fetched| fetched.bytes).map_err(|error| error.to_string());
            // The loop ends before its tasks only when the process does.
            let _ = done.send(Done::Fetched { hash, bytes }).await;
        });
    }

    fn verify(&mut self, request: VerifyRequest) -> anyhow::Result<()> {
        let hashes = request.manifest.contributions.iter().filter_map(|entry| entry.payload_hash);
        let payloads = self.payloads(hashes);
        let manifest_hash = request.manifest_hash;
        let job = move |learner: &mut Learner| learner.verify(&request, &payloads);
        let done = move |verification| Done::Verified { manifest_hash, verification };
        Ok(self.compute.submit_with(&self.done, job, done)?)
    }

    fn apply(&mut self, request: ApplyRequest) -> anyhow::Result<()> {
        let payloads = self.payloads(request.summands.iter().map(|summand| summand.payload_hash));
        let (round, outer_steps) = (request.committed.manifest.body.round, request.head.outer_steps);
        let job = move |learner: &mut Learner| learner.apply(&request, &payloads);
        let done = move |applied| Done::Applied { round, outer_steps, applied };
        Ok(self.compute.submit_with(&self.done, job, done)?)
    }

    fn refetch(&mut self, head: Head) {
        let (network, done, compute) = (self.network.clone(), self.done.clone(), self.compute.clone());
        let mut holders = vec![self.aggregator];
        holders.extend(
            head.roster.members.iter().map(|member| member.worker).filter(|worker| *worker != network.worker()),
        );
        let (state_hash, outer_steps) = (head.state_hash, head.outer_steps);
        // A state is at most what this machine could hold anyway; the learner checks its exact size.
        let limit = protocol::limits::PIECE_BYTES as u64 * protocol::limits::PIECES_MAX as u64;
        tokio::spawn(async move {
            let fetched = network.fetch_blob(state_hash, limit, &holders, network.blobs(), FETCH_DEADLINE).await;
            let result = match fetched {
                Ok(fetched) => {
                    let replaced = compute.run(move |learner| learner.replace(&head, fetched.bytes)).await;
                    replaced.map_err(Fault::from).and_then(|result| result).map_err(|fault| fault.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            let _ = done.send(Done::Refetched { state_hash, outer_steps, result }).await;
        });
    }

    fn end(&mut self, head: &Head) {
        let state_hash = head.state_hash.to_string();
        self.events.emit(Event::Finished(Finished { outer_steps: head.outer_steps, state_hash, eval_loss: None }));
        self.finished = true;
    }

    fn note(&mut self, event: MemberEvent) {
        match event {
            MemberEvent::Refused { round, reason } => self.warn(format!("not signing round {round}: {reason}")),
            MemberEvent::CommitRefused { round, reason } => {
                self.warn(format!("the commit of round {round} was not taken: {reason}"));
            }
            MemberEvent::Abandoned { round, reason } => {
                let reason = reason.to_string();
                self.events.emit(Event::RoundAbandoned(RoundAbandoned { round: round.0, reason }));
            }
            other => tracing::debug!(event = ?other, "core"),
        }
    }

    fn warn(&self, message: String) {
        self.events.emit(Event::Warning(Warning { message }));
    }

    /// Says hello, once at a time.
    fn greet(&mut self) {
        if std::mem::replace(&mut self.greeting, true) {
            return;
        }
        let (network, done, hello, aggregator) =
            (self.network.clone(), self.done.clone(), self.hello.clone(), self.aggregator);
        tokio::spawn(async move {
            let reply = network.hello(aggregator, &hello).await.ok();
            if reply.is_none() {
                tokio::time::sleep(HELLO_RETRY).await;
            }
            let _ = done.send(Done::Greeted(reply)).await;
        });
    }

    /// The payloads among `hashes` that are held.
    fn payloads(&self, hashes: impl Iterator<Item = Hash>) -> Payloads {
        let read = |hash: Hash| self.network.blobs().read(&hash).ok().flatten().map(|bytes| (hash, bytes));
        hashes.filter_map(read).collect()
    }

    /// Offers the new state to joiners.
    fn serve(&mut self, bytes: Arc<Vec<u8>>) -> anyhow::Result<()> {
        let hash = self.network.blobs().insert(bytes)?;
        if let Some(before) = self.served.replace(hash).filter(|before| *before != hash) {
            self.network.blobs().remove(&before);
        }
        Ok(())
    }

    /// Lets go of what belonged to a round that is applied.
    fn tidy(&mut self, round: Round) {
        if self.core.head().is_some_and(|head| head.round >= round) {
            for hash in std::mem::take(&mut self.held) {
                self.network.blobs().remove(&hash);
            }
        }
    }
}

fn inner_event(round: Round, progress: Progress) -> Inner {
    let Progress { step, steps, loss, tokens_per_s } = progress;
    Inner { round: round.0, step, steps, loss, tokens_per_s }
}
