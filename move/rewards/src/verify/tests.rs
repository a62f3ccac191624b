use super::{Difference, Field, Record, verify};
use crate::Rules;
use crate::payout::{Amount, Payout};
use crate::session::tests::properties::logs;
use crate::session::tests::{accepted, accounts, conditions, rejected, repeated, rounds};
use crate::session::{Entry, Outcome, Round, Settlement, settle};
use proptest::prelude::*;

const SESSION: u64 = 7;

/// A session of three settlements and three accounts, the last of which earns nothing.
fn log() -> Vec<Round> {
    repeated(5, &[accepted(1, 30, 95), accepted(2, 10, 60), rejected(3, 10, 0)])
}

fn recorded(log: &[Round]) -> (Vec<Settlement>, Payout) {
    let outcome = Outcome::of_rounds(&conditions(2), &accounts(), log).unwrap();
    let payout = Payout::new(SESSION, conditions(2).pool, conditions(2).rules, &outcome.split);
    (outcome.settlements, payout)
}

fn check(log: &[Round], settlements: &[Settlement], payout: Option<&Payout>) -> Vec<Difference> {
    verify(&conditions(2), &accounts(), log, Record { session_number: SESSION, settlements, payout }).unwrap()
}

/// The differences after the settlements were altered.
fn altered(alter: impl FnOnce(&mut Vec<Settlement>)) -> Vec<Difference> {
    let (mut settlements, payout) = recorded(&log());
    alter(&mut settlements);
    check(&log(), &settlements, Some(&payout))
}

/// The differences after the payout was altered.
fn altered_payout(alter: impl FnOnce(&mut Payout)) -> Vec<Difference> {
    let (settlements, mut payout) = recorded(&log());
    alter(&mut payout);
    check(&log(), &settlements, Some(&payout))
}

#[test]
fn a_true_record_has_no_difference() {
    assert_eq!(altered(|_| ()), []);
    assert_eq!(altered(|all| all.reverse()), []);
    assert_eq!(altered(|all| all.iter_mut().for_each(|one| one.entries.reverse())), []);
}

#[test]
fn the_last_settlement_may_be_due_while_the_session_is_under_way() {
    let (settlements, payout) = recorded(&log());
    assert_eq!(check(&log(), &settlements, None), []);
    assert_eq!(check(&log(), &settlements[..2], None), []);
    let missing = |settlement| Difference::SettlementMissing { settlement };
    assert_eq!(check(&log(), &settlements[..1], None), [missing(2), missing(3)]);
    assert_eq!(check(&log(), &settlements[..2], Some(&payout)), [missing(3)]);
    assert_eq!(check(&log()[..4], &settlements, None), [Difference::SettlementUnexpected { settlement: 3 }]);
}

#[test]
fn a_settlement_that_is_missing_repeated_or_invented_is_named() {
    assert_eq!(altered(|all| drop(all.remove(1))), [Difference::SettlementMissing { settlement: 2 }]);
    assert_eq!(altered(|all| all.push(all[0].clone())), [Difference::SettlementRepeated { settlement: 1 }]);
    let invented = altered(|all| all.push(Settlement { settlement: 9, ..all[0].clone() }));
    assert_eq!(invented, [Difference::SettlementUnexpected { settlement: 9 }]);
    let moved = altered(|all| all[1].first_round = 2);
    assert_eq!(moved, [Difference::Rounds { settlement: 2, recorded: (2, 4), recomputed: (3, 4) }]);
}

