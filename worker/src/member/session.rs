//! The loop: what network and compute thread bring goes into the performer, and its effects are carried out in their
//! order.
//!
//! Invariants: an effect that touches the records is done when the next begins; none waits for a peer, for the compute
//! thread or for the thread that writes files, whose answers come back as inputs; at most one training is under way,
//! and a newer one ends it.

use std::time::Duration;

use disk::RecordLog;
use network::{Network, NetworkEvent};
use node::compute::{ComputeThread, Fault};
use node::learner::{Learner, Write};
use node::learning::Progress;
use node::outbox::Outbox;
use node::payloads::Payloads;
use node::performer::member::{Effect, Input, MemberPerformer};
use node::performer::{DONE_MAX, FETCH_DEADLINE};
use protocol::member::{ApplyRequest, VerifyRequest};
use protocol::message::LedgerConditions;
use protocol::roster::RosterMember;
use protocol::{Hash, Head, Hello, Message, Round, WorkerId};
use record::events::{Event, Events, Inner};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Machine;
use super::offers::{OFFER_EVERY, Offers};
use super::starting::Started;
use super::writer::Writer;

/// The longest wait for the last words to be delivered.
const FAREWELL: Duration = Duration::from_secs(5);
/// The wait before a hello is said again after a failed one.
const HELLO_RETRY: Duration = Duration::from_millis(500);

/// An answer of work that ran elsewhere, or what stops the process.
type Done = Result<Input<Write>, Fault>;

/// Everything that the loop works with.
pub(super) struct Session {
    performer: MemberPerformer<Write>,
    records: RecordLog,
    writer: Writer,
    aggregator: WorkerId,
    hello: Hello,
    network: Network,
    compute: ComputeThread<Learner>,
    outbox: Outbox,
    events: Events,
    /// The longest payload that is fetched, in bytes.
    limit: u64,
    training: CancellationToken,
    done: mpsc::Sender<Done>,
    answers: mpsc::Receiver<Done>,
    over: bool,
    /// What is signed for the ledger, and for which; none where the session reports to none.
    offers: Offers,
    ledger: Option<LedgerConditions>,
}

impl Session {
    /// Around what was just put together.
    pub(super) fn new(machine: &Machine, hello: Hello, started: Started, offers: Offers) -> anyhow::Result<Self> {
        let Started { member, learner, records, writer, limit, ledger, .. } = started;
        let (network, aggregator) = (machine.network.clone(), machine.config.invite.aggregator);
        let outer_steps = learner.facts().parameters.outer_steps;
        let served = Some(learner.state().hash());
        let (done, answers) = mpsc::channel(DONE_MAX);
        Ok(Self {
            performer: MemberPerformer::new(member, network.worker(), aggregator, outer_steps, served),
            records,
            writer,
            aggregator,
            hello,
            outbox: Outbox::new(network.clone()),
            network,
            compute: ComputeThread::spawn("compute", learner)?,
            events: machine.events.clone(),
            limit,
            training: CancellationToken::new(),
            done,
            answers,
            over: false,
            offers,
            ledger,
        })
    }

