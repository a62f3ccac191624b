//! What a session owes its workers, kept in the run directory: accounts, settlements, and the payout at its end.
//!
//! Everything but the accounts follows from `rounds.jsonl` (`move/REWARDS.md`), so a restart replays that log, and anybody can
//! recompute the rest. Invariants: the account that a worker is paid to is on the disk before a settlement that names it,
//! and a settlement before it is reported; a worker's account never changes in a session.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use protocol::{Reason, SessionId, WorkerId};
use rewards::payout::Payout;
use rewards::session::{Accountant, Accounts, Address, Contribution, Outcome, Round, Settlement, Terms};
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError, JsonLines, read_json_lines_if_any};
use crate::genesis::Genesis;
use crate::job::Job;
use crate::rounds_log::{ContributionLine, RoundCommitted};
use crate::run_directory::RunDirectory;

mod interval;

pub use interval::Interval;

/// Why a session's books cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum SettlementError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The rounds are not the log of a session.
    #[error("rounds.jsonl is not the log of a session: {0}")]
    Session(#[from] rewards::session::SessionError),
    /// The rewards cannot be split.
    #[error(transparent)]
    Reward(#[from] rewards::RewardError),
    /// A worker's id in the log is not one.
    #[error("round {round} names the worker {worker:?}, which is not 64 hexadecimal digits")]
    Worker {
        /// The round.
        round: u64,
        /// The id.
        worker: String,
    },
    /// What was settled before differs from what the log says now.
    #[error("settlement {0} is recorded otherwise than the rounds have it: the run directory was altered")]
    Altered(u64),
}

/// Reasons by which a payload did not arrive as it was committed: its length is a mere claim then.
const NOT_DELIVERED: [Reason; 4] =
    [Reason::Withheld, Reason::Undelivered, Reason::CommitmentMismatch, Reason::WrongSize];

/// A worker's account; a line of `accounts.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLine {
    /// The worker.
    pub worker: WorkerId,
    /// Its account on the ledger, `0x` and 64 hexadecimal digits.
    pub address: contract::Address,
}

/// The open books of a session.
pub struct Books {
    run: RunDirectory,
    terms: Terms,
    session_id: u64,
    accountant: Accountant,
    accounts: JsonLines,
    /// Workers with a line in the accounts.
    linked: BTreeSet<WorkerId>,
    lines: JsonLines,
    /// What the file held when it was opened.
    recorded: Vec<Settlement>,
    settled: Vec<Settled>,
    interval: Interval,
}

/// A settlement and the rounds that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What is owed.
    pub settlement: Settlement,
    /// What is anchored with it.
    pub interval: Interval,
}