#[test]
fn every_field_of_every_entry_is_compared() {
    type Alter = fn(&mut Entry);
    let cases: [(Field, Alter, u64, u64); 4] = [
        (Field::ComputeTime, |entry| entry.compute_time += 1, 21, 20),
        (Field::GradientQuality, |entry| entry.gradient_quality += 1, 61, 60),
        (Field::DataTransmitted, |entry| entry.data_transmitted = u64::MAX, u64::MAX, 1000),
        (Field::UptimeRatio, |entry| entry.uptime_ratio -= 1, 99, 100),
    ];
    for (field, alter, recorded, recomputed) in cases {
        let expected = Difference::Entry { settlement: 2, worker: [2; 32], field, recorded, recomputed };
        assert_eq!(altered(|all| alter(&mut all[1].entries[1])), [expected]);
    }
    let readdressed = altered(|all| all[1].entries[1].address = [9; 32]);
    let (recorded, recomputed) = ([9; 32], [2; 32]);
    assert_eq!(readdressed, [Difference::EntryAddress { settlement: 2, worker: [2; 32], recorded, recomputed }]);
}

#[test]
fn entries_that_are_missing_repeated_or_invented_are_named() {
    let (settlement, worker) = (1, [2; 32]);
    assert_eq!(altered(|all| all[0].entries.truncate(2)), [Difference::EntryMissing { settlement, worker: [3; 32] }]);
    let added = |alter: fn(Entry) -> Entry| {
        altered(|all| {
            let entry = all[0].entries[1];
            all[0].entries.push(alter(entry));
        })
    };
    let twice = added(|entry| Entry { compute_time: 0, ..entry });
    assert_eq!(twice, [Difference::EntryRepeated { settlement, worker }]);
    let invented = added(|entry| Entry { worker: [9; 32], ..entry });
    assert_eq!(invented, [Difference::EntryUnexpected { settlement, worker: [9; 32] }]);
}

#[test]
fn a_shifted_amount_is_named_even_if_the_sum_still_is_the_pool() {
    let (_, payout) = recorded(&log());
    let [one, two] = [payout.amounts[0].amount, payout.amounts[1].amount];
    let found = altered_payout(|payout| {
        payout.amounts[0].amount += 1;
        payout.amounts[1].amount -= 1;
    });
    let amount = |byte, recorded, recomputed| Difference::Amount { address: [byte; 32], recorded, recomputed };
    assert_eq!(found, [amount(1, one + 1, one), amount(2, two - 1, two)]);
}

#[test]
fn a_payout_made_anew_from_other_amounts_is_found_by_root_and_proofs() {
    let (_, honest) = recorded(&log());
    let found = altered_payout(|payout| {
        let shares =
            Outcome::of_rounds(&conditions(2), &accounts(), &rounds(&[&[accepted(1, 1, 95), accepted(2, 9, 60)]]))
                .unwrap()
                .split;
        *payout = Payout::new(SESSION, 1_000_000, conditions(2).rules, &shares);
        payout.amounts.iter_mut().zip(&honest.amounts).for_each(|(one, true_one)| one.amount = true_one.amount);
    });
    assert!(found.iter().any(|one| matches!(one, Difference::Root { .. })), "{found:?}");
    assert_eq!(found.iter().filter(|one| matches!(one, Difference::Proof { .. })).count(), 2, "{found:?}");
}

#[test]
fn a_wrong_root_or_proof_is_named() {
    let (_, honest) = recorded(&log());
    for recorded in [None, Some([0; 32])] {
        let found = altered_payout(|payout| payout.root = recorded);
        assert_eq!(found, [Difference::Root { recorded, recomputed: honest.root }]);
    }
    let proof = [Difference::Proof { address: [2; 32] }];
    assert_eq!(altered_payout(|payout| payout.amounts[1].proof[0][31] ^= 1), proof);
    assert_eq!(altered_payout(|payout| payout.amounts[1].proof.clear()), proof);
    assert_eq!(altered_payout(|payout| payout.amounts[1].proof = vec![[0; 32]; 100_000]), proof);
}

