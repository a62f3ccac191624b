//! Which reports are taken: each once, in order, and only what the contract will be able to hold.

use super::{Durable, Record, Report};
use crate::{Entry, SessionConditions};
use contract::Address;
use std::collections::BTreeMap;

/// The reports that may wait at once.
const REPORTS_MAX: usize = 65_536;
/// The entries that may wait at once.
const ENTRIES_MAX: usize = 1_000_000;

/// Why a report is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untaken {
    #[error("no session was opened yet")]
    NoSession,
    #[error("session {0} was opened here; another needs a folder of its own")]
    OtherSession(u64),
    #[error("the session was finished; nothing more can be reported")]
    Finished,
    #[error("too much waits already: the ledger has not been reached for long, or participants never register")]
    Full,
    #[error("a quality or uptime of {0} is above 100")]
    Ratio(u64),
    #[error("the sums of {0} would leave 64 bits")]
    Overflow(Address),
    #[error("amounts that add to {total} are more than the pool of {pool}")]
    Pool { total: u128, pool: u64 },
    #[error("participants contributed, but no amounts were given")]
    NoAmounts,
}

impl Durable {
    /// The record that takes a report; none where it was taken before.
    pub(crate) fn take(&self, report: Report) -> Result<Option<Record>, Untaken> {
        let known = match &report {
            Report::Open(conditions) => self.check_open(conditions)?,
            _ if self.session.is_none() => return Err(Untaken::NoSession),
            Report::Settle { settlement, .. } if *settlement <= self.last_settlement => true,
            Report::Anchor(anchor) if anchor.round <= self.last_round => true,
            Report::Term(term) if term.term <= self.last_term => true,
            Report::Finish { .. } if self.amounts.is_some() => true,
            _ if self.amounts.is_some() => return Err(Untaken::Finished),
            Report::Settle { entries, .. } => self.check_entries(entries)?,
            Report::Finish { amounts } => self.check_amounts(amounts)?,
            Report::Anchor(_) | Report::Term(_) => false,
        };
        if !known && self.items.len() >= REPORTS_MAX {
            return Err(Untaken::Full);
        }
        Ok((!known).then_some(Record::Report(report)))
    }

    fn check_open(&self, conditions: &SessionConditions) -> Result<bool, Untaken> {
        match &self.session {
            Some(before) if before == conditions => Ok(true),
            Some(before) => Err(Untaken::OtherSession(before.session_number)),
            None => Ok(false),
        }
    }

    fn check_entries(&self, entries: &[Entry]) -> Result<bool, Untaken> {
        if self.waiting_count + entries.len() > ENTRIES_MAX {
            return Err(Untaken::Full);
        }
        let mut sums = BTreeMap::new();
        for of in entries {
            let ratio = of.gradient_quality.max(of.uptime_ratio);
            if ratio > contract::limits::RATIO_MAX {
                return Err(Untaken::Ratio(ratio));
            }
            let participant = Address(of.address);
            let before = || self.sums.get(&participant).copied().unwrap_or_default();
            let (time, data) = sums.entry(participant).or_insert_with(before);
            let sum = time.checked_add(of.compute_time).zip(data.checked_add(of.data_transmitted));
            (*time, *data) = sum.ok_or(Untaken::Overflow(participant))?;
        }
        Ok(false)
    }

    fn check_amounts(&self, amounts: &BTreeMap<Address, u64>) -> Result<bool, Untaken> {
        let (total, pool) = (total(amounts), self.session.as_ref().map_or(0, |conditions| conditions.pool));
        if total > u128::from(pool) {
            return Err(Untaken::Pool { total, pool });
        }
        if amounts.is_empty() && !self.sums.is_empty() { Err(Untaken::NoAmounts) } else { Ok(false) }
    }
}

fn total(amounts: &BTreeMap<Address, u64>) -> u128 {
    amounts.values().map(|amount| u128::from(*amount)).sum()
}
