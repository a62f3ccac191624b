//! What goes into a worker's performer and what comes out: its driver's side of the contract.

use protocol::member::{ApplyRequest, MemberRecord, Payload, Verification, VerifyRequest};
use protocol::message::{HelloRefusal, LedgerConditions};
use protocol::roster::RosterMember;
use protocol::{Hash, Head, HelloReply, Message, Round, WorkerId};
use record::events::Event;

use crate::performer::{Blob, Ticket};

/// What a worker's driver hands in. `W` is what a body has written to the disk, opaque here.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "inputs come one at a time and are consumed at once")]
pub enum Input<W> {
    /// The aggregator is connected, for the first time or again.
    Connected,
    /// What the aggregator says.
    Message(Message),
    /// The answer to [`Effect::Greet`]; none when it got none.
    Greeted(Option<HelloReply>),
    /// The answer to [`Effect::Train`]; none when it was cut short.
    Trained { round: Round, trained: Option<Trained<W>> },
    /// The answer to [`Effect::Flush`].
    Flushed(Ticket),
    /// The answer to [`Effect::Fetch`]: whether the payload is in the store now.
    Fetched { hash: Hash, held: bool },
    /// The answer to [`Effect::Verify`].
    Verified(Verification),
    /// The answer to [`Effect::Verify`] that could not be carried out.
    VerifyFailed { manifest_hash: Hash, why: String },
    /// The answer to [`Effect::Apply`].
    Applied { round: Round, applied: Applied<W> },
    /// The answer to [`Effect::Refetch`]: what to write, or why the state could not be had.
    Refetched { state_hash: Hash, result: Result<Vec<W>, String> },
}

/// A finished training.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained<W> {
    pub payload: Payload,
    pub file: Blob,
    /// What must be on the disk before the payload is announced.
    pub writes: Vec<W>,
}

/// A round applied to the state, or another state than the round's: then nothing is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied<W> {
    pub state_hash: Hash,
    pub state: Blob,
    pub writes: Vec<W>,
}

/// What a worker's driver carries out.
#[derive(Debug)]
pub enum Effect<W> {
    /// Make the record durable. When that fails the process must stop.
    Append(MemberRecord),
    /// The same, in the place of all records before it.
    Replace(MemberRecord),
    /// Hand something to whoever writes files; they are written in the order in which they are handed in.
    Write(W),
    /// Tell when everything that was handed in is on the disk.
    Flush(Ticket),
    /// Queue a message for the aggregator.
    Send(Message),
    /// Say hello to the aggregator.
    Greet,
    /// Let these members fetch from here, and make known where they are.
    Meet(Vec<RosterMember>),
    /// What the aggregator's ledger takes from workers; none when the session reports to none.
    Ledger(Option<LedgerConditions>),
    /// Train; it ends any training that is under way.
    Train { round: Round, head: Head, codec: String },
    /// Fetch a payload into the store.
    Fetch { hash: Hash, holders: Vec<WorkerId> },
    /// Measure what a vote needs, with these payloads of the store.
    Verify { request: VerifyRequest, payloads: Vec<Hash> },
    /// Apply a committed round, with these payloads of the store.
    Apply { request: ApplyRequest, payloads: Vec<Hash> },
    /// Fetch a state and take it over, unless it is the one held.
    Refetch { head: Head, holders: Vec<WorkerId> },
    /// Serve a blob to peers.
    Serve(Blob),
    /// Serve it no more.
    Forget(Hash),
    /// For whoever watches.
    Tell(Event),
    /// The aggregator will not have this worker.
    Refused(HelloRefusal),
    /// The run is over for this worker; what was sent and handed in before is still to be delivered and written.
    End,
}
