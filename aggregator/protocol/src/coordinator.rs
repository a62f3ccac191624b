//! The aggregator's core: from joined workers to a committed manifest, round after round.
//!
//! ```text
//! Waiting ─► Training ─► Closing ─► Revealing ─► Scoring ─► Voting ─► committed ─► Training … ─► Finishing ─► Done
//!    ▲           └───────────┴──────────┴───────────┴─────────┴─► abandoned
//!    └──────────────── below the quorum ◄─────────────────────────────┘
//! ```
//!
//! Its driver here is whoever holds it and sees to its actions: a performer, which turns them into effects and knows
//! what must be remembered besides, with the loop that carries those out. How a driver uses it: build it with
//! [`Coordinator::resume`] from what the disk holds (nothing, for a new session), run the actions that come back, then
//! call one method per event, running the actions of each before the next call: [`Coordinator::joined`] when a worker
//! was admitted, [`Coordinator::connected`] and [`Coordinator::disconnected`] as connections come and go,
//! [`Coordinator::message`], the answers to its own requests, and [`Coordinator::tick`] at least every few hundred
//! milliseconds.
//!
//! Invariants:
//! - A record precedes every send that depends on it: a commit its acknowledgement, the closed set its `Close`, its
//!   certificate `Closed`, the proposal its `Propose`, the committed manifest its `Committed`, the abandonment its
//!   `Abandoned`. So a core that was killed at any instant and rebuilt says nothing that contradicts what it said
//!   before; within a term it proposes the same bytes.
//! - A round commits with the signatures of a quorum of the voters that the last committed manifest fixed, and only
//!   with these; once its abandonment is recorded it never commits.
//! - Every acknowledged commit is in the closed set, and so has its entry in the manifest.
//! - A live member is waited for until the phase's deadline; one whose connection has been lost for longer than
//!   `reconnect_grace_ms` is not; after a start everyone counts as live until `join_deadline_ms`.

use crate::{
    ClosedSet, Commitment, Hash, Head, Manifest, Message, Millis, Reveal, Round, Signature, Signed, WorkerId,
    roster::Join, round::CertifiedSet, score::Measured,
};
use std::collections::{BTreeMap, BTreeSet};

mod closing;
mod committing;
mod io;
mod presence;
mod resending;
mod restart;
mod revealing;
mod scoring;
mod training;
mod voting;
mod waiting;

pub use io::{
    Action, AggregateRequest, Candidate, CoordinatorConfig, Event, JoinRefusal, Record, Resume, ResumeError,
    ScoreRequest, Scored,
};
use presence::Presence;

/// The aggregator's core.
#[derive(Debug, Clone)]
pub struct Coordinator {
    config: CoordinatorConfig,
    head: Option<Head>,
    last: Option<crate::CommittedManifest>,
    round: Round,
    phase: Phase,
    phase_since: Millis,
    sent_at: Millis,
    presence: Presence,
    joins: BTreeMap<WorkerId, Join>,
    open: Open,
    applied: BTreeSet<WorkerId>,
    below_quorum: bool,
    actions: Vec<Action>,
}

/// Where the core is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// For the first workers, or for a quorum to return.
    Waiting,
    /// Members train; commits come in.
    Training,
    /// The closed set is being countersigned.
    Closing,
    /// Commitments are being opened and payloads fetched.
    Revealing,
    /// The driver measures and aggregates.
    Scoring,
    /// Votes come in.
    Voting,
    /// The run is over; members take the last state.
    Finishing,
    /// Nothing more will happen.
    Done,
}

/// All that is known of the open round; facts are added, never changed.
#[derive(Debug, Clone, Default)]
struct Open {
    commits: BTreeMap<WorkerId, Signed<Commitment>>,
    closed: Option<Signed<ClosedSet>>,
    closed_hash: Option<Hash>,
    countersigns: BTreeMap<WorkerId, Signature>,
    certified: Option<CertifiedSet>,
    reveals: BTreeMap<WorkerId, Reveal>,
    mismatched: BTreeSet<WorkerId>,
    undelivered: BTreeSet<WorkerId>,
    stored: BTreeSet<WorkerId>,
    base_loss_micronats: Option<i64>,
    measured: BTreeMap<WorkerId, Measured>,
    draft: Option<Manifest>,
    proposal: Option<Signed<Manifest>>,
    proposal_hash: Option<Hash>,
    votes: BTreeMap<WorkerId, Signature>,
    refusals: BTreeSet<WorkerId>,
}

impl Coordinator {
    /// A worker was admitted: it will be in the next roster, or the first.
    ///
    /// # Errors
    /// [`JoinRefusal`] when there is no room or no run any more.
    pub fn joined(&mut self, now: Millis, join: Join) -> Result<Vec<Action>, JoinRefusal> {
        self.admit(join)?;
        self.advance(now);
        Ok(self.take_actions())
    }

