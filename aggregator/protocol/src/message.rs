//! What aggregator and workers say to each other.
//!
//! [`Message`]s go one way and carry no answer; each may be lost, doubled, late or out of order, and both cores repeat
//! what has not been answered. [`Hello`] and [`PieceRequest`] are calls with an answer, made outside the cores.

use crate::{
    Head, Manifest, NetworkId, Reveal, Round, SessionId, Signed, Term, WorkerId, encoding,
    hash::Hash,
    limits::{
        ADDRESS_BYTES_MAX, ADDRESSES_MAX, DATA_SHARDS_MAX, DEVICE_BYTES_MAX, JOB_BYTES_MAX, MEMBERS_MAX,
        OFFER_BYTES_MAX, OFFERS_MAX, PIECE_BYTES, PIECES_MAX, TEXT_BYTES_MAX, TOKEN_BYTES,
    },
    manifest::{CommittedManifest, ManifestError},
    round::{Abandonment, Ballot, CertifiedSet, ClosedSet, Commitment, Countersign},
};
use serde::{Deserialize, Serialize};

/// A one-way message. The first half goes from a worker to the aggregator, the second the other way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "messages are made one at a time and sent at once")]
pub enum Message {
    /// A worker's commitment, with how long its work took.
    Commit {
        /// The commitment.
        commitment: Signed<Commitment>,
        /// What the worker says its work took; for reports only.
        timings: Timings,
    },
    /// A voter has seen the closed set and its own acknowledged commit in it.
    Countersign(Signed<Countersign>),
    /// A worker opens its commitment.
    Reveal(Reveal),
    /// A vote for a manifest.
    Vote(Signed<Ballot>),
    /// A voter says why it will not sign.
    Refused(Refusal),
    /// A member holds the state after a round.
    Applied {
        /// The round.
        round: Round,
        /// The hash of what it computed.
        state_hash: Hash,
    },
    /// Transactions that the worker signed for the ledger, for the aggregator to pay for and submit while they are
    /// fresh.
    Offers(#[serde(deserialize_with = "encoding::list::<_, _, OFFERS_MAX>")] Vec<Offer>),

    /// A round begins, or is still going on.
    Start {
        /// The round.
        round: Round,
        /// The aggregator's term.
        term: Term,
        /// What the round starts from.
        head: Head,
    },
    /// The commit is recorded durably: it will be in the closed set.
    CommitAccepted {
        /// The round.
        round: Round,
        /// The commitment.
        commitment: Hash,
    },
    /// The commit will not be in the closed set.
    CommitRefused {
        /// The round.
        round: Round,
        /// The commitment.
        commitment: Hash,
        /// Why.
        reason: CommitRefusal,
    },
    /// The commits of the round, for the voters to countersign.
    Close(Signed<ClosedSet>),
    /// The closed set with its countersignatures: reveal now.
    Closed(CertifiedSet),
    /// What was revealed, for the members to fetch.
    Revealed {
        /// The round.
        round: Round,
        /// Reveals whose payloads the aggregator holds, in the order of workers.
        #[serde(deserialize_with = "encoding::list::<_, _, MEMBERS_MAX>")]
        reveals: Vec<Reveal>,
    },
    /// A manifest to vote on.
    Propose(Signed<Manifest>),
    /// A manifest that a quorum signed.
    Committed(CommittedManifest),
    /// A round that will never commit.
    Abandoned(Signed<Abandonment>),
    /// The run is over; this is its last head.
    Finished {
        /// The head.
        head: Head,
    },
}

/// A transaction for the ledger that a worker signed and that waits for the signature of who pays for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer(
    /// Its bytes in the chain's own format.
    #[serde(serialize_with = "encoding::serialize_bytes", deserialize_with = "encoding::bytes::<_, OFFER_BYTES_MAX>")]
    pub Vec<u8>,
);

/// What a worker says its part of a round took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timings {
    /// The inner steps.
    pub inner_ms: u64,
    /// The encoding.
    pub encode_ms: u64,
}

/// Why a commit was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum CommitRefusal {
    /// The round's commits are closed.
    #[error("the commits are closed")]
    Late,
    /// The worker is no member, or in quarantine.
    #[error("not a contributor of this round")]
    NotContributor,
    /// Trained from another state than the head's: fetch that first.
    #[error("wrong base state")]
    WrongBase,
    /// The worker has another commit in this round.
    #[error("another commit of the same worker stands")]
    Conflicting,
    /// The signature does not hold, or names another session, term or worker.
    #[error("invalid commitment")]
    Invalid,
}

/// A voter's refusal to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The round.
    pub round: Round,
    /// The aggregator's term.
    pub term: Term,
    /// Hash of the closed set or of the manifest.
    pub subject: Hash,
    /// Why.
    pub reason: RefusalReason,
}

/// Why a voter refuses to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// Its own acknowledged commit is not in it.
    #[error("my acknowledged commit is missing")]
    CommitMissing,
    /// It signed another one in this round and term.
    #[error("signed another in this round and term")]
    AlreadySigned,
    /// The closed set is malformed: order, doubles, signatures, members or base.
    #[error("the closed set is invalid")]
    InvalidSet,
    /// The manifest does not follow from its own record.
    #[error("the manifest does not follow from its record: {0}")]
    Manifest(ManifestError),
    /// A payload cannot be fetched.
    #[error("payload {0} cannot be fetched")]
    PayloadMissing(Hash),
    /// Gates or norms of a payload measured otherwise here.
    #[error("the payload of {0} measures otherwise here")]
    MeasuredOtherwise(WorkerId),
    /// The re-evaluation of a worker differs by more than the tolerance.
    #[error("the re-evaluation of {worker} differs: recorded {recorded}, here {found}")]
    Reevaluation {
        /// Whose contribution.
        worker: WorkerId,
        /// The recorded number.
        recorded: i64,
        /// The one measured here.
        found: i64,
    },
    /// Another next state was computed here.
    #[error("another next state here: {0}")]
    StateDiffers(Hash),
    /// The driver could not verify.
    #[error("verification failed: {0}")]
    Failed(#[serde(deserialize_with = "encoding::text::<_, TEXT_BYTES_MAX>")] String),
}