#[test]
fn a_payout_of_another_session_pool_or_rules_is_named() {
    let session = altered_payout(|payout| payout.session_number = 8);
    assert_eq!(session, [Difference::Session { recorded: 8, recomputed: SESSION }]);
    let other = Rules::new(70, 30, 90).unwrap();
    let rules = altered_payout(|payout| payout.rules = other);
    assert_eq!(rules, [Difference::Rules { recorded: other, recomputed: conditions(2).rules }]);
    let pool = altered_payout(|payout| payout.pool = 999_999);
    let not_the_pool = |total, returned, pool| Difference::NotThePool { total, returned, pool };
    let differs = Difference::Pool { recorded: 999_999, recomputed: 1_000_000 };
    assert_eq!(pool, [differs, not_the_pool(1_000_000, 0, 999_999)]);
}

#[test]
fn sums_that_are_not_the_pool_are_named_and_overflow_nothing() {
    let not_the_pool = |total, returned, pool| Difference::NotThePool { total, returned, pool };
    let returned = altered_payout(|payout| payout.returned = u64::MAX);
    let differs = Difference::Returned { recorded: u64::MAX, recomputed: 0 };
    assert_eq!(returned, [differs, not_the_pool(1_000_000, u64::MAX, 1_000_000)]);
    let total = altered_payout(|payout| payout.total = 5);
    let differs = Difference::Total { recorded: 5, recomputed: 1_000_000 };
    let sum = Difference::AmountsNotTheTotal { amounts: 1_000_000, total: 5 };
    assert_eq!(total, [differs, sum, not_the_pool(5, 0, 1_000_000)]);
    let most = altered_payout(|payout| {
        payout.amounts.extend([8, 9].map(|byte| Amount { address: [byte; 32], amount: u64::MAX, proof: vec![] }));
    });
    let amounts = 1_000_000 + 2 * u128::from(u64::MAX);
    let unexpected = |byte| Difference::AmountUnexpected { address: [byte; 32] };
    let sum = Difference::AmountsNotTheTotal { amounts, total: 1_000_000 };
    assert_eq!(most, [sum, unexpected(8), unexpected(9)]);
}

#[test]
fn amounts_that_are_missing_or_repeated_are_named() {
    let missing = altered_payout(|payout| drop(payout.amounts.remove(0)));
    assert!(missing.contains(&Difference::AmountMissing { address: [1; 32] }), "{missing:?}");
    let twice = altered_payout(|payout| payout.amounts.push(payout.amounts[0].clone()));
    assert!(twice.contains(&Difference::AmountRepeated { address: [1; 32] }), "{twice:?}");
}

#[test]
fn one_that_earned_nothing_has_no_leaf_and_without_any_there_is_no_root() {
    let (_, payout) = recorded(&log());
    assert_eq!(payout.amounts.iter().map(|one| one.address[0]).collect::<Vec<_>>(), [1, 2]);
    let nothing = rounds(&[&[rejected(1, 10, 0)]]);
    let (settlements, payout) = recorded(&nothing);
    assert_eq!((payout.root, payout.total, payout.returned), (None, 0, 1_000_000));
    assert_eq!(check(&nothing, &settlements, Some(&payout)), []);
}

#[test]
fn differences_say_what_and_where() {
    let found = altered(|all| all[1].entries[1].uptime_ratio = 7);
    let id = "02".repeat(32);
    let expected = format!("settlement 2 records uptime_ratio 7 of worker {id}, but the rounds make 100");
    assert_eq!(found[0].to_string(), expected);
    let root = altered_payout(|payout| payout.root = None)[0].to_string();
    assert!(root.starts_with("the payout records the root none, but the amounts make 0x"), "{root}");
}

