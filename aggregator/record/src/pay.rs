//! From recorded rounds to what is paid for (`move/REWARDS.md`): the one place where a verdict becomes money.
//!
//! Invariant: what counts is decided by the type of a reason, never by its words, so that a new reason does not compile
//! until somebody decided what it is worth.

use disk::{FileError, read_json_lines_if_any};
use protocol::{Reason, SessionId, WorkerId};
use rewards::session::{Accounts, Counted, Round};
use serde::{Deserialize, Serialize};

use crate::{ContributionRecord, RoundRecord, RunDirectory};

/// A worker's account; a line of `accounts.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLine {
    pub worker: WorkerId,
    /// Its account on the ledger, `0x` and 64 hexadecimal digits.
    pub address: contract::Address,
}

/// Where a run reports to, for the commands that come after it: `ledger/place.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerPlace {
    /// The REST interface.
    pub url: String,
    /// The account that holds the contract.
    pub module: contract::Address,
    pub chain_id: u8,
    /// The account that reports.
    pub sponsor: contract::Address,
    /// The session's number on the ledger.
    pub session_number: u64,
}

/// The ledger's number of a session: the first eight bytes of its id, big-endian.
#[must_use]
pub fn session_number(session: &SessionId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *session.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// A round as the accounting takes it.
#[must_use]
pub fn counted(record: &RoundRecord) -> Round {
    Round { round: record.round.0, contributions: record.contributions.iter().map(counted_contribution).collect() }
}

fn counted_contribution(record: &ContributionRecord) -> Counted {
    let (accepted, delivered) = match record.reason {
        Reason::Passed => (true, true),
        // The payload did not arrive as it was committed: its length is a mere claim.
        Reason::Withheld | Reason::Undelivered | Reason::CommitmentMismatch | Reason::WrongSize => (false, false),
        // It arrived and was turned away: its bytes crossed the link all the same.
        Reason::WrongHeader
        | Reason::WrongTokens
        | Reason::InvalidEncoding
        | Reason::NotFinite
        | Reason::Duplicate { .. }
        | Reason::NormOutOfRange
        | Reason::LowUsefulness
        | Reason::LowScore
        | Reason::LowStanding => (false, true),
    };
    Counted {
        worker: record.worker.0,
        bytes: record.bytes,
        tokens: record.tokens,
        score: u64::from(record.score),
        accepted,
        delivered,
    }
}

/// The accounts of some lines.
#[must_use]
pub fn accounts(lines: &[AccountLine]) -> Accounts {
    lines.iter().map(|line| (line.worker.0, line.address.0)).collect()
}

/// The accounts that a run's workers chose.
///
/// # Errors
/// When the file is damaged.
pub fn read_accounts(run: &RunDirectory) -> Result<Accounts, FileError> {
    Ok(accounts(&read_json_lines_if_any(&run.accounts())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Verdict;

    fn judged(reason: Reason) -> Counted {
        let verdict = if reason == Reason::Passed { Verdict::Accepted } else { Verdict::Rejected };
        counted_contribution(&ContributionRecord {
            worker: WorkerId([1; 32]),
            payload_hash: None,
            bytes: 84,
            tokens: 100,
            score: 90,
            weight: 64,
            clip: 256,
            verdict,
            reason,
        })
    }

    #[test]
    fn only_what_passed_is_accepted_and_only_what_arrived_as_committed_is_delivered() {
        let counts = |reason| (judged(reason).accepted, judged(reason).delivered);
        assert_eq!(counts(Reason::Passed), (true, true));
        for reason in [Reason::Withheld, Reason::Undelivered, Reason::CommitmentMismatch, Reason::WrongSize] {
            assert_eq!(counts(reason), (false, false), "{reason}");
        }
        for reason in [Reason::WrongHeader, Reason::InvalidEncoding, Reason::NotFinite, Reason::LowScore] {
            assert_eq!(counts(reason), (false, true), "{reason}");
        }
    }

    #[test]
    fn the_number_of_a_session_is_the_start_of_its_id() {
        let mut id = [0; 32];
        id[6..9].copy_from_slice(&[1, 2, 3]);
        assert_eq!(session_number(&SessionId(id)), 0x0102);
    }
}
