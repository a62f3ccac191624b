use super::{Accountant, Accounts, Conditions, Counted, Entry, Outcome, Round, SessionError, participants, settle};
use super::{own_address, reference_ms};
use crate::Rules;
use std::num::NonZeroU64;

pub(crate) mod properties;

/// A model whose tokens take a reference millisecond each: 6 · parameters · 1000 = 10¹¹, nearly.
const PARAMETERS: u64 = 16_666_667;

pub(crate) fn conditions(settle_every: u64) -> Conditions {
    let settle_every = NonZeroU64::new(settle_every).unwrap();
    Conditions { parameters: PARAMETERS, settle_every, pool: 1_000_000, rules: Rules::new(80, 20, 90).unwrap() }
}

pub(crate) fn accepted(worker: u8, tokens: u64, score: u64) -> Counted {
    Counted { worker: [worker; 32], bytes: 500, tokens, score, accepted: true, delivered: true }
}

pub(crate) fn rejected(worker: u8, tokens: u64, score: u64) -> Counted {
    Counted { accepted: false, ..accepted(worker, tokens, score) }
}

/// Rounds 1, 2, … with these contributions.
pub(crate) fn rounds(contributions: &[&[Counted]]) -> Vec<Round> {
    let numbered = (1..).zip(contributions);
    numbered.map(|(round, all)| Round { round, contributions: all.to_vec() }).collect()
}

/// So many rounds alike.
pub(crate) fn repeated(times: usize, contributions: &[Counted]) -> Vec<Round> {
    rounds(&vec![contributions; times])
}

/// Accounts whose address repeats the worker's byte, so that both sort alike.
pub(crate) fn accounts() -> Accounts {
    (0..=255).map(|worker| ([worker; 32], [worker; 32])).collect()
}

fn outcome(settle_every: u64, contributions: &[&[Counted]]) -> Outcome {
    Outcome::of_rounds(&conditions(settle_every), &accounts(), &rounds(contributions)).unwrap()
}

/// Time, quality, data and uptime of one worker in each settlement that has it.
fn entries(outcome: &Outcome, worker: u8) -> Vec<[u64; 4]> {
    let all = outcome.settlements.iter().flat_map(|settlement| &settlement.entries);
    let own = all.filter(|entry| entry.worker == [worker; 32]);
    own.map(|e| [e.compute_time, e.gradient_quality, e.data_transmitted, e.uptime_ratio]).collect()
}

fn rewards(outcome: &Outcome) -> Vec<u64> {
    outcome.split.shares.iter().map(crate::Share::reward).collect()
}

#[test]
fn a_settlement_covers_so_many_committed_rounds_and_the_last_one_what_remains() {
    let one: &[Counted] = &[accepted(1, 100, 70)];
    let outcome = outcome(2, &[one, one, one, one, one]);
    let covers = outcome.settlements.iter().map(|s| (s.settlement, s.first_round, s.last_round));
    assert_eq!(covers.collect::<Vec<_>>(), [(1, 1, 2), (2, 3, 4), (3, 5, 5)]);
    assert_eq!(entries(&outcome, 1), [[200, 70, 1000, 100], [200, 70, 1000, 100], [100, 70, 500, 100]]);
}

#[test]
fn abandoned_rounds_leave_gaps_that_cost_no_uptime() {
    let log = [3, 7, 20].map(|round| Round { round, contributions: vec![accepted(1, 1, 50)] });
    let settlements = settle(&conditions(2), &accounts(), &log).unwrap();
    assert_eq!((settlements[0].first_round, settlements[0].last_round), (3, 7));
    assert_eq!((settlements[1].first_round, settlements[1].last_round), (20, 20));
    assert!(settlements.iter().all(|settlement| settlement.entries[0].uptime_ratio == 100));
}

#[test]
fn a_reference_millisecond_is_a_hundred_million_operations() {
    assert_eq!(reference_ms(1, PARAMETERS), 1);
    assert_eq!(reference_ms(1, PARAMETERS - 1), 0);
    // 926 k parameters, 2^20 tokens: 6 · 926,000 · 1,048,576 / 10^8 = 58,258.88…
    assert_eq!(reference_ms(1 << 20, 926_000), 58_258);
    assert_eq!(reference_ms(0, u64::MAX), 0);
    assert_eq!(reference_ms(u64::MAX, u64::MAX), u64::MAX);
}

#[test]
fn what_rounding_leaves_is_paid_in_a_later_settlement() {
    // A third of a millisecond a token.
    let conditions = Conditions { parameters: PARAMETERS / 3 + 1, ..conditions(1) };
    let log = repeated(6, &[accepted(1, 1, 50)]);
    let times: Vec<u64> =
        settle(&conditions, &accounts(), &log).unwrap().iter().map(|s| s.entries[0].compute_time).collect();
    assert_eq!(times, [0, 0, 1, 0, 0, 1]);
}

