//! What goes into the aggregator's performer and what comes out: its driver's side of the contract.

use protocol::coordinator::{AggregateRequest, Record, ScoreRequest, Scored};
use protocol::message::{DataShard, LedgerConditions};
use protocol::{CommittedManifest, Hash, Head, Hello, HelloReply, Message, NetworkId, Round, SessionId, WorkerId};
use record::RoundRecord;
use record::events::{Event, RoundAbandoned};

use crate::performer::Blob;

/// What the aggregator's driver hands in.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "inputs come one at a time and are consumed at once")]
pub enum Input {
    /// A peer asks to take part.
    Hello { from: WorkerId, hello: Hello },
    /// A peer is connected.
    Connected(WorkerId),
    /// Its last connection is gone.
    Disconnected(WorkerId),
    /// What an admitted peer says.
    Message { from: WorkerId, message: Message },
    /// The answer to [`Effect::Fetch`]: the payload's bytes, or why nobody has them.
    Fetched { round: Round, worker: WorkerId, hash: Hash, bytes: Result<Blob, String> },
    /// The answer to [`Effect::Score`].
    Scored { round: Round, scored: Result<Scored, String>, took_ms: f64 },
    /// The answer to [`Effect::Aggregate`].
    Aggregated { round: Round, hash: Result<Hash, String>, took_ms: f64 },
    /// The answer to [`Effect::Commit`].
    Committed { head: Head, committed: CommittedManifest, applied: Applied },
    /// The answer to [`Effect::Finish`].
    Finished { head: Head, finished: Ending },
    /// Time passed.
    Tick,
}

/// What committing a round brought about.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The new state, as peers fetch it.
    pub state: Blob,
    /// Held-out loss in nats per token, when the round is one to evaluate.
    pub eval_loss: Option<f64>,
    /// The checkpoint's directory, when the round is one to have one.
    pub checkpoint: Option<String>,
    /// Milliseconds of the evaluation.
    pub evaluate_ms: f64,
}

/// What the end of the run brought about.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The last checkpoint's directory.
    pub checkpoint: String,
    /// Held-out loss of the last state, in nats per token.
    pub eval_loss: f64,
}

/// What the aggregator's driver carries out.
#[derive(Debug)]
pub enum Effect {
    /// Make the record durable. When that fails the process must stop.
    Append(Record),
    /// Store a payload durably, under its hash.
    Store { round: Round, payload: Blob },
    /// Write the round's manifest, then drop the records that it makes superfluous.
    Close(CommittedManifest),
    /// Remove the payloads of a round that will never commit.
    Discard(Round),
    /// Append the round's line to `rounds.jsonl`, durably.
    Line(RoundRecord),
    /// Append the round to the chained log and sign the new head.
    ChainRound(RoundRecord),
    /// The same for a round that was abandoned.
    ChainAbandoned(RoundAbandoned),
    /// Count the round and report what is due.
    Settle(RoundRecord),
    /// Queue a message for a worker.
    Send { to: WorkerId, message: Message },
    /// Hear this peer from now on.
    Admit(WorkerId),
    /// Answer its hello.
    Reply { to: WorkerId, reply: HelloReply },
    /// Fetch a payload from its owner; one that lies on the disk is taken from there.
    Fetch { round: Round, worker: WorkerId, hash: Hash, bytes: u64 },
    /// Measure the payloads.
    Score(ScoreRequest),
    /// Compute the next state's hash.
    Aggregate(AggregateRequest),
    /// Make the committed round's state the current one, evaluate and write a checkpoint where the job says so.
    Commit { committed: CommittedManifest, head: Head },
    /// Drop what was computed for a round that will not commit.
    Drop,
    /// Write the last checkpoint and evaluate it.
    Finish { head: Head },
    /// Serve a blob to peers.
    Serve(Blob),
    /// Serve it no more.
    Forget(Hash),
    /// For whoever watches.
    Tell(Event),
    /// The run is over.
    End,
}

/// What never changes in a session, as a welcome tells it.
#[derive(Debug, Clone)]
pub struct WelcomeFacts {
    pub session: SessionId,
    pub network: NetworkId,
    /// What admits a worker.
    pub token: Vec<u8>,
    /// The job as TOML.
    pub job: String,
    /// State before the first round.
    pub genesis_state: Hash,
    pub data_shards: Vec<DataShard>,
    pub ledger: Option<LedgerConditions>,
}
