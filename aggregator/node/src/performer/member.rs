//! The performer around a worker's core.
//!
//! Invariants:
//! - A record is durable before what follows from it is sent; a payload and the snapshot that it was trained from are
//!   on the disk before it is announced.
//! - The first record after the state moved waits until that state is on the disk; then the records of the rounds
//!   before go. The run's last state is on the disk before the aggregator hears of it, since it ends then.
//! - A payload is served and read from here until a round at or after its own is applied; one state is served, the
//!   newest.
//! - One hello is under way at a time.

use std::collections::BTreeSet;

use protocol::member::{MemberAction, MemberEvent, MemberRecord};
use protocol::message::HelloRefusal;
use protocol::{Hash, Head, HelloReply, Member, Round, WorkerId};
use record::events::{Event, Finished, RoundAbandoned, RoundApplied, Warning};

use super::Blob;
use super::gate::Gated;

mod io;

pub use io::{Applied, Effect, Input, Trained};

/// The performer of a worker.
pub struct MemberPerformer<W> {
    core: Member,
    me: WorkerId,
    aggregator: WorkerId,
    outer_steps: u64,
    effects: Gated<Effect<W>>,
    /// Whether the newest state may not be on the disk yet; until it is, the records of its round stay.
    state_unwritten: bool,
    /// The head that a state is being applied or fetched for.
    moving: Option<Head>,
    /// Payloads in the store.
    held: BTreeSet<Hash>,
    /// The state that is served.
    served: Option<Hash>,
    greeting: bool,
}

impl<W> MemberPerformer<W> {
    /// Of a worker whose core was just made; `outer_steps` end the run, and the state named is served already.
    #[must_use]
    pub fn new(core: Member, me: WorkerId, aggregator: WorkerId, outer_steps: u64, served: Option<Hash>) -> Self {
        Self {
            core,
            me,
            aggregator,
            outer_steps,
            effects: Gated::default(),
            state_unwritten: false,
            moving: None,
            held: BTreeSet::new(),
            served,
            greeting: false,
        }
    }

    /// The first effects of a process. The welcome that let it in may be older than the core: what was said in between
    /// is asked for again.
    pub fn start(&mut self) -> Vec<Effect<W>> {
        let actions = self.core.connected();
        self.act(actions);
        self.greet();
        self.effects.take()
    }

    /// Takes an input and returns what to do.
    pub fn handle(&mut self, input: Input<W>) -> Vec<Effect<W>> {
        match input {
            // A restarted aggregator knows nobody until it has been greeted.
            Input::Connected => self.greet(),
            Input::Message(message) => {
                let actions = self.core.message(message);
                self.act(actions);
            }
            Input::Greeted(reply) => self.on_greeted(reply),
            Input::Trained { round, trained } => self.on_trained(round, trained),
            Input::Flushed(ticket) => self.effects.open(ticket),
            Input::Fetched { hash, held } => self.on_fetched(hash, held),
            Input::Verified(verification) => {
                let actions = self.core.verified(&verification);
                self.act(actions);
            }
            Input::VerifyFailed { manifest_hash, why } => {
                self.warn(format!("a proposal could not be verified: {why}"));
                let actions = self.core.verify_failed(manifest_hash, &why);
                self.act(actions);
            }
            Input::Applied { round, applied } => self.on_applied(round, applied),
            Input::Refetched { state_hash, result } => self.on_refetched(state_hash, result),
        }
        self.effects.take()
    }

    /// The core, to look at.
    #[must_use]
    pub fn core(&self) -> &Member {
        &self.core
    }

    fn on_greeted(&mut self, reply: Option<HelloReply>) {
        self.greeting = false;
        match reply {
            Some(HelloReply::Welcome(welcome)) => {
                self.effects.push(Effect::Ledger(welcome.ledger));
                let actions = self.core.connected();
                self.act(actions);
            }
            Some(HelloReply::Refused(HelloRefusal::Finished)) => self.effects.push(Effect::End),
            Some(HelloReply::Refused(refusal)) => self.effects.push(Effect::Refused(refusal)),
            None => self.greet(),
        }
    }

    fn on_trained(&mut self, round: Round, trained: Option<Trained<W>>) {
        let Some(Trained { payload, file, writes }) = trained else { return };
        if !writes.is_empty() {
            self.write(writes);
            self.effects.push_flush(Effect::Flush);
        }
        self.effects.push(Effect::Serve(file));
        self.held.insert(payload.hash);
        let actions = self.core.trained(round, payload);
        self.act(actions);
    }

    fn on_fetched(&mut self, hash: Hash, held: bool) {
        let actions = if held {
            self.held.insert(hash);
            self.core.fetched(hash)
        } else {
            self.core.fetch_failed(hash)
        };
        self.act(actions);
    }

