//! How a worker's reward follows from its rounds, to the last unit.
//!
//! An [`Explanation`] holds every number of every formula of `move/REWARDS.md`, as a program reads it;
//! [`Explanation::to_text`] writes the formulas out with the numbers filled in.

use crate::report::workers_by_account;
use crate::session::{
    Accountant, Accounts, Address, Closed, Conditions, Entry, Outcome, Round, SessionError, Tally, WorkerId,
};
use crate::{Factors, Participant, Rules, Share, Split, hex};
use serde::{Deserialize, Serialize};

mod text;

/// A worker's reward: that of its account, with all workers of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The worker that was asked for.
    #[serde(with = "hex::worker")]
    pub worker: WorkerId,
    /// The account that is paid.
    #[serde(with = "hex::address")]
    pub address: Address,
    /// The model's parameters.
    pub parameters: u64,
    pub pool: u64,
    /// How it is split.
    pub rules: Rules,
    /// What each worker of the account did, settlement by settlement.
    pub workers: Vec<Work>,
    /// The account's totals.
    pub totals: Participant,
    /// The largest compute time of the session.
    pub compute_time_max: u64,
    /// The most data of the session.
    pub data_transmitted_max: u64,
    /// The score's factors.
    pub factors: Factors,
    /// 0 to 10,000.
    pub score: u64,
    /// How many scores are above 0.
    pub positive_scores: u64,
    /// How many of them are the highest tenth.
    pub top_scores: u64,
    /// How many of them have a mean quality above the threshold.
    pub scores_above_threshold: u64,
    /// The share of the base pool.
    pub base: Part,
    /// The share of the pool of the highest tenth.
    pub top: Part,
    /// The share of the pool of quality.
    pub quality_bonus: Part,
    /// The three together.
    pub reward: u64,
}

/// What one worker did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    #[serde(with = "hex::worker")]
    pub worker: WorkerId,
    /// Its settlements.
    pub intervals: Vec<Interval>,
}

/// A settlement's rounds and the entry that they make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    pub settlement: u64,
    /// The first round that it covers.
    pub first_round: u64,
    /// The last round that it covers.
    pub last_round: u64,
    /// The rounds to which the worker contributed.
    pub rounds: Vec<Contributed>,
    /// The counts at its end.
    pub tally: Tally,
    /// What they make.
    pub entry: Entry,
}

/// A contribution to a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contributed {
    pub round: u64,
    /// Tokens that it trained on.
    pub tokens: u64,
    /// Bytes of its payload.
    pub bytes: u64,
    /// Quality, 0 to 100.
    pub score: u64,
    /// Whether its tokens count.
    pub accepted: bool,
    /// Whether its bytes count.
    pub delivered: bool,
}

/// A share of one of the three pools: ⌊amount · weight / weights⌋, and a unit more for one of the largest remainders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub amount: u64,
    /// The account's score where it has a part, otherwise 0.
    pub weight: u64,
    /// The sum of all weights; 0 when nothing is split.
    pub weights: u64,
    /// The share rounded down.
    pub floor: u64,
    /// What rounding down left, out of `weights`.
    pub remainder: u64,
    pub share: u64,
}

/// How a worker's reward follows from the rounds; `None` when it contributed to none.
///
/// # Errors
/// When the rounds cannot be the log of a session.
pub fn explain(
    conditions: &Conditions,
    accounts: &Accounts,
    rounds: &[Round],
    worker: &WorkerId,
) -> Result<Option<Explanation>, SessionError> {
    let closed = close_all(conditions, accounts, rounds)?;
    let settlements = closed.iter().map(|closed| closed.settlement.clone()).collect();
    let outcome = Outcome::of_settlements(conditions, settlements)?;
    let address = accounts.address(worker);
    let mut workers = workers_by_account(&outcome).remove(&address).unwrap_or_default();
    if !workers.contains(worker) {
        return Ok(None);
    }
    // The one that was asked for comes first.
    workers.sort_by_key(|one| one != worker);
    let work = workers.iter().map(|one| Work { worker: *one, intervals: intervals(&closed, rounds, one) }).collect();
    Ok(from_split(conditions, &outcome, *worker, address, work))
}

