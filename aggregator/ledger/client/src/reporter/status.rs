//! What the queue tells of itself.

use crate::TransactionHash;
use serde::{Deserialize, Serialize};

/// How the queue stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Reports that are not on the ledger yet.
    pub waiting: usize,
    /// Entries held back because their participants are not registered.
    pub held: usize,
    /// Reports that landed, in all runs of this folder.
    pub landed: u64,
    /// Sponsored calls of workers that landed, since the start.
    pub sponsored: u64,
    /// Whether the session's payout landed.
    pub paid: bool,
    /// What went wrong last and what to do about it; nothing once something has landed since.
    pub last_error: Option<String>,
    /// Whether the reports wait for someone to act: trying again alone will hardly do.
    pub blocked: bool,
    /// What the account held of the gas coin when last asked.
    pub gas_balance: Option<u64>,
}

/// A report that landed: a line of `receipts.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landed {
    /// The entry function.
    pub call: String,
    /// What was reported: `session`, `settlement-3`, `anchor-12`, `term-2`, `payout`.
    pub key: String,
    /// The transaction. It and the rest are missing where the ledger shows the report's effect alone.
    pub hash: Option<TransactionHash>,
    /// Its place on the ledger.
    pub version: Option<u64>,
    /// The units of gas that were paid for.
    pub gas_used: Option<u64>,
    /// What a unit cost.
    pub gas_unit_price: Option<u64>,
    /// When it landed, in whole seconds of the chain's time.
    pub timestamp_s: Option<u64>,
}

/// How often what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The pause after the first failure that passes by itself, in milliseconds; it doubles with each.
    pub retry_first_ms: u64,
    /// The longest such pause.
    pub retry_max_ms: u64,
    /// The pause after a failure that somebody must mend.
    pub blocked_ms: u64,
    /// How often a participant that is not registered is looked for.
    pub recheck_ms: u64,
    /// The pause between two looks at a transaction that was sent.
    pub look_ms: u64,
    /// How often a node's heartbeat is sponsored at most.
    pub heartbeat_every_s: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            retry_first_ms: 250,
            retry_max_ms: 30_000,
            blocked_ms: 60_000,
            recheck_ms: 15_000,
            look_ms: 100,
            heartbeat_every_s: 600,
        }
    }
}
