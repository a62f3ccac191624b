//! What a session owes its workers, kept in the run directory: accounts, settlements, and the payout at its end.
//!
//! Everything but the accounts follows from `rounds.jsonl` (`move/REWARDS.md`), so a restart replays that log, and
//! anybody can recompute the rest. Invariants: the account that a worker is paid to is on the disk before a settlement
//! that names it, and a settlement before it is reported; a worker's account never changes in a session.

use std::collections::BTreeSet;

use disk::{FileError, JsonLines};
use node::job::Job;
use protocol::WorkerId;
use record::pay::{self, AccountLine};
use record::{Genesis, RoundRecord, RunDirectory};
use rewards::payout::Payout;
use rewards::session::{Accountant, Address, Conditions, Outcome, Settlement};

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
    /// What was settled before differs from what the log says now.
    #[error("settlement {0} is recorded otherwise than the rounds have it: the run directory was altered")]
    Altered(u64),
}

/// The open books of a session.
pub struct Books {
    run: RunDirectory,
    conditions: Conditions,
    session_number: u64,
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

impl Books {
    /// Opens the books of a run and brings them up to its log, whose lines are `rounds`.
    ///
    /// # Errors
    /// [`SettlementError`] when a file is damaged or contradicts the log.
    pub fn open(
        run: &RunDirectory,
        genesis: &Genesis,
        job: &Job,
        rounds: &[RoundRecord],
    ) -> Result<Self, SettlementError> {
        disk::create_directory(&run.ledger())?;
        let conditions = job.reward_conditions(genesis.elements)?;
        let (lines, recorded) = JsonLines::open::<Settlement>(&run.settlements())?;
        let (accounts, links) = JsonLines::open::<AccountLine>(&run.accounts())?;
        let accountant = Accountant::new(conditions, pay::accounts(&links));
        let linked = links.iter().map(|line| line.worker).collect();
        let session_number = pay::session_number(&genesis.session);
        let (settled, interval) = (Vec::new(), Interval::default());
        let run = run.clone();
        let mut books =
            Self { run, conditions, session_number, accountant, accounts, linked, lines, recorded, settled, interval };
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
    pub fn session_number(&self) -> u64 {
        self.session_number
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
    pub fn committed(&mut self, line: &RoundRecord) -> Result<Option<Settled>, SettlementError> {
        self.interval.push(line);
        let settlement = self.accountant.push(&pay::counted(line))?;
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
        let outcome = Outcome::of_settlements(&self.conditions, settlements)?;
        let payout = Payout::new(self.session_number, self.conditions.pool, self.conditions.rules, &outcome.split);
        disk::write_json(&self.run.payout(), &payout)?;
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