/// A worker introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::PROTOCOL_VERSION`] of the worker.
    pub protocol_version: u32,
    /// The network that it wants to join.
    pub network: NetworkId,
    /// The admission token of the invite.
    pub token: [u8; TOKEN_BYTES],
    /// Its device, for people.
    #[serde(deserialize_with = "encoding::text::<_, DEVICE_BYTES_MAX>")]
    pub device: String,
    /// Where peers find it.
    #[serde(deserialize_with = "encoding::texts::<_, ADDRESSES_MAX, ADDRESS_BYTES_MAX>")]
    pub addresses: Vec<String>,
}

/// The answer to a [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HelloReply {
    /// Come in.
    Welcome(Box<Welcome>),
    /// Stay out.
    Refused(HelloRefusal),
}

/// What an admitted worker needs to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The session.
    pub session: SessionId,
    /// The aggregator's term.
    pub term: Term,
    /// The resolved job, as TOML.
    #[serde(deserialize_with = "encoding::text::<_, JOB_BYTES_MAX>")]
    pub job: String,
    /// The last head; none before the first round.
    pub head: Option<Head>,
    /// The files of tokens, in their order.
    #[serde(deserialize_with = "encoding::list::<_, _, DATA_SHARDS_MAX>")]
    pub data_shards: Vec<DataShard>,
    /// State to start from: the last head's, or before the first round that of the genesis.
    pub state_hash: Hash,
    /// Its number in the order of admission, for people.
    pub ordinal: u32,
    /// The ledger that the session reports to; none when it reports to none.
    pub ledger: Option<LedgerConditions>,
}

/// What a worker needs to sign transactions that the aggregator submits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerConditions {
    /// The number of the chain.
    pub chain_id: u8,
    /// The address of the contract.
    pub module: [u8; 32],
    /// The account that pays the fees.
    pub sponsor: [u8; 32],
}

/// A file of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataShard {
    /// BLAKE3 of the file.
    pub hash: Hash,
    /// Its length.
    pub bytes: u64,
}

/// Why a worker was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum HelloRefusal {
    /// Another protocol version.
    #[error("protocol version {found} where {expected} is spoken")]
    Version {
        /// The worker's.
        found: u32,
        /// The aggregator's.
        expected: u32,
    },
    /// Another network.
    #[error("this is network {0}")]
    Network(NetworkId),
    /// The token admits nobody.
    #[error("the admission token is not valid")]
    Token,
    /// The roster has no room.
    #[error("the session is full")]
    Full,
    /// The run is over.
    #[error("the run is over")]
    Finished,
}

/// Asks for a piece of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceRequest {
    /// BLAKE3 of the blob.
    pub hash: Hash,
    /// Which piece, from 0.
    pub index: u32,
    /// Whether to send the list of all pieces' values along.
    pub with_list: bool,
}

/// The answer to a [`PieceRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PieceReply {
    /// The piece.
    Piece {
        /// Length of the whole blob.
        blob_bytes: u64,
        /// Chaining values of all its pieces, when asked for, else empty; see [`crate::PieceList`].
        #[serde(deserialize_with = "encoding::list::<_, _, PIECES_MAX>")]
        list: Vec<Hash>,
        /// The bytes.
        #[serde(serialize_with = "encoding::serialize_bytes", deserialize_with = "encoding::bytes::<_, PIECE_BYTES>")]
        bytes: Vec<u8>,
    },
    /// Not held here, or no such piece.
    Missing,
    /// Too busy.
    RetryAfter {
        /// When to ask again.
        wait_ms: u64,
    },
}

impl Message {
    /// The round that it speaks of.
    #[must_use]
    pub fn round(&self) -> Round {
        match self {
            Self::Commit { commitment, .. } => commitment.body.round,
            Self::Countersign(signed) => signed.body.round,
            Self::Reveal(reveal) => reveal.round,
            Self::Vote(signed) => signed.body.round,
            Self::Refused(refusal) => refusal.round,
            Self::Close(set) => set.body.round,
            Self::Closed(certified) => certified.set.body.round,
            Self::Propose(manifest) => manifest.body.round,
            Self::Committed(committed) => committed.manifest.body.round,
            Self::Abandoned(signed) => signed.body.round,
            Self::Finished { head } => head.round,
            // Speaks of no round.
            Self::Offers(_) => Round(0),
            Self::Applied { round, .. }
            | Self::Start { round, .. }
            | Self::CommitAccepted { round, .. }
            | Self::CommitRefused { round, .. }
            | Self::Revealed { round, .. } => *round,
        }
    }

    /// Its kind in one word, for logs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Commit { .. } => "commit",
            Self::Countersign(_) => "countersign",
            Self::Reveal(_) => "reveal",
            Self::Vote(_) => "vote",
            Self::Refused(_) => "refused",
            Self::Applied { .. } => "applied",
            Self::Offers(_) => "offers",
            Self::Start { .. } => "start",
            Self::CommitAccepted { .. } => "commit-accepted",
            Self::CommitRefused { .. } => "commit-refused",
            Self::Close(_) => "close",
            Self::Closed(_) => "closed",
            Self::Revealed { .. } => "revealed",
            Self::Propose(_) => "propose",
            Self::Committed(_) => "committed",
            Self::Abandoned(_) => "abandoned",
            Self::Finished { .. } => "finished",
        }
    }
}
