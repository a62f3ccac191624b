//! The performer around the aggregator's core.
//!
//! Invariants:
//! - A record is durable before what follows from it is sent, and a payload on the disk before it counts as stored.
//! - The manifest of a committed round is in its directory before the records that led to it go; its line, its entry in
//!   the chained log and its settlement follow in that order, once its state is computed.
//! - Payloads and states are served until [`ROUNDS_SERVED`] further rounds are committed, for members that lag behind.
//! - Whoever is welcome is present from then on; a peer that was not admitted is not heard.

use std::collections::{BTreeMap, VecDeque};

use protocol::coordinator::{Action, Event as CoreEvent, JoinRefusal, Phase};
use protocol::message::{HelloRefusal, Welcome};
use protocol::roster::Join;
use protocol::{
    CommittedManifest, Coordinator, Hash, Head, Hello, HelloReply, Millis, PROTOCOL_VERSION, Round, Term, WorkerId,
};
use record::RoundRecord;
use record::events::{CheckpointWritten, Event, Finished, Joined, Left, RoundAbandoned, Warning};

use super::Blob;
use super::clock::RoundClock;

mod io;

pub use io::{Applied, Effect, Ending, Input, WelcomeFacts};

/// Rounds whose payloads stay available to members that lag behind, also after a restart: the last committed one and
/// the open one.
pub const ROUNDS_SERVED: usize = 2;

/// The performer of an aggregator.
pub struct LeaderPerformer {
    core: Coordinator,
    facts: WelcomeFacts,
    effects: Vec<Effect>,
    /// Admitted workers and their numbers.
    ordinals: BTreeMap<WorkerId, u32>,
    clock: RoundClock,
    /// Clocks of committed rounds whose line is still to be written.
    ended: VecDeque<RoundClock>,
    /// Blobs of the last rounds, dropped in their turn.
    served: VecDeque<Vec<Hash>>,
    open_blobs: Vec<Hash>,
}

impl LeaderPerformer {
    /// Around a core that was just made; the blobs named are served already.
    #[must_use]
    pub fn new(core: Coordinator, facts: WelcomeFacts, open_blobs: Vec<Hash>) -> Self {
        Self {
            core,
            facts,
            effects: Vec::new(),
            ordinals: BTreeMap::new(),
            clock: RoundClock::default(),
            ended: VecDeque::new(),
            served: VecDeque::new(),
            open_blobs,
        }
    }

    /// The first effects of a process: `actions` came with the core.
    pub fn start(&mut self, now: Millis, actions: Vec<Action>) -> Vec<Effect> {
        self.act(now, actions);
        std::mem::take(&mut self.effects)
    }

    /// Takes an input and returns what to do.
    pub fn handle(&mut self, now: Millis, input: Input) -> Vec<Effect> {
        let actions = match input {
            Input::Hello { from, hello } => self.on_hello(now, from, hello),
            Input::Connected(worker) => self.on_connected(now, worker),
            Input::Disconnected(worker) => self.on_disconnected(now, worker),
            Input::Message { from, message } => self.core.message(now, from, message),
            Input::Fetched { round, worker, hash, bytes } => self.on_fetched(now, round, worker, hash, bytes),
            Input::Scored { round, scored, took_ms } => match scored {
                Ok(scored) => {
                    self.clock.score_ms = took_ms;
                    self.core.scored(now, scored)
                }
                Err(why) => self.on_failed(now, round, &why),
            },
            Input::Aggregated { round, hash, took_ms } => match hash {
                Ok(hash) => {
                    self.clock.apply_ms = took_ms;
                    self.core.aggregated(now, round, hash)
                }
                Err(why) => self.on_failed(now, round, &why),
            },
            Input::Committed { head, committed, applied } => self.on_committed(&head, &committed, applied),
            Input::Finished { head, finished } => self.on_finished(&head, finished),
            Input::Tick => self.core.tick(now),
        };
        self.act(now, actions);
        std::mem::take(&mut self.effects)
    }

    /// The core, to look at.
    #[must_use]
    pub fn core(&self) -> &Coordinator {
        &self.core
    }