fn close_all(conditions: &Conditions, accounts: &Accounts, rounds: &[Round]) -> Result<Vec<Closed>, SessionError> {
    let mut accountant = Accountant::new(*conditions, accounts.clone());
    let mut closed = Vec::new();
    for round in rounds {
        closed.extend(accountant.push_in_full(round)?);
    }
    closed.extend(accountant.finish_in_full());
    Ok(closed)
}

fn intervals(closed: &[Closed], rounds: &[Round], worker: &WorkerId) -> Vec<Interval> {
    let interval = |Closed { settlement, tallies }: &Closed| {
        let entry = settlement.entries.iter().find(|entry| entry.worker == *worker)?;
        let (first_round, last_round) = (settlement.first_round, settlement.last_round);
        let covered = rounds.iter().filter(|round| (first_round..=last_round).contains(&round.round));
        Some(Interval {
            settlement: settlement.settlement,
            first_round,
            last_round,
            rounds: covered.filter_map(|round| contributed(round, worker)).collect(),
            tally: *tallies.get(worker)?,
            entry: *entry,
        })
    };
    closed.iter().filter_map(interval).collect()
}

fn contributed(round: &Round, worker: &WorkerId) -> Option<Contributed> {
    let own = round.contributions.iter().find(|one| one.worker == *worker)?;
    Some(Contributed {
        round: round.round,
        tokens: own.tokens,
        bytes: own.bytes,
        score: own.score,
        accepted: own.accepted,
        delivered: own.delivered,
    })
}

fn from_split(
    conditions: &Conditions,
    outcome: &Outcome,
    worker: WorkerId,
    address: Address,
    workers: Vec<Work>,
) -> Option<Explanation> {
    let (split, all) = (&outcome.split, &outcome.participants);
    let share = split.shares.iter().find(|share| share.address == address)?;
    let count = |of: fn(&Share) -> bool| split.shares.iter().filter(|share| of(share)).count() as u64;
    let scores_above_threshold = count(|share| share.is_above_threshold);
    // Without a quality above the threshold its pool goes to the highest tenth too.
    let good: fn(&Share) -> bool =
        if scores_above_threshold > 0 { |share| share.is_above_threshold } else { |share| share.is_top };
    Some(Explanation {
        worker,
        address,
        parameters: conditions.parameters,
        pool: conditions.pool,
        rules: conditions.rules,
        workers,
        totals: *all.iter().find(|one| one.address == address)?,
        compute_time_max: all.iter().map(|one| one.compute_time).max()?,
        data_transmitted_max: all.iter().map(|one| one.data_transmitted).max()?,
        factors: share.factors,
        score: share.score,
        positive_scores: count(|share| share.score > 0),
        top_scores: count(|share| share.is_top),
        scores_above_threshold,
        base: Part::of(split, split.base_pool, share, |_| true, share.base),
        top: Part::of(split, split.top_pool, share, |share| share.is_top, share.top),
        quality_bonus: Part::of(split, split.quality_pool, share, good, share.quality_bonus),
        reward: share.reward(),
    })
}

impl Part {
    fn of(split: &Split, amount: u64, own: &Share, has_part: fn(&Share) -> bool, share: u64) -> Part {
        let weigh = |share: &Share| if has_part(share) { share.score } else { 0 };
        let (weight, weights) = (weigh(own), split.shares.iter().map(weigh).sum::<u64>());
        let product = u128::from(amount) * u128::from(weight);
        let floor = product.checked_div(u128::from(weights)).unwrap_or(0) as u64;
        let remainder = product.checked_rem(u128::from(weights)).unwrap_or(0) as u64;
        Part { amount, weight, weights, floor, remainder, share }
    }
}

impl Explanation {
    /// The formulas with their numbers, for people.
    pub fn to_text(&self) -> String {
        text::render(self)
    }
}

#[cfg(test)]
mod tests;
