//! What goes into a worker's core and what comes out: the driver's side of the contract.

use crate::{
    CommittedManifest, Hash, Head, Keypair, Manifest, Message, Parameters, Reason, Round, SessionId, Signed, WorkerId,
    manifest::Summand,
    message::{CommitRefusal, RefusalReason, Timings},
    round::{AbandonReason, Ballot, Commitment, Countersign},
};
use serde::{Deserialize, Serialize};

/// What a worker's core is made of.
#[derive(Debug, Clone)]
pub struct MemberConfig {
    /// The session.
    pub session: SessionId,
    /// The worker's key.
    pub keypair: Keypair,
    /// The aggregator, by the invite.
    pub aggregator: WorkerId,
    /// The session's parameters.
    pub parameters: Parameters,
}

/// What a restart finds on its disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberResume {
    /// The head whose state the driver holds; none when it holds none.
    pub head: Option<Head>,
    /// The records written, in their order; those of rounds up to the head's are passed over.
    pub records: Vec<MemberRecord>,
}

/// What a driver does, one after the other in the order given; a later one may begin only when the earlier ones are
/// done, except that [`MemberAction::Train`], [`MemberAction::Fetch`], [`MemberAction::Verify`],
/// [`MemberAction::Apply`] and [`MemberAction::Refetch`] only start work whose end is told by a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "actions are made one at a time and consumed at once")]
pub enum MemberAction {
    /// Make this record durable. When that fails the process must stop: what follows depends on it.
    Persist(MemberRecord),
    /// Queue a message for the aggregator. It may get lost; the core repeats what stays unanswered.
    Send(Message),
    /// Train from the head that the driver holds and encode; store the payload durably, then call
    /// [`super::Member::trained`]. It ends any training that is still going on. Asked again after a restart.
    Train {
        /// The round.
        round: Round,
        /// The head; its state is the one the driver holds.
        head: Head,
        /// The codec's name.
        codec: String,
    },
    /// Fetch a payload into the store; then call [`super::Member::fetched`] or [`super::Member::fetch_failed`]. One
    /// that is there already counts as fetched.
    Fetch {
        /// BLAKE3 of the payload.
        hash: Hash,
        /// Who holds it: its owner and the aggregator.
        holders: Vec<WorkerId>,
    },
    /// Measure what a vote needs; then call [`super::Member::verified`] or [`super::Member::verify_failed`].
    Verify(VerifyRequest),
    /// Apply a committed round to the state and to the own payload, as one step together with the new head; then call
    /// [`super::Member::applied`]. It ends any training that is still going on. When the state computed is not the
    /// head's, nothing is stored, and the call tells its hash. The step may become durable after the call, as a whole,
    /// but before any payload that follows and before the next [`MemberAction::Persist`]; that of the run's last round
    /// before the call, since the aggregator ends once every worker has said that it holds it.
    Apply(ApplyRequest),
    /// The state held is not known to be that of the head, the first head included: unless it hashes to the head's
    /// state (then the residual stays, and a payload still pending in it counts as not accepted), fetch that and begin
    /// with a zero residual; then call [`super::Member::refetched`], or [`super::Member::refetch_failed`]. It ends any
    /// training that is still going on. Both become durable together with the head, as with [`MemberAction::Apply`].
    Refetch {
        /// The head.
        head: Head,
    },
    /// The committed roster lacks this worker: say hello again.
    Rejoin,
    /// The run is over and the driver holds its last state.
    Done {
        /// The last head.
        head: Head,
    },
    /// For logs and tests; no duty.
    Note(MemberEvent),
}

/// What must survive a worker's process. The driver appends each to a log; once the head of a round is durable, the
/// records of that round and those before it may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberRecord {
    /// The own commit, before it is sent.
    Committed(OwnCommit),
    /// The closed set that was countersigned, before that is sent.
    Countersigned(Signed<Countersign>),
    /// The vote, before it is sent.
    Voted(Signed<Ballot>),
}

/// The own commit of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCommit {
    /// What was signed.
    pub commitment: Signed<Commitment>,
    /// The payload.
    pub payload: Payload,
}

/// An encoded payload that the driver stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// BLAKE3 of the file.
    pub hash: Hash,
    /// Its length.
    pub bytes: u64,
    /// Tokens trained on.
    pub tokens: u64,
    /// How long it took.
    pub timings: Timings,
}

/// What a driver is to measure before a vote, from the head's state, without changing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyRequest {
    /// The proposal.
    pub manifest: Manifest,
    /// Its hash, to be named in the answer.
    pub manifest_hash: Hash,
    /// The head that it builds on.
    pub head: Head,
    /// The worker whose gain and cosine to measure; none when nobody else's was evaluated.
    pub remeasure: Option<WorkerId>,
    /// What enters the aggregate; when it is empty the state stays.
    pub summands: Vec<Summand>,
}

/// What a driver measured before a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The round.
    pub round: Round,
    /// The manifest.
    pub manifest_hash: Hash,
    /// For every payload that was delivered: the gate that it failed, and its norm in 10⁻⁹.
    pub gates: Vec<(WorkerId, Option<Reason>, u64)>,
    /// The re-evaluation asked for.
    pub remeasured: Option<Remeasured>,
    /// Hash of the next state.
    pub state_hash: Hash,
}

/// One contribution measured again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remeasured {
    /// Whose.
    pub worker: WorkerId,
    /// Loss of the scoring sequences at the base state, in micro-nats per token.
    pub base_loss_micronats: i64,
    /// Loss after half of it.
    pub loss_micronats: i64,
    /// Mean drop.
    pub gain_micronats: i64,
    /// Cosine with the sum of the other trusted payloads.
    pub cosine_millionths: Option<i64>,
}

/// A committed round to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyRequest {
    /// The manifest with its signatures.
    pub committed: CommittedManifest,
    /// The head that it makes, to be stored with the state.
    pub head: Head,
    /// What enters the aggregate, all of it in the store; when it is empty the state stays.
    pub summands: Vec<Summand>,
    /// The own payload, when there is one in this round.
    pub own: Option<OwnVerdict>,
}

/// What became of the own payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnVerdict {
    /// The payload.
    pub payload_hash: Hash,
    /// Whether it entered: then the residual loses it.
    pub accepted: bool,
}

/// What happened, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberEvent {
    /// The aggregator recorded the commit.
    CommitAccepted {
        /// The round.
        round: Round,
    },
    /// The aggregator did not take the commit.
    CommitRefused {
        /// The round.
        round: Round,
        /// Why.
        reason: CommitRefusal,
    },
    /// This worker will not sign.
    Refused {
        /// The round.
        round: Round,
        /// Why.
        reason: RefusalReason,
    },
    /// A message that nobody honest sends.
    Ignored {
        /// Its kind.
        kind: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The round was abandoned.
    Abandoned {
        /// The round.
        round: Round,
        /// Why.
        reason: AbandonReason,
    },
    /// The own payload entered no aggregate, since the round was abandoned or went on without it: the residual keeps
    /// it. What was trained may serve again in a later round from the same head.
    LeftOut {
        /// The round.
        round: Round,
        /// The payload.
        payload_hash: Hash,
    },
    /// The state after a round is not the committed one.
    Drifted {
        /// The round.
        round: Round,
        /// Hash of the state here.
        found: Hash,
    },
}
