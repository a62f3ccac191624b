//! What a worker may expect while its session is under way.

use crate::hex;
use crate::session::{
    Accountant, Accounts, Address, Conditions, Counted, Outcome, Round, SessionError, Settlement, WorkerId,
};
use serde::{Deserialize, Serialize};

/// Of how many of the newest rounds the pace is taken: who trains now, at the rate of now.
pub const PACE_ROUNDS: usize = 20;
/// At most so many future rounds are played for each committed one; beyond that, what was done so far weighs under 2 %.
const FUTURE_PER_ROUND: u64 = 64;

/// The final reward of a worker's account, as far as it can be told. low ≤ expected ≤ high ≤ pool.
///
/// Three futures are played through the very accounting that pays: in each, the session's newest [`PACE_ROUNDS`] rounds
/// repeat up to the planned number of rounds. *Expected* leaves them as they were. In the second the worker
/// contributes nothing any more, in the third it makes in every round a contribution of the highest score, tokens and
/// bytes of its accepted ones so far (of anyone's, while none of its were). The low end is the least of the three and
/// the high end the most. The range is about the worker's own part: it does not cover others who come, leave or change
/// their pace. When the session is over all three are the reward; before the session's first contribution nothing is
/// known, and the range is 0 to the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    #[serde(with = "hex::worker")]
    pub worker: WorkerId,
    /// Its account, whose reward this is.
    #[serde(with = "hex::address")]
    pub address: Address,
    /// Rounds that committed so far.
    pub rounds: u64,
    /// Rounds after which the session ends.
    pub planned_rounds: u64,
    /// The least of the three futures.
    pub low: u64,
    /// The reward if all goes on as now.
    pub expected: u64,
    /// The most of the three futures.
    pub high: u64,
}

/// Projects the final reward of a worker's account.
///
/// # Errors
/// When the rounds cannot be the log of a session.
pub fn project(
    conditions: &Conditions,
    accounts: &Accounts,
    rounds: &[Round],
    planned_rounds: u64,
    worker: &WorkerId,
) -> Result<Projection, SessionError> {
    let past = Past::replay(conditions, accounts, rounds)?;
    let address = accounts.address(worker);
    let committed = rounds.len() as u64;
    let remaining = planned_rounds.saturating_sub(committed).min(committed.saturating_mul(FUTURE_PER_ROUND));
    let unknown = planned_rounds > committed && rounds.iter().all(|round| round.contributions.is_empty());
    let window = &rounds[rounds.len().saturating_sub(PACE_ROUNDS)..];
    let best = best(rounds, worker);
    let play = |own: &dyn Fn(Option<Counted>) -> Option<Counted>| {
        past.continued(conditions, window, remaining, worker, own).map(|outcome| reward(&outcome, &address))
    };
    let expected = play(&|own| own)?;
    let futures = [expected, play(&|_| None)?, play(&|_| best)?];
    let low = futures.into_iter().min().unwrap_or(expected);
    let high = if unknown { conditions.pool } else { futures.into_iter().max().unwrap_or(expected) };
    Ok(Projection { worker: *worker, address, rounds: committed, planned_rounds, low, expected, high })
}

/// Where the session stands.
struct Past {
    accountant: Accountant,
    settlements: Vec<Settlement>,
}

impl Past {
    fn replay(conditions: &Conditions, accounts: &Accounts, rounds: &[Round]) -> Result<Past, SessionError> {
        let mut accountant = Accountant::new(*conditions, accounts.clone());
        let mut settlements = Vec::new();
        for round in rounds {
            settlements.extend(accountant.push(round)?);
        }
        Ok(Past { accountant, settlements })
    }

    /// The outcome when the window repeats for so many rounds, in which `own` makes the worker's contributions of those
    /// that the window has.
    fn continued(
        &self,
        conditions: &Conditions,
        window: &[Round],
        remaining: u64,
        worker: &WorkerId,
        own: &dyn Fn(Option<Counted>) -> Option<Counted>,
    ) -> Result<Outcome, SessionError> {
        let (mut accountant, mut settlements) = (self.accountant.clone(), self.settlements.clone());
        let after = accountant.last_round().map_or(0, |last| last.saturating_add(1));
        for (round, pattern) in (after..u64::MAX).zip(window.iter().cycle()).take(remaining as usize) {
            let contributions = replaced(&pattern.contributions, worker, own);
            settlements.extend(accountant.push(&Round { round, contributions })?);
        }
        settlements.extend(accountant.finish());
        Ok(Outcome::of_settlements(conditions, settlements)?)
    }
}

fn replaced(all: &[Counted], worker: &WorkerId, own: &dyn Fn(Option<Counted>) -> Option<Counted>) -> Vec<Counted> {
    let (mine, mut others): (Vec<Counted>, Vec<Counted>) = all.iter().partition(|one| one.worker == *worker);
    others.extend(own(mine.first().copied()));
    others
}

/// A contribution of the highest numbers of the worker's accepted ones so far, or of anyone's when none of its were.
fn best(rounds: &[Round], worker: &WorkerId) -> Option<Counted> {
    let all = || rounds.iter().flat_map(|round| &round.contributions);
    let highest = |one: Counted, other: &Counted| Counted {
        bytes: one.bytes.max(other.bytes),
        tokens: one.tokens.max(other.tokens),
        score: one.score.max(other.score),
        ..one
    };
    let start = Counted { worker: *worker, accepted: true, delivered: true, ..Counted::default() };
    let counted = || all().filter(|one| one.accepted && one.delivered);
    let own = counted().any(|one| one.worker == *worker);
    all().next().map(|_| counted().filter(|one| !own || one.worker == *worker).fold(start, highest))
}

fn reward(outcome: &Outcome, address: &Address) -> u64 {
    let mut shares = outcome.split.shares.iter();
    shares.find(|share| share.address == *address).map_or(0, crate::Share::reward)
}

#[cfg(test)]
mod tests;