#[test]
fn the_example_of_the_page_comes_out() {
    let conditions = Conditions { parameters: 50_000_000, ..conditions(2) };
    let log = rounds(&[&[accepted(1, 1000, 80)], &[rejected(1, 1000, 45)], &[], &[]]);
    let outcome = Outcome::of_rounds(&conditions, &accounts(), &log).unwrap();
    assert_eq!(entries(&outcome, 1), [[3000, 62, 1000, 100], [0, 62, 0, 0]]);
    let total = outcome.participants[0];
    assert_eq!((total.compute_time, total.data_transmitted), (3000, 1000));
    assert_eq!((total.quality_sum, total.uptime_sum, total.count), (124, 100, 2));
}

#[test]
fn quality_counts_rejected_contributions_and_time_does_not() {
    let outcome = outcome(3, &[&[accepted(1, 10, 80)], &[rejected(1, 10, 41)], &[accepted(1, 10, 80)]]);
    // ⌊(80 + 41 + 80) / 3⌋ = 67; the bytes of a rejected payload were sent all the same.
    assert_eq!(entries(&outcome, 1), [[20, 67, 1500, 100]]);
}

#[test]
fn bytes_that_never_arrived_count_for_nothing() {
    let withheld = Counted { delivered: false, ..rejected(1, 10, 0) };
    let outcome = outcome(2, &[&[accepted(1, 10, 60)], &[withheld]]);
    assert_eq!(entries(&outcome, 1), [[10, 30, 500, 100]]);
}

#[test]
fn a_late_joiner_owes_no_uptime_before_its_first_contribution() {
    let (old, new) = (accepted(1, 10, 60), accepted(2, 10, 60));
    let outcome = outcome(4, &[&[old], &[old], &[old, new], &[old]]);
    assert_eq!(entries(&outcome, 1), [[40, 60, 2000, 100]]);
    assert_eq!(entries(&outcome, 2), [[10, 60, 500, 50]]);
}

#[test]
fn a_node_that_fails_midway_keeps_its_part_with_uptime_falling() {
    let (stays, fails) = (accepted(1, 10, 80), accepted(2, 10, 60));
    let outcome = outcome(2, &[&[stays, fails], &[stays, fails], &[stays, fails], &[stays], &[stays], &[stays]]);
    assert_eq!(entries(&outcome, 2), [[20, 60, 1000, 100], [10, 60, 500, 50], [0, 60, 0, 0]]);
    // Time 50, quality 60, data 50, uptime ⌊150 / 3⌋ = 50: 30·50 + 40·60 + 15·50 + 15·50 = 5,400, beside 9,200.
    let [first, second] = outcome.split.shares[..] else { panic!("two shares") };
    assert_eq!((first.score, second.score), (9_200, 5_400));
    // ⌊800,000 · 5,400 / 14,600⌋ = 295,890, remainder 6,000 beside the other's 8,600.
    assert_eq!((first.base, second.base), (504_110, 295_890));
    assert_eq!(rewards(&outcome), [704_110, 295_890]);
}

#[test]
fn a_worker_that_rejoins_is_the_same_worker() {
    let (stays, leaves) = (accepted(1, 10, 80), accepted(2, 10, 60));
    let back = accepted(2, 10, 91);
    let outcome = outcome(2, &[&[stays, leaves], &[stays, leaves], &[stays], &[stays], &[stays, back], &[stays]]);
    // Away for a whole interval it keeps its mean so far; back, its scores of the interval count alone.
    assert_eq!(entries(&outcome, 2), [[20, 60, 1000, 100], [0, 60, 0, 0], [10, 91, 500, 50]]);
    assert_eq!(outcome.participants[1].count, 3);
}

#[test]
fn two_workers_with_one_address_are_one_participant() {
    let shared: Accounts = [([1; 32], [9; 32]), ([2; 32], [9; 32]), ([3; 32], [8; 32])].into_iter().collect();
    let (one, two, other) = (accepted(1, 10, 80), accepted(2, 30, 61), accepted(3, 40, 70));
    let log = rounds(&[&[one, two, other], &[one, other]]);
    let outcome = Outcome::of_rounds(&conditions(2), &shared, &log).unwrap();
    assert_eq!(outcome.settlements[0].entries.len(), 3);
    let [other, both] = outcome.participants[..] else { panic!("two participants") };
    assert_eq!((other.address, both.address), ([8; 32], [9; 32]));
    assert_eq!((both.compute_time, both.data_transmitted), (50, 1500));
    // The exact mean of 80 and 61, and of 100 and 50.
    assert_eq!((both.quality_sum, both.uptime_sum, both.count), (141, 150, 2));
    assert_eq!(rewards(&outcome).iter().sum::<u64>(), 1_000_000);
}

#[test]
fn a_worker_without_a_link_is_paid_to_the_account_of_its_key() {
    // Aptos: the authentication key of an Ed25519 key is SHA3-256(key ‖ 0x00).
    use sha3::{Digest, Sha3_256};
    let expected: [u8; 32] = Sha3_256::digest([[7; 32].as_slice(), &[0]].concat()).into();
    assert_eq!(own_address(&[7; 32]), expected);
    assert_eq!(Accounts::default().address(&[7; 32]), expected);
}

