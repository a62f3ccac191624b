//! The accounting as a state machine: a committed round goes in, a settlement comes out when one is due.

use super::{Accounts, Address, Conditions, Round, SessionError, Settlement, Tally, WorkerId};
use std::collections::{BTreeMap, BTreeSet};

/// Counts committed rounds and settles every [`Conditions::settle_every`] of them.
///
/// It is a function of the rounds pushed so far: after a restart, push the log again and the settlements come out as
/// they did before. Rounds before the session's first contribution belong to no settlement, so that none is empty.
#[derive(Debug, Clone)]
pub struct Accountant {
    conditions: Conditions,
    accounts: Accounts,
    tallies: BTreeMap<WorkerId, Tally>,
    /// The newest round that was pushed.
    last_round: Option<u64>,
    settled: u64,
    open: Open,
}

/// The interval that is not settled yet.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    first_round: u64,
    rounds: u64,
}

/// A settlement with the counts behind its entries.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) settlement: Settlement,
    pub(crate) tallies: BTreeMap<WorkerId, Tally>,
}

impl Accountant {
    /// An accountant at the session's start.
    pub fn new(conditions: Conditions, accounts: Accounts) -> Accountant {
        Accountant {
            conditions,
            accounts,
            tallies: BTreeMap::new(),
            last_round: None,
            settled: 0,
            open: Open::default(),
        }
    }

    /// Links a worker to an account; false, and nothing is changed, once it has contributed or has another link. That
    /// keeps the settlements a function of the rounds and the links, whenever these were made.
    pub fn link(&mut self, worker: WorkerId, address: Address) -> bool {
        if let Some(tally) = self.tallies.get(&worker) {
            return tally.address == address;
        }
        self.accounts.link(worker, address)
    }

    /// How many settlements came out so far.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// The newest round that was pushed.
    pub fn last_round(&self) -> Option<u64> {
        self.last_round
    }

    /// Counts a committed round; the settlement that it completes, if it does.
    ///
    /// # Errors
    /// When this cannot be the next round; nothing is counted then.
    pub fn push(&mut self, round: &Round) -> Result<Option<Settlement>, SessionError> {
        Ok(self.push_in_full(round)?.map(|closed| closed.settlement))
    }

    /// The settlement of the rounds that remain; none when none does. To look ahead, finish a clone.
    pub fn finish(self) -> Option<Settlement> {
        self.finish_in_full().map(|closed| closed.settlement)
    }

    pub(crate) fn push_in_full(&mut self, round: &Round) -> Result<Option<Closed>, SessionError> {
        self.check(round)?;
        self.last_round = Some(round.round);
        if self.tallies.is_empty() && round.contributions.is_empty() {
            return Ok(None);
        }
        if self.open.rounds == 0 {
            self.open.first_round = round.round;
        }
        self.open.rounds += 1;
        for contribution in &round.contributions {
            let address = || Tally::new(self.accounts.address(&contribution.worker));
            self.tallies.entry(contribution.worker).or_insert_with(address).count(contribution);
        }
        self.tallies.values_mut().for_each(|tally| tally.rounds += 1);
        Ok((self.open.rounds == self.conditions.settle_every.get()).then(|| self.close(round.round)))
    }

    pub(crate) fn finish_in_full(mut self) -> Option<Closed> {
        let last_round = self.last_round.filter(|_| self.open.rounds > 0)?;
        Some(self.close(last_round))
    }

    fn check(&self, round: &Round) -> Result<(), SessionError> {
        if let Some(last) = self.last_round.filter(|last| round.round <= *last) {
            return Err(SessionError::RoundOutOfOrder { round: round.round, last });
        }
        let mut seen = BTreeSet::new();
        for contribution in &round.contributions {
            let (round, worker, score) = (round.round, contribution.worker, contribution.score);
            if score > 100 {
                return Err(SessionError::InvalidScore { round, worker, score });
            }
            if !seen.insert(worker) {
                return Err(SessionError::RepeatedWorker { round, worker });
            }
        }
        Ok(())
    }

    fn close(&mut self, last_round: u64) -> Closed {
        self.settled += 1;
        let parameters = self.conditions.parameters;
        let settlement = Settlement {
            settlement: self.settled,
            first_round: self.open.first_round,
            last_round,
            entries: self.tallies.iter().map(|(worker, tally)| tally.entry(*worker, parameters)).collect(),
        };
        self.open = Open::default();
        let after = self.tallies.iter().map(|(worker, tally)| (*worker, tally.settled(parameters))).collect();
        Closed { settlement, tallies: std::mem::replace(&mut self.tallies, after) }
    }
}