    /// Answers a hello; whoever is welcome is present from here on.
    fn on_hello(&mut self, now: Millis, from: WorkerId, hello: Hello) -> Vec<Action> {
        match self.admit(now, from, hello) {
            Ok(mut actions) => {
                self.effects.push(Effect::Admit(from));
                let reply = HelloReply::Welcome(Box::new(self.welcome(from)));
                self.effects.push(Effect::Reply { to: from, reply });
                let joined = Joined { worker: from.to_string(), members: self.ordinals.len() };
                self.effects.push(Effect::Tell(Event::Joined(joined)));
                actions.extend(self.core.connected(now, from));
                actions
            }
            Err(refusal) => {
                tracing::info!(%from, %refusal, "a worker was refused");
                self.effects.push(Effect::Reply { to: from, reply: HelloReply::Refused(refusal) });
                Vec::new()
            }
        }
    }

    fn admit(&mut self, now: Millis, from: WorkerId, hello: Hello) -> Result<Vec<Action>, HelloRefusal> {
        if hello.protocol_version != PROTOCOL_VERSION {
            return Err(HelloRefusal::Version { found: hello.protocol_version, expected: PROTOCOL_VERSION });
        }
        if hello.network != self.facts.network {
            return Err(HelloRefusal::Network(self.facts.network));
        }
        if !same_token(&hello.token, &self.facts.token) {
            return Err(HelloRefusal::Token);
        }
        let join = Join { worker: from, addresses: hello.addresses };
        let actions = self.core.joined(now, join).map_err(|refusal| match refusal {
            JoinRefusal::Full => HelloRefusal::Full,
            JoinRefusal::Finished => HelloRefusal::Finished,
        })?;
        let next = self.ordinals.len() as u32;
        self.ordinals.entry(from).or_insert(next);
        Ok(actions)
    }

    fn welcome(&self, worker: WorkerId) -> Welcome {
        let head = self.core.head().cloned();
        Welcome {
            session: self.facts.session,
            term: Term::FIRST,
            job: self.facts.job.clone(),
            state_hash: head.as_ref().map_or(self.facts.genesis_state, |head| head.state_hash),
            head,
            data_shards: self.facts.data_shards.clone(),
            ledger: self.facts.ledger,
            ordinal: self.ordinals.get(&worker).copied().unwrap_or_default(),
        }
    }

    /// A peer that was not admitted yet becomes present with its hello.
    fn on_connected(&mut self, now: Millis, worker: WorkerId) -> Vec<Action> {
        if self.ordinals.contains_key(&worker) { self.core.connected(now, worker) } else { Vec::new() }
    }

    fn on_disconnected(&mut self, now: Millis, worker: WorkerId) -> Vec<Action> {
        if !self.ordinals.contains_key(&worker) {
            return Vec::new();
        }
        let reason = "the connection was lost".to_owned();
        self.effects.push(Effect::Tell(Event::Left(Left { worker: worker.to_string(), reason })));
        self.core.disconnected(now, worker)
    }

    fn on_fetched(
        &mut self,
        now: Millis,
        round: Round,
        worker: WorkerId,
        hash: Hash,
        bytes: Result<Blob, String>,
    ) -> Vec<Action> {
        match bytes {
            Ok(payload) => {
                self.effects.push(Effect::Store { round, payload });
                self.core.stored(now, round, worker, hash)
            }
            Err(why) => {
                tracing::warn!(%round, %worker, why, "a payload could not be fetched");
                self.core.fetch_failed(now, round, worker, hash)
            }
        }
    }

    fn on_failed(&mut self, now: Millis, round: Round, why: &str) -> Vec<Action> {
        self.warn(format!("round {round} failed: {why}"));
        self.core.failed(now, round, why)
    }

