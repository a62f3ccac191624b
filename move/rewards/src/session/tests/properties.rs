//! The accounting against a second reading of `move/REWARDS.md`, and what must hold of every session.

use super::{Accountant, Accounts, Counted, Entry, Outcome, Round, accounts, conditions, settle};
use crate::session::Settlement;
use proptest::prelude::*;

/// The settlements by the page: each number from the whole log, nothing carried along.
fn naive(settle_every: u64, parameters: u64, accounts: &Accounts, log: &[Round]) -> Vec<Settlement> {
    let silent = log.iter().take_while(|round| round.contributions.is_empty()).count();
    let log = &log[silent..];
    let size = settle_every as usize;
    let covers = |(index, interval): (usize, &[Round])| {
        let (from, to) = (index * size, index * size + interval.len());
        let entries = (0..=255).filter_map(|byte| entry([byte; 32], parameters, accounts, log, from, to));
        Settlement {
            settlement: index as u64 + 1,
            first_round: interval[0].round,
            last_round: interval[interval.len() - 1].round,
            entries: entries.collect(),
        }
    };
    log.chunks(size).enumerate().map(covers).collect()
}

fn entry(
    worker: [u8; 32],
    parameters: u64,
    accounts: &Accounts,
    log: &[Round],
    from: usize,
    to: usize,
) -> Option<Entry> {
    let own = |i: usize| log[i].contributions.iter().find(|one| one.worker == worker);
    let first = (0..to).find(|i| own(*i).is_some())?;
    let time = |end: usize| {
        let tokens: u128 = (0..end).filter_map(own).filter(|one| one.accepted).map(|one| u128::from(one.tokens)).sum();
        tokens * 6 * u128::from(parameters) * 1000 / 100_000_000_000
    };
    let data: u64 = (from..to).filter_map(own).filter(|one| one.delivered).map(|one| one.bytes).sum();
    let scores: Vec<u64> = (from..to).filter_map(own).map(|one| one.score).collect();
    let all: Vec<u64> = (0..to).filter_map(own).map(|one| one.score).collect();
    let mean = |scores: &[u64]| scores.iter().sum::<u64>() / scores.len() as u64;
    Some(Entry {
        worker,
        address: accounts.address(&worker),
        compute_time: u64::try_from(time(to) - time(from)).unwrap(),
        gradient_quality: mean(if scores.is_empty() { &all } else { &scores }),
        data_transmitted: data,
        uptime_ratio: 100 * scores.len() as u64 / (to - from.max(first)) as u64,
    })
}

fn contribution(worker: u8) -> impl Strategy<Value = Counted> {
    let score = prop_oneof![Just(0), Just(90), Just(100), 0..=100_u64];
    (0..1_000_000_u64, 0..1_000_000_u64, score, any::<bool>(), any::<bool>()).prop_map(
        move |(bytes, tokens, score, accepted, delivered)| Counted {
            worker: [worker; 32],
            bytes,
            tokens,
            score,
            accepted,
            delivered,
        },
    )
}

/// Logs of up to 20 rounds and 5 workers that come and go, with gaps between the rounds.
pub(crate) fn logs() -> impl Strategy<Value = Vec<Round>> {
    let present = |worker| prop::option::weighted(0.6, contribution(worker));
    let round = (1..4_u64, (0..5_u8).map(present).collect::<Vec<_>>());
    prop::collection::vec(round, 0..20).prop_map(|all| {
        let mut number = 0;
        let numbered = all.into_iter().map(|(step, contributions)| {
            number += step;
            Round { round: number, contributions: contributions.into_iter().flatten().collect() }
        });
        numbered.collect()
    })
}

/// What a dishonest worker would change: tokens that were not accepted, bytes that did not arrive.
fn inflated(log: &[Round], tokens: u64, bytes: u64) -> Vec<Round> {
    let mut log = log.to_vec();
    for contribution in log.iter_mut().flat_map(|round| &mut round.contributions) {
        contribution.tokens = if contribution.accepted { contribution.tokens } else { tokens };
        contribution.bytes = if contribution.delivered { contribution.bytes } else { bytes };
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn settles_as_a_second_reading_says(
        log in logs(), settle_every in 1..7_u64, parameters in prop_oneof![0..10_u64, 0..10_000_000_000_u64],
    ) {
        let conditions = super::Conditions { parameters, ..conditions(settle_every) };
        let settled = settle(&conditions, &accounts(), &log).unwrap();
        prop_assert_eq!(settled, naive(settle_every, parameters, &accounts(), &log));
    }

    #[test]
    fn a_restart_replays_to_the_same_settlements(
        log in logs(), settle_every in 1..7_u64, cut in any::<prop::sample::Index>(),
    ) {
        let cut = if log.is_empty() { 0 } else { cut.index(log.len()) };
        let replay = |rounds: &[Round]| {
            let mut accountant = Accountant::new(conditions(settle_every), accounts());
            let made: Vec<_> = rounds.iter().filter_map(|round| accountant.push(round).unwrap()).collect();
            (accountant, made)
        };
        let before = replay(&log[..cut]).1;
        let (accountant, mut all) = replay(&log);
        prop_assert_eq!(&all[..before.len()], &before[..]);
        prop_assert_eq!(accountant.settled(), all.len() as u64);
        all.extend(accountant.finish());
        prop_assert_eq!(all, settle(&conditions(settle_every), &accounts(), &log).unwrap());
    }

    #[test]
    fn every_session_pays_its_pool_or_returns_it(
        log in logs(), settle_every in 1..7_u64, pool in any::<u64>(), base in 0..=100_u64, threshold in 0..=100_u64,
        owners in prop::collection::vec(0..3_u8, 5),
    ) {
        let rules = crate::Rules::new(base, 100 - base, threshold).unwrap();
        let conditions = super::Conditions { pool, rules, ..conditions(settle_every) };
        let accounts = (0..).zip(&owners).map(|(worker, owner)| ([worker; 32], [*owner; 32])).collect();
        let split = Outcome::of_rounds(&conditions, &accounts, &log).unwrap().split;
        prop_assert_eq!(u128::from(split.total()) + u128::from(split.returned), u128::from(pool));
        prop_assert!(split.total() == 0 || split.returned == 0);
    }

    #[test]
    fn a38_inflated_self_reports_change_nothing(
        log in logs(), settle_every in 1..7_u64, tokens in any::<u64>(), bytes in any::<u64>(),
    ) {
        let honest = Outcome::of_rounds(&conditions(settle_every), &accounts(), &log).unwrap();
        let inflated = inflated(&log, tokens, bytes);
        let claimed = Outcome::of_rounds(&conditions(settle_every), &accounts(), &inflated).unwrap();
        prop_assert_eq!(honest, claimed);
    }

    #[test]
    fn the_order_of_contributions_does_not_matter(log in logs(), settle_every in 1..7_u64) {
        let mut reversed = log.clone();
        reversed.iter_mut().for_each(|round| round.contributions.reverse());
        let settled = settle(&conditions(settle_every), &accounts(), &log).unwrap();
        prop_assert_eq!(settled, settle(&conditions(settle_every), &accounts(), &reversed).unwrap());
    }
}