    /// A worker's connection stands; it is sent whatever it may have missed.
    pub fn connected(&mut self, now: Millis, worker: WorkerId) -> Vec<Action> {
        self.presence.connected(worker);
        self.resync(worker);
        self.advance(now);
        self.take_actions()
    }

    /// A worker's connection is lost.
    pub fn disconnected(&mut self, now: Millis, worker: WorkerId) -> Vec<Action> {
        self.presence.disconnected(now, worker);
        self.advance(now);
        self.take_actions()
    }

    /// A worker sent a message; `from` is what the transport authenticated.
    pub fn message(&mut self, now: Millis, from: WorkerId, message: Message) -> Vec<Action> {
        match message {
            Message::Commit { commitment, timings } => self.on_commit(from, commitment, timings),
            Message::Countersign(signed) => self.on_countersign(from, &signed),
            Message::Reveal(reveal) => self.on_reveal(from, reveal),
            Message::Vote(signed) => self.on_vote(from, &signed),
            Message::Refused(refusal) => self.on_refused(from, refusal),
            Message::Applied { round, state_hash } => self.on_applied(from, round, state_hash),
            _ => {} // the aggregator's own kinds: nothing that a worker may say
        }
        self.advance(now);
        self.take_actions()
    }

    /// A payload asked for by [`Action::FetchPayload`] is stored durably.
    pub fn stored(&mut self, now: Millis, round: Round, worker: WorkerId, hash: Hash) -> Vec<Action> {
        self.on_stored(round, worker, hash);
        self.advance(now);
        self.take_actions()
    }

    /// A payload asked for by [`Action::FetchPayload`] could not be had.
    pub fn fetch_failed(&mut self, now: Millis, round: Round, worker: WorkerId, hash: Hash) -> Vec<Action> {
        self.on_fetch_failed(round, worker, hash);
        self.advance(now);
        self.take_actions()
    }

    /// The answer to [`Action::Score`].
    pub fn scored(&mut self, now: Millis, scored: Scored) -> Vec<Action> {
        self.on_scored(now, scored);
        self.advance(now);
        self.take_actions()
    }

    /// The answer to [`Action::Aggregate`].
    pub fn aggregated(&mut self, now: Millis, round: Round, state_hash: Hash) -> Vec<Action> {
        self.on_aggregated(now, round, state_hash);
        self.advance(now);
        self.take_actions()
    }

    /// The driver cannot answer [`Action::Score`] or [`Action::Aggregate`]: the round is abandoned.
    pub fn failed(&mut self, now: Millis, round: Round, why: &str) -> Vec<Action> {
        self.on_failed(now, round, why);
        self.advance(now);
        self.take_actions()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Millis) -> Vec<Action> {
        self.advance(now);
        self.resend(now);
        self.take_actions()
    }

    /// The last head; none before the first round.
    #[must_use]
    pub const fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The round that is open, or will be next.
    #[must_use]
    pub const fn round(&self) -> Round {
        self.round
    }

    /// Where the core is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Workers whose connection stands, in order.
    pub fn connected_workers(&self) -> impl Iterator<Item = WorkerId> {
        self.presence.connected_workers()
    }

    /// Goes on for as long as a phase is complete; each step leads to a later phase, or to the next round's first.
    fn advance(&mut self, now: Millis) {
        for _ in 0..STEPS_MAX {
            let phase = (self.round, self.phase);
            match self.phase {
                Phase::Waiting => self.advance_waiting(now),
                Phase::Training => self.advance_training(now),
                Phase::Closing => self.advance_closing(now),
                Phase::Revealing => self.advance_revealing(now),
                Phase::Scoring | Phase::Done => {} // the driver's answer, and nothing
                Phase::Voting => self.advance_voting(now),
                Phase::Finishing => self.advance_finishing(now),
            }
            if phase == (self.round, self.phase) {
                return;
            }
        }
    }

    fn enter(&mut self, now: Millis, phase: Phase) {
        self.phase = phase;
        self.phase_since = now;
        self.sent_at = now;
        self.note(Event::Phase { round: self.round, phase });
    }

    fn send(&mut self, to: WorkerId, message: Message) {
        self.actions.push(Action::Send { to, message });
    }

    fn persist(&mut self, record: Record) {
        self.actions.push(Action::Persist(record));
    }

    fn note(&mut self, event: Event) {
        self.actions.push(Action::Note(event));
    }

    fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }
}

/// Phases that one call may pass through: a whole round of a session whose members are all present already.
const STEPS_MAX: usize = 16;

#[cfg(test)]
mod tests;
