//! What the queue's log holds: the reports as they were taken, and every step of a report on its way to the ledger.

use super::Landed;
use crate::{Anchor, Entry, SessionConditions, Term};
use contract::Address;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The log's format.
pub(crate) const FORMAT: u32 = 1;

/// A record of the log, in the order in which things happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// The first: which ledger and account the queue is for.
    Header { format: u32, chain_id: u8, module: Address, account: Address },
    /// A report that was taken.
    Report(Report),
    /// The next report is on its way.
    Begin(Begin),
    /// The batch on its way goes back to the queue: a participant is not registered after all.
    Undo,
    /// A transaction that may be sent from now on.
    Signed { bytes: Vec<u8> },
    /// It landed, but the contract refused the call.
    Failed,
    /// It expired without having landed.
    Dead,
    /// The report on its way landed.
    Landed(Landed),
    /// The ledger already has something newer; the report on its way is dropped.
    Superseded,
}

/// A report as the run made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    Open(SessionConditions),
    Settle { settlement: u64, entries: Vec<Entry> },
    Anchor(Anchor),
    Term(Term),
    Finish { amounts: BTreeMap<Address, u64> },
}

/// What goes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Begin {
    /// The report at the front.
    Front,
    /// These entries of the settlement at the front; none where all of its participants are held back.
    Settle(Vec<u64>),
    /// These entries that were held back before.
    Held(Vec<u64>),
    Pay(Payout),
}

/// How a session is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Payout {
    /// By the contract, from the contributions that it holds.
    Distribute,
    /// By a root over the amounts that the run computed.
    Root,
}