/// The ledger's number of a session: the first eight bytes of its id.
#[must_use]
pub fn session_number(session: &SessionId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *session.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// What a session's rewards depend on besides its rounds.
///
/// # Errors
/// When the percentages make no rules, which the job's own checks rule out.
pub fn terms(job: &Job, parameters: u64) -> Result<Terms, rewards::RewardError> {
    let section = &job.rewards;
    let rules = rewards::Rules::new(section.base_percentage, section.bonus_percentage, section.quality_threshold)?;
    let settle_every = NonZeroU64::new(section.settle_every).unwrap_or(NonZeroU64::MIN);
    Ok(Terms { parameters, settle_every, pool: section.pool, rules })
}

/// A line of the log as the accounting takes it.
///
/// # Errors
/// When a worker's id is not one.
pub fn round(line: &RoundCommitted) -> Result<Round, SettlementError> {
    let contributions =
        line.contributions.iter().map(|entry| contribution(line.round, entry)).collect::<Result<_, _>>()?;
    Ok(Round { round: line.round, contributions })
}

fn contribution(round: u64, line: &ContributionLine) -> Result<Contribution, SettlementError> {
    let invalid = |_| SettlementError::Worker { round, worker: line.worker.clone() };
    Ok(Contribution {
        worker: line.worker.parse::<WorkerId>().map_err(invalid)?.0,
        bytes: line.bytes,
        tokens: line.tokens,
        score: u64::from(line.score),
        accepted: line.verdict == "accepted",
        delivered: NOT_DELIVERED.iter().all(|reason| reason.to_string() != line.reason),
    })
}

/// The accounts that a run's workers chose.
///
/// # Errors
/// When the file is damaged.
pub fn read_accounts(run: &RunDirectory) -> Result<Accounts, FileError> {
    Ok(accounts(&read_json_lines_if_any(&run.accounts())?))
}

fn accounts(lines: &[AccountLine]) -> Accounts {
    lines.iter().map(|line| (line.worker.0, line.address.0)).collect()
}

impl Books {
    /// Opens the books of a run and brings them up to its log, whose lines are `rounds`.
    ///
    /// # Errors
    /// [`SettlementError`] when a file is damaged or contradicts the log.
    pub fn open(
        run: &RunDirectory,
        genesis: &Genesis,
        job: &Job,
        rounds: &[RoundCommitted],
    ) -> Result<Self, SettlementError> {
        files::create_directory(&run.ledger())?;
        let terms = terms(job, genesis.elements)?;
        let (lines, recorded) = JsonLines::open::<Settlement>(&run.settlements())?;
        let (accounts, links) = JsonLines::open::<AccountLine>(&run.accounts())?;
        let accountant = Accountant::new(terms, self::accounts(&links));
        let linked = links.iter().map(|line| line.worker).collect();
        let session_id = session_number(&genesis.session);
        let (settled, interval) = (Vec::new(), Interval::default());
        let run = run.clone();
        let mut books =
            Self { run, terms, session_id, accountant, accounts, linked, lines, recorded, settled, interval };
        for line in rounds {
            books.committed(line)?;
        }
        Ok(books)
    }

    /// Everything that was settled so far.
    #[must_use]
    pub fn settled(&self) -> &[Settled] {
        &self.settled
    }

    /// The ledger's number of the session.
    #[must_use]
    pub fn session_id(&self) -> u64 {
        self.session_id
    }

    /// Takes the account that a worker chose; false once it has contributed or chosen another.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn link(&mut self, worker: WorkerId, address: Address) -> Result<bool, SettlementError> {
        if !self.accountant.link(worker.0, address) {
            return Ok(false);
        }
        if self.linked.insert(worker) {
            self.accounts.append(&AccountLine { worker, address: contract::Address(address) })?;
        }
        Ok(true)
    }

    /// Counts a committed round; the settlement that it completes, durable.
    ///
    /// # Errors
    /// [`SettlementError`] when the round does not follow or the disk refuses.
    pub fn committed(&mut self, line: &RoundCommitted) -> Result<Option<Settled>, SettlementError> {
        self.interval.push(line);
        let settlement = self.accountant.push(&round(line)?)?;
        settlement.map(|settlement| self.record(settlement)).transpose()
    }

    /// Settles what remains and writes the payout.
    ///
    /// # Errors
    /// [`SettlementError`] when the disk refuses.
    pub fn finish(&mut self) -> Result<(Option<Settled>, Payout), SettlementError> {
        let rest = self.accountant.clone().finish();
        let rest = rest.map(|settlement| self.record(settlement)).transpose()?;
        let settlements: Vec<Settlement> = self.settled.iter().map(|settled| settled.settlement.clone()).collect();
        let outcome = Outcome::of_settlements(&self.terms, settlements)?;
        let payout = Payout::new(self.session_id, self.terms.pool, self.terms.rules, &outcome.split);
        files::write_json(&self.run.payout(), &payout)?;
        Ok((rest, payout))
    }

    /// Writes a settlement, unless it was recorded before; then it must be the same.
    fn record(&mut self, settlement: Settlement) -> Result<Settled, SettlementError> {
        match self.recorded.get(self.settled.len()) {
            Some(recorded) if *recorded == settlement => {}
            Some(_) => return Err(SettlementError::Altered(settlement.settlement)),
            None => self.lines.append(&settlement)?,
        }
        let settled = Settled { settlement, interval: std::mem::take(&mut self.interval) };
        self.settled.push(settled.clone());
        Ok(settled)
    }
}

#[cfg(test)]
mod tests;
