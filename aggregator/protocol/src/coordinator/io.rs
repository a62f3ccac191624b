//! What goes into the aggregator's core and what comes out: the driver's side of the contract.

use crate::{
    ClosedSet, Commitment, CommittedManifest, Hash, Head, Keypair, Manifest, Message, Parameters, Reason, Round,
    SessionId, Signed, Term, WorkerId,
    manifest::Summand,
    message::{CommitRefusal, Refusal},
    roster::Roster,
    round::{AbandonReason, Abandonment, CertifiedSet},
    score::Measured,
};
use serde::{Deserialize, Serialize};

/// What the aggregator's core is made of.
#[derive(Debug, Clone)]
pub struct CoordinatorConfig {
    /// The session.
    pub session: SessionId,
    /// The term that this aggregator holds.
    pub term: Term,
    /// Its key.
    pub keypair: Keypair,
    /// The session's parameters.
    pub parameters: Parameters,
    /// Hash of the state before the first round.
    pub genesis_state: Hash,
    /// Parameters in the flat vector.
    pub elements: u64,
}

/// What a driver does, one after the other in the order given; none may be skipped, and a later one may begin only when
/// the earlier ones are done (a [`Action::Send`] is done when it is queued for its peer, in order).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "actions are made one at a time and consumed at once")]
pub enum Action {
    /// Make this record durable. When that fails the process must stop: what follows depends on it.
    Persist(Record),
    /// Queue a message for a worker. It may get lost; the core repeats what stays unanswered.
    Send {
        /// To whom.
        to: WorkerId,
        /// What.
        message: Message,
    },
    /// Fetch a payload, verify it by its hash, store it durably; then call [`super::Coordinator::stored`], or
    /// [`super::Coordinator::fetch_failed`]. Asked again after a restart; a payload that is there already counts as
    /// fetched.
    FetchPayload {
        /// The round.
        round: Round,
        /// Who holds it.
        worker: WorkerId,
        /// BLAKE3 of the payload.
        hash: Hash,
        /// Its length.
        bytes: u64,
    },
    /// Measure the payloads; then call [`super::Coordinator::scored`], or [`super::Coordinator::failed`].
    Score(ScoreRequest),
    /// Compute the next state's hash; then call [`super::Coordinator::aggregated`], or [`super::Coordinator::failed`].
    /// The state itself is applied by [`Action::Commit`] only.
    Aggregate(AggregateRequest),
    /// The round is committed (its record is durable): apply the summands, write the round's files. After a restart the
    /// driver itself applies the manifests that its stored state lacks.
    Commit {
        /// The manifest with its signatures.
        committed: CommittedManifest,
        /// The head that it makes.
        head: Head,
    },
    /// The round is abandoned: its payloads and measurements are of no more use.
    Abandon {
        /// The round.
        round: Round,
        /// Why.
        reason: AbandonReason,
    },
    /// The run is over and the live members have its last state, or had time to get it.
    Finish {
        /// The last head.
        head: Head,
    },
    /// For logs, the dashboard and tests; no duty.
    Note(Event),
}

/// What must survive the process. A driver appends each to a log; a restart reads the log back in order. Once a
/// [`Record::Committed`] is durable, and the driver keeps the head that it makes, the records before it may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "records are made one at a time and stored at once")]
pub enum Record {
    /// The first head.
    Genesis(Signed<Head>),
    /// A commit, before it is acknowledged.
    Commit(Signed<Commitment>),
    /// The closed set, before it is sent.
    Closed(Signed<ClosedSet>),
    /// The closed set with its countersignatures, before anybody is asked to reveal.
    Certified(CertifiedSet),
    /// The proposal, before it is sent.
    Proposal(Signed<Manifest>),
    /// The committed manifest, before anybody is told.
    Committed(CommittedManifest),
    /// An abandoned round, before anybody is told.
    Abandoned(Signed<Abandonment>),
}

