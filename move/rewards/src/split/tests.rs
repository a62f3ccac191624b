use super::{RewardError, Rules, Split, pro_rata, split};
use crate::{Participant, score};
use proptest::prelude::*;

mod vectors;

fn address(last: u8) -> [u8; 32] {
    let mut address = [0; 32];
    address[31] = last;
    address
}

/// A participant of one contribution; `factors` are time, quality, data, uptime.
fn one(last: u8, factors: [u64; 4]) -> Participant {
    let [compute_time, quality_sum, data_transmitted, uptime_sum] = factors;
    Participant { address: address(last), compute_time, data_transmitted, quality_sum, uptime_sum, count: 1 }
}

fn rules() -> Rules {
    Rules::new(80, 20, 90).unwrap()
}

fn rewards(split: &Split) -> Vec<u64> {
    split.shares.iter().map(super::Share::reward).collect()
}

/// The rewards by a second reading of `move/REWARDS.md`, one participant and one unit at a time, with ranks counted
/// instead of sorted.
fn naive(pool: u64, base: u64, threshold: u64, all: &[Participant]) -> (Vec<u64>, u64) {
    let mut all = all.to_vec();
    all.sort_by_key(|p| p.address);
    let n = all.len();
    let part = |value: u64, of: u64| if of == 0 { 0 } else { u128::from(value) * 100 / u128::from(of) };
    let time_max = all.iter().fold(0, |most, p| most.max(p.compute_time));
    let data_max = all.iter().fold(0, |most, p| most.max(p.data_transmitted));
    let scores: Vec<u128> = all
        .iter()
        .map(|p| {
            let quality = u128::from(p.quality_sum / p.count);
            let uptime = u128::from(p.uptime_sum / p.count);
            let sum = 30 * part(p.compute_time, time_max) + 40 * quality + 15 * part(p.data_transmitted, data_max);
            if quality > 0 { sum + 15 * uptime } else { 0 }
        })
        .collect();
    let positive = scores.iter().filter(|s| **s > 0).count();
    if positive == 0 {
        return (vec![0; n], pool);
    }
    let tops = if positive < 20 { 1 } else { positive / 10 };
    let before = |i: usize, j: usize| scores[j] > scores[i] || (scores[j] == scores[i] && j < i);
    let top: Vec<bool> = (0..n).map(|i| scores[i] > 0 && (0..n).filter(|j| before(i, *j)).count() < tops).collect();
    let above = |p: &Participant| u128::from(p.quality_sum) > u128::from(threshold) * u128::from(p.count);
    let good: Vec<bool> = (0..n).map(|i| scores[i] > 0 && above(&all[i])).collect();
    let good = if good.contains(&true) { good } else { top.clone() };

    let base_pool = u128::from(pool) * u128::from(base) / 100;
    let bonus = u128::from(pool) - base_pool;
    let mut paid = vec![0; n];
    for (amount, members) in [(base_pool, vec![true; n]), (bonus / 2, top), (bonus - bonus / 2, good)] {
        let weights: Vec<u128> = (0..n).map(|i| if members[i] { scores[i] } else { 0 }).collect();
        let sum: u128 = weights.iter().sum();
        let mut left = amount;
        let mut remainders = Vec::new();
        for (i, weight) in weights.iter().enumerate() {
            paid[i] += amount * weight / sum;
            left -= amount * weight / sum;
            remainders.push(Some(amount * weight % sum));
        }
        while left > 0 {
            let mut best = 0;
            for i in 0..n {
                if remainders[i] > remainders[best] {
                    best = i;
                }
            }
            remainders[best] = None;
            paid[best] += 1;
            left -= 1;
        }
    }
    (paid.into_iter().map(|amount| u64::try_from(amount).unwrap()).collect(), 0)
}

#[test]
fn eighty_percent_goes_by_score_and_the_bonus_to_the_best() {
    // Scores: 10,000 and 5,550 (half of time and data, quality and uptime 60).
    let result = split(1_000_000, rules(), &[one(1, [100, 100, 100, 100]), one(2, [50, 60, 50, 60])]).unwrap();
    assert_eq!(result.shares.iter().map(|s| s.score).collect::<Vec<_>>(), [10_000, 5_550]);
    assert_eq!((result.base_pool, result.top_pool, result.quality_pool), (800_000, 100_000, 100_000));
    let [first, second] = result.shares[..] else { panic!("two shares") };
    assert_eq!((first.base, first.top, first.quality_bonus), (514_469, 100_000, 100_000));
    assert_eq!((second.base, second.top, second.quality_bonus), (285_531, 0, 0));
    assert!(first.is_top && first.is_above_threshold && !second.is_top && !second.is_above_threshold);
}

#[test]
fn the_percentages_are_configuration() {
    let two = [one(1, [100, 100, 100, 100]), one(2, [100, 80, 100, 100])];
    let all_base = split(1000, Rules::new(100, 0, 90).unwrap(), &two).unwrap();
    assert_eq!((all_base.base_pool, all_base.top_pool, all_base.quality_pool), (1000, 0, 0));
    let all_bonus = split(1001, Rules::new(0, 100, 90).unwrap(), &two).unwrap();
    assert_eq!((all_bonus.base_pool, all_bonus.top_pool, all_bonus.quality_pool), (0, 500, 501));
    assert_eq!(rewards(&all_bonus), [1001, 0]);
    for (base, bonus, threshold) in [(80, 21, 90), (101, 0, 90), (80, 20, 101), (u64::MAX, 101, 90)] {
        assert_eq!(Rules::new(base, bonus, threshold), Err(RewardError::InvalidRules { base, bonus, threshold }));
    }
}

