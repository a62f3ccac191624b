//! What a session pays, for people and for programs: what `rewards --run-dir RUN` prints.

use crate::session::{Address, Conditions, Outcome, WorkerId};
use crate::{Factors, Participant, Rules, Share, hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod ranking;
mod table;

pub use ranking::{Ranked, ranking};

/// The report of a session.
///
/// It has one row for each account and not for each worker: an account is what is scored and paid, so that every row
/// can be recomputed from the rows alone and the rewards add up to the pool. The further workers of an account stand in
/// its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub session: String,
    /// What it had to pay: base pool and bonus pool.
    pub pool: u64,
    /// What goes pro rata to all scores.
    pub base_pool: u64,
    /// What goes to the best: half to the highest tenth, half to quality above the threshold.
    pub bonus_pool: u64,
    /// What is paid to all together.
    pub total: u64,
    /// What goes back to the sponsor: the pool when all scores are 0, otherwise nothing.
    pub returned: u64,
    /// The percentages and the threshold.
    pub rules: Rules,
    /// How many settlements this follows from.
    pub settlements: u64,
    /// The accounts, highest reward first.
    pub workers: Vec<Row>,
}

/// An account of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its place, from 1.
    pub rank: u64,
    /// The account's worker; of several, the lowest.
    #[serde(with = "hex::worker")]
    pub worker: WorkerId,
    /// The account's further workers.
    #[serde(with = "hex::workers")]
    pub further_workers: Vec<WorkerId>,
    #[serde(with = "hex::address")]
    pub address: Address,
    /// Reference milliseconds, in all.
    pub compute_time: u64,
    /// Mean quality, 0 to 100.
    pub gradient_quality: u64,
    /// Delivered bytes, in all.
    pub data_transmitted: u64,
    /// Mean uptime, 0 to 100.
    pub uptime_ratio: u64,
    /// The score's factors, 0 to 100 each.
    pub factors: Factors,
    /// 0 to 10,000.
    pub score: u64,
    /// Of the base pool.
    pub base: u64,
    /// Of the bonus pool.
    pub bonus: u64,
    /// Base and bonus.
    pub reward: u64,
    /// The transaction that paid it, or that made it claimable.
    pub tx: Option<String>,
}

impl Report {
    /// The report of a session's outcome; `transactions` are those that paid, by account.
    pub fn new(
        session: impl Into<String>,
        conditions: &Conditions,
        outcome: &Outcome,
        transactions: &BTreeMap<Address, String>,
    ) -> Report {
        let (base_pool, bonus_pool) = conditions.rules.pools(conditions.pool);
        let workers = workers_by_account(outcome);
        let shares = outcome.split.shares.iter().zip(&outcome.participants);
        let shares: BTreeMap<Address, _> = shares.map(|pair| (pair.0.address, pair)).collect();
        let row = |ranked: Ranked| {
            let (share, participant) = shares.get(&ranked.address)?;
            let tx = transactions.get(&ranked.address).cloned();
            Some(row(ranked.rank, share, participant, workers.get(&ranked.address)?, tx))
        };
        Report {
            session: session.into(),
            pool: conditions.pool,
            base_pool,
            bonus_pool,
            total: outcome.split.total(),
            returned: outcome.split.returned,
            rules: conditions.rules,
            settlements: outcome.settlements.len() as u64,
            workers: ranking(&outcome.split).into_iter().filter_map(row).collect(),
        }
    }

    /// The report as an aligned table, with the totals below it.
    pub fn to_text(&self) -> String {
        table::render(self)
    }
}

fn row(rank: u64, share: &Share, participant: &Participant, workers: &[WorkerId], tx: Option<String>) -> Row {
    let (worker, further) = workers.split_first().map_or(([0; 32], &[][..]), |(first, rest)| (*first, rest));
    Row {
        rank,
        worker,
        further_workers: further.to_vec(),
        address: share.address,
        compute_time: participant.compute_time,
        gradient_quality: share.factors.quality,
        data_transmitted: participant.data_transmitted,
        uptime_ratio: share.factors.uptime,
        factors: share.factors,
        score: share.score,
        base: share.base,
        bonus: share.top + share.quality_bonus,
        reward: share.reward(),
        tx,
    }
}

/// The workers of each account that has an entry, in their order.
pub(crate) fn workers_by_account(outcome: &Outcome) -> BTreeMap<Address, Vec<WorkerId>> {
    let entries = outcome.settlements.iter().flat_map(|settlement| &settlement.entries);
    let mut pairs: Vec<(Address, WorkerId)> = entries.map(|entry| (entry.address, entry.worker)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut workers: BTreeMap<Address, Vec<WorkerId>> = BTreeMap::new();
    for (address, worker) in pairs {
        workers.entry(address).or_default().push(worker);
    }
    workers
}

#[cfg(test)]
mod tests;
