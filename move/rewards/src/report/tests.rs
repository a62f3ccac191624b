use super::{Report, ranking};
use crate::score;
use crate::session::tests::properties::logs;
use crate::session::tests::{accepted, accounts, conditions, rejected, rounds};
use crate::session::{Accounts, Counted, Outcome, Round};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn report(accounts: &Accounts, log: &[Round]) -> Report {
    let conditions = conditions(2);
    let outcome = Outcome::of_rounds(&conditions, accounts, log).unwrap();
    Report::new("7", &conditions, &outcome, &BTreeMap::from([([1; 32], "0xabc".to_string())]))
}

/// Worker 2 fails after the third of six rounds.
fn failing_midway() -> Vec<Round> {
    let (stays, fails) = (accepted(1, 10, 80), accepted(2, 10, 60));
    rounds(&[&[stays, fails], &[stays, fails], &[stays, fails], &[stays], &[stays], &[stays]])
}

#[test]
fn the_report_has_the_fields_of_the_design() {
    let json = serde_json::to_value(report(&accounts(), &failing_midway())).unwrap();
    for key in ["session", "pool", "base_pool", "bonus_pool", "workers"] {
        assert!(json.get(key).is_some(), "{key}");
    }
    assert_eq!((&json["session"], &json["pool"]), (&"7".into(), &1_000_000.into()));
    assert_eq!((&json["base_pool"], &json["bonus_pool"]), (&800_000.into(), &200_000.into()));
    let second = json["workers"][1].as_object().unwrap();
    let expected = [
        ("worker", "02".repeat(32).into()),
        ("address", format!("0x{}", "02".repeat(32)).into()),
        ("compute_time", 30.into()),
        ("gradient_quality", 60.into()),
        ("data_transmitted", 1500.into()),
        ("uptime_ratio", 50.into()),
        ("score", 5_400.into()),
        ("base", 295_890.into()),
        ("bonus", 0.into()),
        ("reward", 295_890.into()),
        ("tx", serde_json::Value::Null),
    ];
    for (key, value) in expected {
        assert_eq!(second[key], value, "{key}");
    }
    assert_eq!(json["workers"][0]["tx"], "0xabc");
}

#[test]
fn the_table_aligns_and_ends_with_the_totals() {
    let text = report(&accounts(), &failing_midway()).to_text();
    let expected = "\
session 7, 3 settlements: base 800,000 (80 %) + bonus 200,000 (20 %) = pool 1,000,000; quality bonus above 90

#  worker    account     compute ms  quality  bytes  uptime   score     base    bonus     reward  transaction
1  01010101  0x01010101          60       80  3,000     100   9,200  504,110  200,000    704,110  0xabc
2  02020202  0x02020202          30       60  1,500      50   5,400  295,890        0    295,890
   total                         90           4,500          14,600  800,000  200,000  1,000,000

total 1,000,000 of a pool of 1,000,000
";
    assert_eq!(text, expected);
}

#[test]
fn a_pool_that_nobody_earned_is_returned() {
    let report = report(&accounts(), &rounds(&[&[rejected(1, 10, 0)]]));
    assert_eq!((report.total, report.returned), (0, 1_000_000));
    assert_eq!(report.base_pool + report.bonus_pool, 1_000_000);
    let last = "total 0 of a pool of 1,000,000: no score is above 0, so 1,000,000 go back to the sponsor\n";
    assert!(report.to_text().ends_with(last));
}

#[test]
fn workers_of_one_account_share_a_row() {
    let shared: Accounts = [([1; 32], [9; 32]), ([2; 32], [8; 32]), ([3; 32], [9; 32])].into_iter().collect();
    let log = rounds(&[&[accepted(3, 10, 70), accepted(2, 10, 60), accepted(1, 10, 70)]]);
    let report = report(&shared, &log);
    let [first, second] = &report.workers[..] else { panic!("two rows") };
    assert_eq!((first.worker, &first.further_workers[..]), ([1; 32], &[[3; 32]][..]));
    assert_eq!((second.worker, second.further_workers.len()), ([2; 32], 0));
    assert_eq!((first.compute_time, first.reward + second.reward), (20, 1_000_000));
    assert!(report.to_text().contains("01010101 +1"));
}

#[test]
fn the_ranking_is_by_reward_then_score_then_address() {
    let same: &[Counted] = &[accepted(3, 10, 80), accepted(1, 10, 80), accepted(2, 20, 80)];
    // Without a pool every reward is 0, and scores decide.
    for pool in [0, 1_000_003] {
        let conditions = crate::session::Conditions { pool, ..conditions(1) };
        let outcome = Outcome::of_rounds(&conditions, &accounts(), &rounds(&[same])).unwrap();
        let places = ranking(&outcome.split).iter().map(|one| (one.rank, one.address[0])).collect::<Vec<_>>();
        assert_eq!(places, [(1, 2), (2, 1), (3, 3)], "pool {pool}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_row_follows_from_the_rows_and_they_add_up(log in logs(), owners in prop::collection::vec(0..4_u8, 5)) {
        let accounts = (0..).zip(&owners).map(|(worker, owner)| ([worker; 32], [*owner; 32])).collect();
        let report = report(&accounts, &log);
        let time_max = report.workers.iter().map(|row| row.compute_time).max().unwrap_or(0);
        let data_max = report.workers.iter().map(|row| row.data_transmitted).max().unwrap_or(0);
        let percent = |part: u64, of: u64| (part * 100).checked_div(of).unwrap_or(0);
        for row in &report.workers {
            let (time, data) = (percent(row.compute_time, time_max), percent(row.data_transmitted, data_max));
            prop_assert_eq!(row.score, score([time, row.gradient_quality, data, row.uptime_ratio]));
            prop_assert_eq!(row.reward, row.base + row.bonus);
        }
        let sum = |of: fn(&super::Row) -> u64| report.workers.iter().map(of).sum::<u64>();
        prop_assert_eq!(sum(|row| row.reward), report.total);
        prop_assert_eq!(report.total + report.returned, report.pool);
        if report.returned == 0 {
            prop_assert_eq!(sum(|row| row.base), report.base_pool);
            prop_assert_eq!(sum(|row| row.bonus), report.bonus_pool);
        }
        let read: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        prop_assert_eq!(read, report);
    }
}