#[test]
fn the_threshold_is_strict_and_on_the_exact_mean() {
    let at = one(1, [100, 90, 100, 100]);
    // A mean of 90.5 floors to 90, yet is above.
    let above = Participant { quality_sum: 181, uptime_sum: 0, count: 2, ..one(2, [0, 0, 0, 0]) };
    let result = split(1000, rules(), &[at, above]).unwrap();
    assert_eq!(result.shares.map_flags(), [(true, false), (false, true)]);
    assert_eq!(result.shares[1].quality_bonus, 100);
}

#[test]
fn quality_above_the_threshold_of_none_goes_to_the_top() {
    let result = split(1000, rules(), &[one(1, [1, 90, 1, 1]), one(2, [1, 80, 1, 1])]).unwrap();
    assert_eq!((result.shares[0].top, result.shares[0].quality_bonus), (100, 100));
}

#[test]
fn the_top_is_a_tenth_of_the_positive_scores_and_ties_go_to_the_lower_address() {
    let many = |n: u8| -> Vec<Participant> { (1..=n).rev().map(|last| one(last, [7, 50, 7, 50])).collect() };
    for (n, tops) in [(1, 1), (9, 1), (10, 1), (19, 1), (20, 2), (99, 9), (100, 10)] {
        let mut all = many(n);
        all.push(one(0, [9, 0, 9, 100]));
        let result = split(1_000_000, rules(), &all).unwrap();
        let top: Vec<u8> = result.shares.iter().filter(|s| s.is_top).map(|s| s.address[31]).collect();
        assert_eq!(top, (1..=tops).collect::<Vec<u8>>(), "{n} positive scores");
    }
}

#[test]
fn units_that_remain_go_to_the_largest_remainders_and_the_lower_address() {
    assert_eq!(pro_rata(10, &[1, 1, 1]), [4, 3, 3]);
    assert_eq!(pro_rata(11, &[1, 1, 1]), [4, 4, 3]);
    // 10·5/9 = 5 rest 5; 10·3/9 = 3 rest 3; 10·1/9 = 1 rest 1.
    assert_eq!(pro_rata(10, &[1, 3, 5]), [1, 3, 6]);
    assert_eq!(pro_rata(1, &[0, 0, 3, 3]), [0, 0, 1, 0]);
    assert_eq!(pro_rata(u64::MAX, &[10_000, 10_000]), [u64::MAX / 2 + 1, u64::MAX / 2]);
}

#[test]
fn no_quality_no_score_and_without_scores_the_pool_returns() {
    assert_eq!(score([100, 0, 100, 100]), 0);
    let result = split(77, rules(), &[one(1, [9, 0, 9, 100]), one(2, [3, 0, 4, 100])]).unwrap();
    assert_eq!((rewards(&result), result.returned, result.total()), (vec![0, 0], 77, 0));
    let nobody = split(77, rules(), &[]).unwrap();
    assert_eq!((nobody.shares.len(), nobody.returned), (0, 77));
}

#[test]
fn what_cannot_have_been_recorded_is_refused() {
    let fine = one(1, [1, 1, 1, 1]);
    let none = Participant { count: 0, ..one(2, [1, 0, 1, 0]) };
    assert_eq!(split(1, rules(), &[fine, none]), Err(RewardError::NoContribution(address(2))));
    for factors in [[1, 101, 1, 1], [1, 1, 1, 101]] {
        assert_eq!(split(1, rules(), &[fine, one(2, factors)]), Err(RewardError::InvalidRatio(address(2))));
    }
    assert_eq!(split(1, rules(), &[fine, fine]), Err(RewardError::Duplicate(address(1))));
}

trait Flags {
    fn map_flags(&self) -> Vec<(bool, bool)>;
}

impl Flags for Vec<super::Share> {
    fn map_flags(&self) -> Vec<(bool, bool)> {
        self.iter().map(|share| (share.is_top, share.is_above_threshold)).collect()
    }
}

/// Numbers of every magnitude.
fn magnitude() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), 0..4_u64, any::<u64>(), (any::<u64>(), 0..64_u32).prop_map(|(n, by)| n >> by)]
}

fn participants() -> impl Strategy<Value = Vec<Participant>> {
    let count = prop_oneof![1..4_u64, 1..(u64::MAX / 100)];
    let ratio = || prop_oneof![Just(0.0), Just(1.0), Just(0.9), 0.0..1.0_f64];
    let one = (magnitude(), magnitude(), count, ratio(), ratio()).prop_map(|(time, data, count, quality, uptime)| {
        let sum = |ratio: f64| ((count * 100) as f64 * ratio) as u64;
        let bounded = |ratio| sum(ratio).min(count * 100);
        let totals = [time, bounded(quality), data, bounded(uptime)];
        Participant { count, ..super::tests::one(0, totals) }
    });
    prop::collection::vec(one, 0..45).prop_map(|mut all| {
        for (i, participant) in all.iter_mut().enumerate() {
            // An order of addresses that is not that of the list.
            participant.address = address((i * 37 % 251) as u8);
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn pays_the_pool_exactly_and_as_a_second_reading_says(
        pool in magnitude(), base in 0..=100_u64, threshold in 0..=100_u64, all in participants(),
    ) {
        let rules = Rules::new(base, 100 - base, threshold).unwrap();
        let result = split(pool, rules, &all).unwrap();
        let sum: u128 = rewards(&result).into_iter().map(u128::from).sum();
        prop_assert_eq!(sum + u128::from(result.returned), u128::from(pool));
        prop_assert!(result.shares.is_sorted_by(|one, next| one.address < next.address));
        for share in &result.shares {
            prop_assert!(share.score <= 10_000);
            prop_assert!(share.score > 0 || share.reward() == 0);
        }
        prop_assert_eq!((rewards(&result), result.returned), naive(pool, base, threshold, &all));
    }
}