/// What a driver is to measure (PROTOCOL.md, "Gates and measuring").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreRequest {
    /// The round.
    pub round: Round,
    /// The state that it started from, with the roster whose standings decide who is trusted.
    pub head: Head,
    /// Seed of the scoring sequences, for [`crate::Assignment::scoring_windows`].
    pub eval_seed: Hash,
    /// The delivered payloads, in the order of workers.
    pub candidates: Vec<Candidate>,
}

/// A delivered payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Whose.
    pub worker: WorkerId,
    /// BLAKE3 of the payload.
    pub payload_hash: Hash,
    /// Its length.
    pub bytes: u64,
    /// Tokens that its owner states.
    pub tokens: u64,
}

/// What a driver measured. Steps: gate every payload ([`Measured::gate`], [`Measured::norm_nanos`]), get clips and
/// trust from [`crate::score::prepare`], measure gains and cosines with them; under [`crate::ScorePolicy::GatesOnly`]
/// the gates are all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scored {
    /// The round.
    pub round: Round,
    /// Loss of the scoring sequences at the base state, in micro-nats per token.
    pub base_loss_micronats: Option<i64>,
    /// One for each candidate.
    pub measured: Vec<(WorkerId, Measured)>,
}

/// What a driver is to aggregate, without changing its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateRequest {
    /// The round.
    pub round: Round,
    /// State to start from.
    pub base_hash: Hash,
    /// Committed outer steps, this one included.
    pub outer_step: u64,
    /// The codec's name.
    pub codec: String,
    /// Outer learning rate in 1/256.
    pub alpha: u32,
    /// ρ as numerator and denominator.
    pub rho: (u32, u32),
    /// What enters, in the order of workers; never empty.
    pub summands: Vec<Summand>,
}

/// What a restart finds on its disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resume {
    /// A head of earlier; none to begin with [`Record::Genesis`], or a new session.
    pub head: Option<Head>,
    /// The records since, in the order written; older ones are passed over.
    pub records: Vec<Record>,
}

/// Why a core cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// A head or record of another session.
    #[error("the records are those of session {0}")]
    Session(SessionId),
    /// A record does not follow from those before it.
    #[error("record of round {round} does not follow a head of round {head}")]
    Gap {
        /// The record's round.
        round: Round,
        /// The head's.
        head: Round,
    },
}

/// Why a worker cannot join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefusal {
    /// Members and joiners fill the roster.
    #[error("the session is full")]
    Full,
    /// Nothing will be trained any more.
    #[error("the run is over")]
    Finished,
}

/// What happened, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first head was made.
    Genesis {
        /// Who votes.
        roster: Roster,
    },
    /// A round began.
    Started {
        /// The round.
        round: Round,
        /// Members that may contribute.
        contributors: usize,
    },
    /// A phase of the round began.
    Phase {
        /// The round.
        round: Round,
        /// Which.
        phase: super::Phase,
    },
    /// No round begins until a quorum of voters is there.
    BelowQuorum {
        /// Voters that are live.
        live: usize,
        /// The quorum.
        need: usize,
    },
    /// A commit was recorded.
    Committed {
        /// The round.
        round: Round,
        /// Whose.
        worker: WorkerId,
        /// What the worker says its work took.
        timings: crate::message::Timings,
    },
    /// A commit was not taken.
    CommitRefused {
        /// The round.
        round: Round,
        /// Whose.
        worker: WorkerId,
        /// Why.
        reason: CommitRefusal,
    },
    /// A revealed payload could not be taken.
    RevealRefused {
        /// The round.
        round: Round,
        /// Whose.
        worker: WorkerId,
        /// Why.
        reason: Reason,
    },
    /// A voter refused to sign.
    Refused {
        /// Who.
        worker: WorkerId,
        /// What and why.
        refusal: Refusal,
    },
    /// A member told the state that it holds after a round.
    Applied {
        /// Who.
        worker: WorkerId,
        /// The round.
        round: Round,
        /// Whether it is the committed one.
        equal: bool,
    },
}
