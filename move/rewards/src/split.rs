//! The split of a session's pool among its participants.

use crate::{Factors, Participant, Rules};
use std::cmp::Reverse;
use thiserror::Error;

/// What is paid out and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Every participant's share, in the order of addresses.
    pub shares: Vec<Share>,
    /// What is split among all scores; 0 when all scores are 0, as the next two.
    pub base_pool: u64,
    /// What is split among the highest tenth.
    pub top_pool: u64,
    /// What is split among those above the threshold, or among the highest tenth when there are none.
    pub quality_pool: u64,
    /// What nobody earned: all of the pool when all scores are 0, otherwise nothing.
    pub returned: u64,
}

/// One participant's reward and all that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The account that is paid.
    pub address: [u8; 32],
    /// The four factors of the score.
    pub factors: Factors,
    /// 0 to 10,000.
    pub score: u64,
    /// Whether the score is among the highest tenth of the positive ones.
    pub is_top: bool,
    /// Whether the exact mean of the qualities is above the threshold, and the score positive.
    pub is_above_threshold: bool,
    /// Of the base pool.
    pub base: u64,
    /// Of the pool of the highest tenth.
    pub top: u64,
    /// Of the pool of quality.
    pub quality_bonus: u64,
}

/// What cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RewardError {
    /// Base and bonus are not 100 together, or the threshold is above 100.
    #[error("base {base} and bonus {bonus} must add to 100, and the threshold {threshold} be at most that")]
    InvalidRules {
        /// The base's percentage.
        base: u64,
        /// The bonus's percentage.
        bonus: u64,
        /// The quality threshold.
        threshold: u64,
    },
    /// A participant has no contribution.
    #[error("participant {0:02x?} has no contribution")]
    NoContribution([u8; 32]),
    /// A mean of numbers of 0 to 100 is above 100.
    #[error("participant {0:02x?} has a mean quality or uptime above 100")]
    InvalidRatio([u8; 32]),
    /// A participant is there twice.
    #[error("participant {0:02x?} is listed twice")]
    Duplicate([u8; 32]),
}

impl Share {
    /// What the participant is paid.
    pub fn reward(&self) -> u64 {
        self.base + self.top + self.quality_bonus
    }
}

impl Split {
    /// What is paid to all participants together.
    pub fn total(&self) -> u64 {
        self.shares.iter().map(Share::reward).sum()
    }
}

/// Splits a pool among participants, given in any order.
///
/// Steps 1 to 7 of `move/REWARDS.md`; the shares and what is returned add up to the pool.
pub fn split(pool: u64, rules: Rules, participants: &[Participant]) -> Result<Split, RewardError> {
    let mut shares = score_all(rules, participants)?;
    let scores: Vec<u64> = shares.iter().map(|share| share.score).collect();
    if scores.iter().all(|score| *score == 0) {
        return Ok(Split { shares, base_pool: 0, top_pool: 0, quality_pool: 0, returned: pool });
    }
    mark_top(&mut shares);
    let (base_pool, bonus_pool) = rules.pools(pool);
    let top_pool = bonus_pool / 2;
    let quality_pool = bonus_pool - top_pool;

    let any_above = shares.iter().any(|share| share.is_above_threshold);
    let weigh = |counts: fn(&Share) -> bool| -> Vec<u64> {
        shares.iter().map(|share| if counts(share) { share.score } else { 0 }).collect()
    };
    let top = weigh(|share| share.is_top);
    let above = if any_above { weigh(|share| share.is_above_threshold) } else { top.clone() };

    let parts = [pro_rata(base_pool, &scores), pro_rata(top_pool, &top), pro_rata(quality_pool, &above)];
    for (i, share) in shares.iter_mut().enumerate() {
        (share.base, share.top, share.quality_bonus) = (parts[0][i], parts[1][i], parts[2][i]);
    }
    Ok(Split { shares, base_pool, top_pool, quality_pool, returned: 0 })
}

/// Everyone's factors and score, in the order of addresses, with nothing paid yet.
fn score_all(rules: Rules, participants: &[Participant]) -> Result<Vec<Share>, RewardError> {
    let largest = |of: fn(&Participant) -> u64| participants.iter().map(of).max().unwrap_or(0);
    let (time_max, data_max) = (largest(|p| p.compute_time), largest(|p| p.data_transmitted));
    let mut sorted: Vec<&Participant> = participants.iter().collect();
    sorted.sort_unstable_by_key(|participant| participant.address);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].address == pair[1].address) {
        return Err(RewardError::Duplicate(pair[0].address));
    }
    sorted.into_iter().map(|participant| score_one(rules, participant, time_max, data_max)).collect()
}

fn score_one(rules: Rules, participant: &Participant, time_max: u64, data_max: u64) -> Result<Share, RewardError> {
    let address = participant.address;
    let count = u128::from(participant.count);
    if count == 0 {
        return Err(RewardError::NoContribution(address));
    }
    if u128::from(participant.quality_sum.max(participant.uptime_sum)) > 100 * count {
        return Err(RewardError::InvalidRatio(address));
    }
    let factors = Factors::of(participant, time_max, data_max);
    let score = factors.score();
    let above = u128::from(participant.quality_sum) > u128::from(rules.quality_threshold()) * count;
    let is_above_threshold = score > 0 && above;
    Ok(Share { address, factors, score, is_top: false, is_above_threshold, base: 0, top: 0, quality_bonus: 0 })
}

/// Marks the max(1, ⌊m/10⌋) highest of the m positive scores; ties go to the lower address.
fn mark_top(shares: &mut [Share]) {
    let mut positive: Vec<&mut Share> = shares.iter_mut().filter(|share| share.score > 0).collect();
    // The sort is stable and the shares stand in the order of addresses.
    positive.sort_by_key(|share| Reverse(share.score));
    let highest = (positive.len() / 10).max(1);
    positive.into_iter().take(highest).for_each(|share| share.is_top = true);
}

/// Splits an amount by weights, by the method of the largest remainders; ties go to the earlier. At least one weight is
/// positive.
fn pro_rata(amount: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().copied().map(u128::from).sum();
    let products = weights.iter().map(|weight| u128::from(amount) * u128::from(*weight));
    let mut parts: Vec<u64> = products.clone().map(|product| (product / sum) as u64).collect();
    let remainders: Vec<u128> = products.map(|product| product % sum).collect();
    let left = amount - parts.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|i| Reverse(remainders[*i]));
    // Fewer units remain than there are remainders above 0, so none goes to a weight of 0.
    order.into_iter().take(left as usize).for_each(|i| parts[i] += 1);
    parts
}

#[cfg(test)]
mod tests;