    fn on_applied(&mut self, round: Round, applied: Applied<W>) {
        let Applied { state_hash, state, writes } = applied;
        self.serve_state(state_hash, Some(state));
        let event = RoundApplied { round: round.0, state_hash: state_hash.to_string() };
        self.effects.push(Effect::Tell(Event::RoundApplied(event)));
        self.state_moved(&state_hash, writes);
        let actions = self.core.applied(round, state_hash);
        if self.core.head().is_some_and(|head| head.round >= round) {
            self.let_go();
        }
        self.act(actions);
    }

    fn on_refetched(&mut self, state_hash: Hash, result: Result<Vec<W>, String>) {
        let actions = match result {
            Ok(writes) => {
                self.serve_state(state_hash, None);
                self.state_moved(&state_hash, writes);
                self.core.refetched(state_hash)
            }
            Err(why) => {
                self.warn(format!("the state could not be fetched: {why}"));
                self.core.refetch_failed(state_hash)
            }
        };
        self.act(actions);
    }

    /// The body holds another state: it is handed to the disk, and that of the last round waited for.
    fn state_moved(&mut self, state_hash: &Hash, writes: Vec<W>) {
        self.write(writes);
        self.state_unwritten = true;
        let moved = self.moving.take_if(|head| head.state_hash == *state_hash);
        if moved.is_some_and(|head| head.outer_steps >= self.outer_steps) {
            self.effects.push_flush(Effect::Flush);
        }
    }

    fn write(&mut self, writes: Vec<W>) {
        writes.into_iter().for_each(|write| self.effects.push(Effect::Write(write)));
    }

    fn act(&mut self, actions: Vec<MemberAction>) {
        for action in actions {
            match action {
                MemberAction::Persist(record) => self.persist(record),
                MemberAction::Send(message) => self.effects.push(Effect::Send(message)),
                MemberAction::Train { round, head, codec } => {
                    let others = head.roster.members.iter().filter(|member| member.worker != self.me);
                    self.effects.push(Effect::Meet(others.cloned().collect()));
                    self.effects.push(Effect::Train { round, head, codec });
                }
                MemberAction::Fetch { hash, holders } => self.effects.push(Effect::Fetch { hash, holders }),
                MemberAction::Verify(request) => {
                    let delivered = request.manifest.contributions.iter();
                    let payloads = delivered.filter_map(|entry| entry.payload_hash).collect();
                    self.effects.push(Effect::Verify { request, payloads });
                }
                MemberAction::Apply(request) => {
                    self.moving = Some(request.head.clone());
                    let payloads = request.summands.iter().map(|summand| summand.payload_hash).collect();
                    self.effects.push(Effect::Apply { request, payloads });
                }
                MemberAction::Refetch { head } => {
                    self.moving = Some(head.clone());
                    let holders = self.state_holders(&head);
                    self.effects.push(Effect::Refetch { head, holders });
                }
                MemberAction::Rejoin => self.greet(),
                MemberAction::Done { head } => {
                    let state_hash = head.state_hash.to_string();
                    let finished = Finished { outer_steps: head.outer_steps, state_hash, eval_loss: None };
                    self.effects.push(Effect::Tell(Event::Finished(finished)));
                    self.effects.push(Effect::End);
                }
                MemberAction::Note(event) => self.note(event),
            }
        }
    }

    fn persist(&mut self, record: MemberRecord) {
        if std::mem::take(&mut self.state_unwritten) {
            self.effects.push_flush(Effect::Flush);
            self.effects.push(Effect::Replace(record));
        } else {
            self.effects.push(Effect::Append(record));
        }
    }

    fn state_holders(&self, head: &Head) -> Vec<WorkerId> {
        let members = head.roster.members.iter().map(|member| member.worker).filter(|worker| *worker != self.me);
        std::iter::once(self.aggregator).chain(members).collect()
    }

    /// One state is served, the newest; without bytes it is in the store already.
    fn serve_state(&mut self, hash: Hash, state: Option<Blob>) {
        state.into_iter().for_each(|state| self.effects.push(Effect::Serve(state)));
        if let Some(before) = self.served.replace(hash).filter(|before| *before != hash) {
            self.effects.push(Effect::Forget(before));
        }
    }

    /// Lets go of what belonged to a round that is applied.
    fn let_go(&mut self) {
        std::mem::take(&mut self.held).into_iter().for_each(|hash| self.effects.push(Effect::Forget(hash)));
    }

    fn greet(&mut self) {
        if !std::mem::replace(&mut self.greeting, true) {
            self.effects.push(Effect::Greet);
        }
    }

    fn note(&mut self, event: MemberEvent) {
        match event {
            MemberEvent::Refused { round, reason } => self.warn(format!("not signing round {round}: {reason}")),
            MemberEvent::CommitRefused { round, reason } => {
                self.warn(format!("the commit of round {round} was not taken: {reason}"));
            }
            MemberEvent::Abandoned { round, reason } => {
                let reason = reason.to_string();
                self.effects.push(Effect::Tell(Event::RoundAbandoned(RoundAbandoned { round: round.0, reason })));
            }
            other => tracing::debug!(event = ?other, "core"),
        }
    }

    fn warn(&mut self, message: String) {
        self.effects.push(Effect::Tell(Event::Warning(Warning { message })));
    }
}