    /// Runs until the run is over, or `shutdown`.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<NetworkEvent>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let first = self.performer.start();
        self.carry_out(first).await?;
        let mut offer = tokio::time::interval(OFFER_EVERY);
        offer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while !self.over {
            let input = tokio::select! {
                () = shutdown.cancelled() => {
                    self.training.cancel();
                    return Ok(());
                }
                Some(event) = inbox.recv() => self.heard(event),
                Some(done) = self.answers.recv() => Some(done?),
                _ = offer.tick() => {
                    self.offer()?;
                    None
                }
                else => return Ok(()),
            };
            if let Some(input) = input {
                let effects = self.performer.handle(input);
                self.carry_out(effects).await?;
            }
        }
        self.training.cancel();
        // The aggregator waits for the word that this worker has the last state.
        self.outbox.flush(FAREWELL).await;
        Ok(self.writer.written().await?)
    }

    fn heard(&self, event: NetworkEvent) -> Option<Input<Write>> {
        match event {
            NetworkEvent::Message { from, message } if from == self.aggregator => Some(Input::Message(*message)),
            NetworkEvent::Connected(peer) if peer == self.aggregator => Some(Input::Connected),
            _ => None,
        }
    }

    async fn carry_out(&mut self, effects: Vec<Effect<Write>>) -> anyhow::Result<()> {
        for effect in effects {
            match effect {
                Effect::Append(record) => self.records.append(&record)?,
                Effect::Replace(record) => self.records.replace(std::slice::from_ref(&record))?,
                Effect::Write(write) => self.writer.write(vec![write])?,
                Effect::Flush(ticket) => {
                    let writer = self.writer.clone();
                    self.spawn(async move { writer.written().await.map(|()| Input::Flushed(ticket)) });
                }
                Effect::Send(message) => self.outbox.send(self.aggregator, message),
                Effect::Greet => self.greet(),
                Effect::Meet(members) => self.meet(&members).await,
                Effect::Ledger(ledger) => {
                    self.ledger = ledger;
                    self.offer()?;
                }
                Effect::Train { round, head, codec } => self.train(round, head, codec)?,
                Effect::Fetch { hash, holders } => self.fetch(hash, holders),
                Effect::Verify { request, payloads } => self.verify(request, &payloads)?,
                Effect::Apply { request, payloads } => self.apply(request, &payloads)?,
                Effect::Refetch { head, holders } => self.refetch(head, holders),
                Effect::Serve(blob) => drop(self.network.blobs().insert(blob)?),
                Effect::Forget(hash) => drop(self.network.blobs().remove(&hash)),
                Effect::Tell(event) => self.events.emit(event),
                Effect::Refused(refusal) => anyhow::bail!("the aggregator refused this worker: {refusal}"),
                Effect::End => self.over = true,
            }
        }
        Ok(())
    }

    /// Sends what the aggregator may submit to the ledger for this worker.
    fn offer(&mut self) -> anyhow::Result<()> {
        if let Some(ledger) = self.ledger {
            self.outbox.send(self.aggregator, Message::Offers(self.offers.sign(ledger)?));
        }
        Ok(())
    }

    /// Says hello; a failed one is told after a while, so that the next does not follow at once.
    fn greet(&mut self) {
        let (network, hello, aggregator) = (self.network.clone(), self.hello.clone(), self.aggregator);
        self.spawn(async move {
            let reply = network.hello(aggregator, &hello).await.ok();
            if reply.is_none() {
                tokio::time::sleep(HELLO_RETRY).await;
            }
            Ok(Input::Greeted(reply))
        });
    }

    /// Lets the other members fetch from here, and makes known where they are.
    async fn meet(&self, members: &[RosterMember]) {
        for member in members {
            self.network.admit(member.worker);
            if let Err(error) = self.network.add_addresses(member.worker, &member.addresses).await {
                tracing::debug!(worker = %member.worker, %error, "a member's addresses are of no use");
            }
        }
    }

    fn train(&mut self, round: Round, head: Head, codec: String) -> anyhow::Result<()> {
        self.training.cancel();
        self.training = CancellationToken::new();
        let (stop, events) = (self.training.clone(), self.events.clone());
        self.compute(move |learner| {
            let mut report = |progress: Progress| events.emit(Event::Inner(inner_event(round, progress)));
            let trained = learner.train(round, &head, &codec, &stop, &mut report)?;
            Ok(Input::Trained { round, trained })
        })
    }

    fn fetch(&mut self, hash: Hash, holders: Vec<WorkerId>) {
        let (network, limit) = (self.network.clone(), self.limit);
        self.spawn(async move {
            let fetched = network.fetch_blob(hash, limit, &holders, network.blobs(), FETCH_DEADLINE).await;
            if let Err(error) = &fetched {
                tracing::warn!(%hash, %error, "a payload could not be fetched");
            }
            Ok(Input::Fetched { hash, held: fetched.is_ok() })
        });
    }

    fn verify(&mut self, request: VerifyRequest, payloads: &[Hash]) -> anyhow::Result<()> {
        let payloads = self.payloads(payloads);
        self.compute(move |learner| {
            Ok(match learner.verify(&request, &payloads) {
                Ok(verification) => Input::Verified(verification),
                Err(fault) => Input::VerifyFailed { manifest_hash: request.manifest_hash, why: fault.to_string() },
            })
        })
    }

    /// What is being trained from the state before is of no more use.
    fn apply(&mut self, request: ApplyRequest, payloads: &[Hash]) -> anyhow::Result<()> {
        self.training.cancel();
        let payloads = self.payloads(payloads);
        self.compute(move |learner| {
            let applied = learner.apply(&request, &payloads)?;
            Ok(Input::Applied { round: request.committed.manifest.body.round, applied })
        })
    }

    fn refetch(&mut self, head: Head, holders: Vec<WorkerId>) {
        self.training.cancel();
        let (network, compute, state_hash) = (self.network.clone(), self.compute.clone(), head.state_hash);
        // A state is at most what this machine could hold anyway; the learner checks its exact size.
        let limit = protocol::limits::PIECE_BYTES as u64 * protocol::limits::PIECES_MAX as u64;
        self.spawn(async move {
            let fetched = network.fetch_blob(state_hash, limit, &holders, network.blobs(), FETCH_DEADLINE).await;
            let result = match fetched {
                Ok(fetched) => match compute.run(move |learner| learner.replace(&head, fetched.bytes)).await {
                    Ok(replaced) => replaced.map_err(|fault| fault.to_string()),
                    Err(error) => Err(error.to_string()),
                },
                Err(error) => Err(error.to_string()),
            };
            Ok(Input::Refetched { state_hash, result })
        });
    }

    /// The payloads among `hashes` that are held.
    fn payloads(&self, hashes: &[Hash]) -> Payloads {
        let read = |hash: &Hash| self.network.blobs().read(hash).ok().flatten().map(|bytes| (*hash, bytes));
        hashes.iter().filter_map(read).collect()
    }

    /// Starts work whose answer comes back to the loop.
    fn spawn(&self, work: impl Future<Output = Done> + Send + 'static) {
        let done = self.done.clone();
        tokio::spawn(async move {
            // The loop ends before its tasks only when the process does.
            let _ = done.send(work.await).await;
        });
    }

    /// Gives the compute thread work whose answer comes back to the loop.
    fn compute(&self, job: impl FnOnce(&mut Learner) -> Done + Send + 'static) -> anyhow::Result<()> {
        Ok(self.compute.submit_to(&self.done, job)?)
    }
}

fn inner_event(round: Round, progress: Progress) -> Inner {
    let Progress { step, steps, loss, tokens_per_s } = progress;
    Inner { round: round.0, step, steps, loss, tokens_per_s }
}