    fn on_committed(&mut self, head: &Head, committed: &CommittedManifest, applied: Applied) -> Vec<Action> {
        self.serve_state(head.state_hash, applied.state);
        let clock = self.ended.pop_front().unwrap_or_default();
        let mut record = RoundRecord::of(committed);
        record.eval_loss = applied.eval_loss;
        // The core's clock stopped when the round was committed; evaluation runs beside the next round.
        record.timings_ms = clock.timings(self.clock.began_ms, applied.evaluate_ms);
        self.effects.push(Effect::Line(record.clone()));
        self.effects.push(Effect::ChainRound(record.clone()));
        self.effects.push(Effect::Settle(record.clone()));
        self.effects.push(Effect::Tell(Event::Round(record)));
        if let Some(path) = applied.checkpoint {
            self.effects.push(Effect::Tell(Event::Checkpoint(CheckpointWritten { round: head.round.0, path })));
        }
        Vec::new()
    }

    fn on_finished(&mut self, head: &Head, finished: Ending) -> Vec<Action> {
        let checkpoint = CheckpointWritten { round: head.round.0, path: finished.checkpoint };
        self.effects.push(Effect::Tell(Event::Checkpoint(checkpoint)));
        self.effects.push(Effect::Tell(Event::Finished(Finished {
            outer_steps: head.outer_steps,
            state_hash: head.state_hash.to_string(),
            eval_loss: Some(finished.eval_loss),
        })));
        self.effects.push(Effect::End);
        Vec::new()
    }

    fn act(&mut self, now: Millis, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Persist(record) => self.effects.push(Effect::Append(record)),
                Action::Send { to, message } => self.effects.push(Effect::Send { to, message }),
                Action::FetchPayload { round, worker, hash, bytes } => {
                    self.open_blobs.push(hash);
                    self.effects.push(Effect::Fetch { round, worker, hash, bytes });
                }
                Action::Score(request) => self.effects.push(Effect::Score(request)),
                Action::Aggregate(request) => self.effects.push(Effect::Aggregate(request)),
                Action::Commit { committed, head } => self.commit(now, committed, head),
                Action::Abandon { round, reason } => self.abandon(now, round, reason.to_string()),
                Action::Finish { head } => self.effects.push(Effect::Finish { head }),
                Action::Note(event) => self.note(now, &event),
            }
        }
    }

    fn commit(&mut self, now: Millis, committed: CommittedManifest, head: Head) {
        self.effects.push(Effect::Close(committed.clone()));
        self.ended.push_back(self.clock);
        self.clock = RoundClock::start(now.0);
        self.effects.push(Effect::Commit { committed, head });
    }

    fn abandon(&mut self, now: Millis, round: Round, reason: String) {
        let abandoned = RoundAbandoned { round: round.0, reason };
        self.effects.push(Effect::Discard(round));
        self.effects.push(Effect::ChainAbandoned(abandoned.clone()));
        self.effects.push(Effect::Tell(Event::RoundAbandoned(abandoned)));
        self.clock = RoundClock::start(now.0);
        self.effects.push(Effect::Drop);
    }

    /// Offers the new state to joiners and lets go of what nobody needs any more.
    fn serve_state(&mut self, hash: Hash, state: Blob) {
        self.effects.push(Effect::Serve(state));
        self.served.push_back(std::mem::replace(&mut self.open_blobs, vec![hash]));
        while self.served.len() > ROUNDS_SERVED {
            let gone = self.served.pop_front().unwrap_or_default();
            gone.into_iter().for_each(|hash| self.effects.push(Effect::Forget(hash)));
        }
    }

    fn note(&mut self, now: Millis, event: &CoreEvent) {
        match event {
            CoreEvent::Started { .. } => self.clock = RoundClock::start(now.0),
            CoreEvent::Phase { phase: Phase::Voting, .. } => self.clock.voting_since_ms = Some(now.0),
            CoreEvent::Committed { timings, .. } => self.clock.worker(*timings),
            CoreEvent::BelowQuorum { live, need } => {
                self.warn(format!("{live} voters are here and {need} are needed: no round begins until they return"));
            }
            CoreEvent::Refused { worker, refusal } => {
                self.warn(format!("{worker} did not sign round {}: {}", refusal.round, refusal.reason));
            }
            other => tracing::debug!(?other, "core"),
        }
    }

    fn warn(&mut self, message: String) {
        self.effects.push(Effect::Tell(Event::Warning(Warning { message })));
    }
}

/// Compares in a time that does not depend on where the tokens differ.
fn same_token(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