#[test]
fn a_link_stays_and_none_is_made_after_the_first_contribution() {
    let mut accountant = Accountant::new(conditions(1), Accounts::default());
    assert!(accountant.link([1; 32], [9; 32]));
    assert!(!accountant.link([1; 32], [8; 32]));
    accountant.push(&rounds(&[&[accepted(1, 1, 50), accepted(2, 1, 50)]])[0]).unwrap();
    assert!(accountant.link([1; 32], [9; 32]));
    assert!(!accountant.link([2; 32], [9; 32]));
    assert!(accountant.link([2; 32], own_address(&[2; 32])));
}

#[test]
fn the_bonus_goes_above_ninety() {
    let log: &[Counted] = &[accepted(1, 100, 90), accepted(2, 10, 91)];
    let outcome = outcome(1, &[log, log]);
    let [first, second] = outcome.split.shares[..] else { panic!("two shares") };
    // The higher score takes the top pool, the quality above 90 the other half.
    assert_eq!((first.top, first.quality_bonus), (100_000, 0));
    assert_eq!((second.top, second.quality_bonus), (0, 100_000));
}

#[test]
fn all_scores_zero_return_the_pool() {
    let outcome = outcome(1, &[&[rejected(1, 10, 0), rejected(2, 99, 0)]]);
    assert_eq!((rewards(&outcome), outcome.split.returned), (vec![0, 0], 1_000_000));
}

#[test]
fn a_session_without_contributions_has_no_settlement() {
    let outcome = outcome(2, &[&[], &[], &[]]);
    assert_eq!((outcome.settlements.len(), outcome.split.returned), (0, 1_000_000));
}

#[test]
fn rounds_before_the_first_contribution_belong_to_no_settlement() {
    let one: &[Counted] = &[accepted(1, 10, 50)];
    let outcome = outcome(2, &[&[], one, one, &[], one]);
    let covers = outcome.settlements.iter().map(|s| (s.settlement, s.first_round, s.last_round));
    assert_eq!(covers.collect::<Vec<_>>(), [(1, 2, 3), (2, 4, 5)]);
    assert_eq!(entries(&outcome, 1)[1][3], 50);
}

#[test]
fn what_cannot_be_the_next_round_is_refused_and_not_counted() {
    let fine = rounds(&[&[accepted(1, 10, 50)]]).remove(0);
    let mut accountant = Accountant::new(conditions(5), accounts());
    accountant.push(&fine).unwrap();
    let after = |contributions: &[Counted]| Round { round: 2, contributions: contributions.to_vec() };
    let twice = SessionError::RepeatedWorker { round: 2, worker: [1; 32] };
    let above = SessionError::InvalidScore { round: 2, worker: [2; 32], score: 101 };
    assert_eq!(accountant.push(&fine), Err(SessionError::RoundOutOfOrder { round: 1, last: 1 }));
    assert_eq!(accountant.push(&after(&[accepted(1, 10, 50), rejected(1, 10, 50)])), Err(twice));
    assert_eq!(accountant.push(&after(&[accepted(1, 10, 50), accepted(2, 10, 101)])), Err(above));
    let only = Entry {
        worker: [1; 32],
        address: [1; 32],
        compute_time: 10,
        gradient_quality: 50,
        data_transmitted: 500,
        uptime_ratio: 100,
    };
    assert_eq!(accountant.finish().unwrap().entries, [only]);
}

#[test]
fn settlements_are_lines_that_read_back() {
    let settlement = outcome(1, &[&[accepted(0xab, 10, 50)]]).settlements.remove(0);
    let line = serde_json::to_string(&settlement).unwrap();
    let id = "ab".repeat(32);
    let expected = format!(
        "{{\"settlement\":1,\"first_round\":1,\"last_round\":1,\"entries\":[{{\"worker\":\"{id}\",\
         \"address\":\"0x{id}\",\"compute_time\":10,\"gradient_quality\":50,\
         \"data_transmitted\":500,\"uptime_ratio\":100}}]}}"
    );
    assert_eq!(line, expected);
    assert_eq!(serde_json::from_str::<super::Settlement>(&line).unwrap(), settlement);
    for bad in ["ab", &"g".repeat(64), &format!("0x{}", "a".repeat(63)), &"ä".repeat(32)] {
        assert!(serde_json::from_str::<super::Settlement>(&line.replace(&id, bad)).is_err(), "{bad}");
    }
}

#[test]
fn no_totals_and_no_sums_overflow() {
    let most = Counted { bytes: u64::MAX, ..accepted(1, u64::MAX, 100) };
    let shared: Accounts = [([1; 32], [9; 32]), ([2; 32], [9; 32])].into_iter().collect();
    let log = repeated(3, &[most, Counted { worker: [2; 32], ..most }]);
    let conditions = Conditions { parameters: u64::MAX, pool: u64::MAX, ..conditions(1) };
    let outcome = Outcome::of_rounds(&conditions, &shared, &log).unwrap();
    assert_eq!(participants(&outcome.settlements)[0].compute_time, u64::MAX);
    assert_eq!(outcome.split.total(), u64::MAX);
}
