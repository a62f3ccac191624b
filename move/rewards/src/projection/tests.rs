use super::{PACE_ROUNDS, project};
use crate::session::tests::properties::logs;
use crate::session::tests::{accepted, accounts, conditions, rejected, repeated, rounds};
use crate::session::{Conditions, Counted, Outcome, Round};
use proptest::prelude::*;

fn reward(conditions: &Conditions, log: &[Round], worker: u8) -> u64 {
    let outcome = Outcome::of_rounds(conditions, &accounts(), log).unwrap();
    outcome.split.shares.iter().find(|share| share.address == [worker; 32]).map_or(0, crate::Share::reward)
}

fn range(conditions: &Conditions, log: &[Round], planned: u64, worker: u8) -> [u64; 3] {
    let projection = project(conditions, &accounts(), log, planned, &[worker; 32]).unwrap();
    [projection.low, projection.expected, projection.high]
}

#[test]
fn a_session_that_goes_on_as_it_was_pays_what_was_expected() {
    let (fast, slow): (&[Counted], &[Counted]) =
        (&[accepted(1, 30, 95), accepted(2, 10, 60)], &[accepted(1, 30, 95), rejected(2, 10, 40)]);
    let log: Vec<&[Counted]> = [fast, slow].into_iter().cycle().take(60).collect();
    let whole = rounds(&log);
    for worker in [1, 2] {
        let [low, expected, high] = range(&conditions(4), &whole[..22], 60, worker);
        assert_eq!(expected, reward(&conditions(4), &whole, worker));
        assert!(low < expected && expected <= high, "{low} {expected} {high}");
    }
}

#[test]
fn the_low_end_is_what_one_that_stops_now_gets() {
    let both: &[Counted] = &[accepted(1, 30, 80), accepted(2, 30, 80)];
    let stopped: &[Counted] = &both[..1];
    let log = [[both; 10], [stopped; 10]].concat();
    let whole = rounds(&log);
    let [low, expected, _] = range(&conditions(5), &whole[..10], 20, 2);
    assert_eq!(low, reward(&conditions(5), &whole, 2));
    assert!(low < expected);
}

#[test]
fn one_that_has_not_contributed_may_still_earn_what_the_best_make() {
    let log = repeated(4, &[accepted(1, 30, 80)]);
    let [low, expected, high] = range(&conditions(2), &log, 100, 7);
    assert_eq!((low, expected), (0, 0));
    assert!(high > 0 && high < 1_000_000, "{high}");
}

#[test]
fn before_the_first_contribution_nothing_is_known() {
    assert_eq!(range(&conditions(2), &[], 100, 1), [0, 0, 1_000_000]);
    assert_eq!(range(&conditions(2), &rounds(&[&[]]), 100, 1), [0, 0, 1_000_000]);
    assert_eq!(range(&conditions(2), &[], 0, 1), [0, 0, 0]);
}

#[test]
fn a_late_joiner_is_taken_at_its_pace_of_now() {
    let before: &[Counted] = &[accepted(1, 30, 80)];
    let after: &[Counted] = &[accepted(1, 30, 80), accepted(2, 30, 80)];
    let whole = rounds(&[vec![before; 40], vec![after; 160]].concat());
    let [_, expected, _] = range(&conditions(5), &whole[..40 + PACE_ROUNDS], 200, 2);
    assert_eq!(expected, reward(&conditions(5), &whole, 2));
}

#[test]
fn a_plan_without_end_is_projected_all_the_same() {
    let log = repeated(5, &[accepted(1, 30, 80), accepted(2, 30, 80)]);
    let [low, expected, high] = range(&conditions(1), &log, u64::MAX, 2);
    assert!(low < expected && expected <= high);
    let last = Round { round: u64::MAX, contributions: vec![accepted(1, 30, 80)] };
    assert_eq!(range(&conditions(1), &[last], u64::MAX, 1), [1_000_000; 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_range_holds_the_expected_reward_and_closes_at_the_end(
        log in logs(), settle_every in 1..6_u64, more in 0..40_u64, worker in 0..5_u8, pool in any::<u64>(),
    ) {
        let conditions = Conditions { pool, ..conditions(settle_every) };
        let committed = log.len() as u64;
        let [low, expected, high] = range(&conditions, &log, committed + more, worker);
        prop_assert!(low <= expected && expected <= high && high <= pool);
        let actual = reward(&conditions, &log, worker);
        prop_assert_eq!(range(&conditions, &log, committed, worker), [actual; 3]);
        prop_assert_eq!(range(&conditions, &log, 0, worker), [actual; 3]);
    }
}