#[test]
fn the_payout_is_a_file_that_reads_back() {
    let (_, payout) = recorded(&log());
    let json = serde_json::to_value(&payout).unwrap();
    assert_eq!(json["session_number"], "7");
    assert_eq!(json["rules"]["bonus_percentage"], 20);
    assert!(json["root"].as_str().unwrap().starts_with("0x"));
    assert_eq!(json["amounts"][0]["proof"].as_array().unwrap().len(), 1);
    assert_eq!(serde_json::from_value::<Payout>(json.clone()).unwrap(), payout);
    let refused = |pointer: &str, value: serde_json::Value| {
        let mut json = json.clone();
        *json.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value::<Payout>(json).is_err()
    };
    assert!(refused("/session_number", "18446744073709551616".into()));
    assert!(refused("/rules/base_percentage", 81.into()));
    assert!(refused("/pool", (-1).into()));
    assert!(refused("/amounts/0/proof/0", "0x00".into()));
}

fn any_entry() -> impl Strategy<Value = Entry> {
    (0..6_u8, 0..6_u8, any::<[u64; 4]>()).prop_map(|(worker, address, [time, quality, data, uptime])| Entry {
        worker: [worker; 32],
        address: [address; 32],
        compute_time: time,
        gradient_quality: quality,
        data_transmitted: data,
        uptime_ratio: uptime,
    })
}

fn any_settlement() -> impl Strategy<Value = Settlement> {
    let entries = prop::collection::vec(any_entry(), 0..8);
    (0..5_u64, any::<(u64, u64)>(), entries).prop_map(|(settlement, (first_round, last_round), entries)| Settlement {
        settlement,
        first_round,
        last_round,
        entries,
    })
}

fn any_payout() -> impl Strategy<Value = Payout> {
    let proof = prop::collection::vec(any::<[u8; 32]>(), 0..3);
    let amount = (0..6_u8, any::<u64>(), proof);
    let amounts = prop::collection::vec(amount, 0..8);
    (any::<[u64; 4]>(), 0..=100_u64, amounts, any::<Option<[u8; 32]>>()).prop_map(
        |([session_number, pool, total, returned], base, amounts, root)| Payout {
            session_number,
            pool,
            rules: Rules::new(base, 100 - base, base).unwrap(),
            amounts: amounts
                .into_iter()
                .map(|(byte, amount, proof)| Amount { address: [byte; 32], amount, proof })
                .collect(),
            root,
            total,
            returned,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_invented_record_is_refused_without_a_panic(
        log in logs(), settlements in prop::collection::vec(any_settlement(), 0..6), payout in any_payout(),
    ) {
        let found = check(&log, &settlements, Some(&payout));
        // Random numbers are not this session's, and every difference can be told.
        prop_assert!(!found.is_empty());
        prop_assert!(found.iter().all(|one| !one.to_string().is_empty()));
        // Ratios above 100 are an error of the split, not a panic.
        let of_record = Outcome::of_settlements(&conditions(2), settlements);
        prop_assert!(of_record.is_err() || of_record.unwrap().split.total() <= conditions(2).pool);
    }

    #[test]
    fn every_record_that_was_made_verifies_and_no_altered_one_does(log in logs(), at in any::<prop::sample::Index>()) {
        let (settlements, payout) = recorded(&log);
        prop_assert_eq!(check(&log, &settlements, Some(&payout)), []);
        let entries: usize = settlements.iter().map(|one| one.entries.len()).sum();
        prop_assume!(entries > 0);
        let mut wrong = settlements.clone();
        let entry = wrong.iter_mut().flat_map(|one| &mut one.entries).nth(at.index(entries)).unwrap();
        entry.compute_time ^= 1;
        prop_assert_eq!(check(&log, &wrong, Some(&payout)).len(), 1);
    }

    #[test]
    fn recorded_settlements_pay_what_the_rounds_pay(log in logs()) {
        let settlements = settle(&conditions(2), &accounts(), &log).unwrap();
        let lines: Vec<String> = settlements.iter().map(|one| serde_json::to_string(one).unwrap()).collect();
        let read = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of_record = Outcome::of_settlements(&conditions(2), read).unwrap();
        prop_assert_eq!(of_record, Outcome::of_rounds(&conditions(2), &accounts(), &log).unwrap());
    }
}
