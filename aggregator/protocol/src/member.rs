//! A worker's core: train, commit, countersign, reveal, verify, vote, apply.
//!
//! Its driver here is whoever holds it and sees to its actions: a performer, which turns them into effects and knows
//! what must be remembered besides, with the loop that carries those out. How a driver uses it: build it with
//! [`Member::resume`] from what the disk holds (nothing, for a new worker), and call one method per event, running the
//! actions that come back before the next call: [`Member::connected`] when the aggregator has admitted this worker over
//! a new connection, [`Member::message`] for what the aggregator says, and the answers to the core's own requests. The
//! aggregator repeats what stays unanswered, so there is no timer here.
//!
//! Invariants:
//! - A commit, a countersignature and a vote are durable before they are sent; after a restart the same bytes are sent
//!   again.
//! - One closed set and one manifest per round and term are signed, and nothing of a round before one signed in.
//! - Nothing is countersigned that lacks the own acknowledged commit; nothing is revealed before a quorum
//!   countersigned.
//! - A manifest is voted for only if it follows from its own record, the payloads are here, gates, norms and one other
//!   worker's re-evaluation agree, and the next state computed here is the proposed one.
//! - The head moves along committed manifests whose parent is the head, each applied once, or by fetching a whole
//!   state.

use crate::{
    CommittedManifest, Hash, Head, Manifest, Message, Round, Signed, Term, WorkerId,
    round::{Ballot, CertifiedSet, Countersign},
};
use std::collections::BTreeSet;

mod applying;
mod closing;
mod io;
mod restart;
mod starting;
mod training;
mod verifying;

use starting::Relation;

pub use io::{
    ApplyRequest, MemberAction, MemberConfig, MemberEvent, MemberRecord, MemberResume, OwnCommit, OwnVerdict, Payload,
    Remeasured, Verification, VerifyRequest,
};

/// A worker's core.
#[derive(Debug, Clone)]
pub struct Member {
    config: MemberConfig,
    head: Option<Head>,
    busy: Busy,
    gathers_failed: u32,
    start: Option<Start>,
    finished: Option<Head>,
    done: bool,
    own: Option<OwnCommit>,
    countersigned: Option<Signed<Countersign>>,
    voted: Option<Signed<Ballot>>,
    held: BTreeSet<Hash>,
    fetching: BTreeSet<Hash>,
    open: Open,
    actions: Vec<MemberAction>,
}

/// What the driver is doing about the head's state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is one")]
enum Busy {
    /// It holds it.
    Idle,
    /// The payloads of a committed manifest are being fetched.
    Gathering(CommittedManifest),
    /// A committed manifest is being applied.
    Applying(CommittedManifest),
    /// A whole state is being fetched.
    Refetching(Head),
}

/// A round that the aggregator announced.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Start {
    round: Round,
    term: Term,
    head: Head,
}

/// What is known of the open round; all of it comes again after a restart.
#[derive(Debug, Clone, Default)]
struct Open {
    round: Round,
    term: Term,
    training: bool,
    answer: Answer,
    certified: Option<CertifiedSet>,
    closed_hash: Option<Hash>,
    proposal: Option<Signed<Manifest>>,
    proposal_hash: Option<Hash>,
    verifying: Option<Hash>,
    over: bool,
}

/// What the aggregator said to the own commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Answer {
    #[default]
    Unknown,
    Accepted,
    Refused,
}

impl Member {
    /// The aggregator has admitted this worker over a new connection: what it may have missed is sent again.
    pub fn connected(&mut self) -> Vec<MemberAction> {
        self.resync();
        self.take_actions()
    }

    /// The aggregator sent a message; what others send is not handed in.
    pub fn message(&mut self, message: Message) -> Vec<MemberAction> {
        match message {
            Message::Start { round, term, head } => self.on_start(Start { round, term, head }),
            Message::CommitAccepted { round, commitment } => self.on_commit_accepted(round, commitment),
            Message::CommitRefused { round, commitment, reason } => self.on_commit_refused(round, commitment, reason),
            Message::Close(set) => self.on_close(&set),
            Message::Closed(certified) => self.on_closed(certified),
            Message::Revealed { round, reveals } => self.on_revealed(round, &reveals),
            Message::Propose(manifest) => self.on_propose(manifest),
            Message::Committed(committed) => self.on_committed(committed),
            Message::Abandoned(abandonment) => self.on_abandoned(&abandonment),
            Message::Finished { head } => self.on_finished(head),
            other => self.ignored(other.kind(), "a worker's kind of message"),
        }
        self.take_actions()
    }

    /// The answer to [`MemberAction::Train`]: the payload is stored durably.
    pub fn trained(&mut self, round: Round, payload: Payload) -> Vec<MemberAction> {
        self.on_trained(round, payload);
        self.take_actions()
    }

    /// The answer to [`MemberAction::Fetch`]: the payload is in the store.
    pub fn fetched(&mut self, hash: Hash) -> Vec<MemberAction> {
        self.on_fetched(hash);
        self.take_actions()
    }

    /// No holder has the payload.
    pub fn fetch_failed(&mut self, hash: Hash) -> Vec<MemberAction> {
        self.on_fetch_failed(hash);
        self.take_actions()
    }

    /// The answer to [`MemberAction::Verify`].
    pub fn verified(&mut self, verification: &Verification) -> Vec<MemberAction> {
        self.on_verified(verification);
        self.take_actions()
    }

    /// The driver cannot answer [`MemberAction::Verify`].
    pub fn verify_failed(&mut self, manifest_hash: Hash, why: &str) -> Vec<MemberAction> {
        self.on_verify_failed(manifest_hash, why);
        self.take_actions()
    }

    /// The answer to [`MemberAction::Apply`]: the hash of the state computed. It is stored, with the new head, when it
    /// is the head's; otherwise nothing is stored and a [`MemberAction::Refetch`] follows.
    pub fn applied(&mut self, round: Round, state_hash: Hash) -> Vec<MemberAction> {
        self.on_applied(round, state_hash);
        self.take_actions()
    }

    /// The answer to [`MemberAction::Refetch`]: this state and its head are stored.
    pub fn refetched(&mut self, state_hash: Hash) -> Vec<MemberAction> {
        self.on_refetched(state_hash);
        self.take_actions()
    }

    /// No holder has the state; it is asked for again with the aggregator's next message.
    pub fn refetch_failed(&mut self, state_hash: Hash) -> Vec<MemberAction> {
        self.on_refetch_failed(state_hash);
        self.take_actions()
    }

    /// The head whose state the driver holds.
    #[must_use]
    pub const fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The open round.
    #[must_use]
    pub const fn round(&self) -> Round {
        self.open.round
    }

    /// Whether the state held is the run's last. A driver that finds it so after a restart may end at once.
    #[must_use]
    pub fn holds_last_state(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.outer_steps >= self.config.parameters.outer_steps)
    }

    fn me(&self) -> WorkerId {
        self.config.keypair.worker()
    }

    fn send(&mut self, message: Message) {
        self.actions.push(MemberAction::Send(message));
    }

    fn note(&mut self, event: MemberEvent) {
        self.actions.push(MemberAction::Note(event));
    }

    fn ignored(&mut self, kind: &'static str, why: &'static str) {
        self.note(MemberEvent::Ignored { kind, why });
    }

    fn take_actions(&mut self) -> Vec<MemberAction> {
        std::mem::take(&mut self.actions)
    }
}

#[cfg(test)]
mod tests;
