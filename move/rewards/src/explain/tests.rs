use super::{Explanation, explain};
use crate::session::tests::properties::logs;
use crate::session::tests::{accepted, accounts, conditions, rejected, rounds};
use crate::session::{Accounts, Outcome};
use proptest::prelude::*;

#[test]
fn the_formulas_are_filled_in_to_the_last_unit() {
    let (stays, fails) = (accepted(1, 10, 80), accepted(2, 10, 60));
    let log = rounds(&[&[stays, fails], &[stays, rejected(2, 9_000, 45)], &[stays], &[stays]]);
    let explanation = explain(&conditions(2), &accounts(), &log, &[2; 32]).unwrap().unwrap();
    let id = "02".repeat(32);
    let expected = format!(
        "\
worker {id}, account 0x{id}

settlement 1, rounds 1–2
  round  tokens  bytes  score  verdict
      1      10    500     60  accepted
      2   9,000    500     45  rejected
  compute time  = ⌊10 accepted tokens so far · 6 · 16,666,667 parameters · 1000 / 10^11⌋ − 0 settled before \
= 10 reference ms
  quality       = ⌊105 sum of scores / 2 contributions⌋ = 52
  data          = 1,000 delivered bytes so far − 0 settled before = 1,000
  uptime        = ⌊100 · 2 contributions / 2 rounds since its first⌋ = 100

settlement 2, rounds 3–4
  no contribution
  compute time  = ⌊10 accepted tokens so far · 6 · 16,666,667 parameters · 1000 / 10^11⌋ − 10 settled before \
= 0 reference ms
  quality       = ⌊105 sum of all scores so far / 2 contributions⌋ = 52, as none is of these rounds
  data          = 1,000 delivered bytes so far − 1,000 settled before = 0
  uptime        = ⌊100 · 0 contributions / 2 rounds since its first⌋ = 0

in all, 2 entries
  time          = ⌊100 · 10 / 40 of the largest⌋ = 25
  data          = ⌊100 · 1,000 / 2,000 of the largest⌋ = 50
  quality       = ⌊104 sum of the entries / 2⌋ = 52
  uptime        = ⌊100 sum of the entries / 2⌋ = 50
  score         = 30 · 25 + 40 · 52 + 15 · 50 + 15 · 50 = 4,330

reward, of a pool of 1,000,000
  pools         = base ⌊1,000,000 · 80 / 100⌋ = 800,000; of the other 200,000 the top gets ⌊half⌋ = 100,000 and \
quality 100,000
  base          = ⌊800,000 · 4,330 / 13,530 sum of scores⌋ = 256,023, + 1 for one of the \
largest remainders (8,810) = 256,024
"
    );
    let text = explanation.to_text();
    for (line, (found, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", line + 1);
    }
    let rest: Vec<&str> = text.lines().skip(expected.lines().count()).collect();
    assert_eq!(
        rest,
        [
            "  top           = 0, as it is not among the 1 highest of 2 positive scores",
            "  quality bonus = 0, as no mean quality is above 90: to the top, which it is not among",
            "  reward        = 256,024 + 0 + 0 = 256,024",
        ]
    );
}

#[test]
fn one_that_never_contributed_has_no_explanation() {
    let log = rounds(&[&[accepted(1, 10, 80)]]);
    assert_eq!(explain(&conditions(2), &accounts(), &log, &[2; 32]), Ok(None));
    // Nor has one that shares the account of one that did.
    let shared: Accounts = [([1; 32], [9; 32]), ([2; 32], [9; 32])].into_iter().collect();
    assert_eq!(explain(&conditions(2), &shared, &log, &[2; 32]), Ok(None));
}

#[test]
fn an_account_of_several_workers_is_explained_with_all_of_them() {
    let shared: Accounts = [([1; 32], [9; 32]), ([2; 32], [9; 32])].into_iter().collect();
    let log = rounds(&[&[accepted(1, 10, 95), accepted(2, 30, 95)]]);
    let explanation = explain(&conditions(2), &shared, &log, &[2; 32]).unwrap().unwrap();
    let workers: Vec<u8> = explanation.workers.iter().map(|work| work.worker[0]).collect();
    assert_eq!((workers, explanation.reward), (vec![2, 1], 1_000_000));
    let text = explanation.to_text();
    assert!(text.contains(&format!("worker {} of this account", "01".repeat(32))));
    assert!(text.contains("its mean quality 190 / 2 being above 90, with 1 such"));
}

#[test]
fn nobody_is_promised_anything_when_all_scores_are_zero() {
    let log = rounds(&[&[rejected(1, 10, 0)]]);
    let text = explain(&conditions(2), &accounts(), &log, &[1; 32]).unwrap().unwrap().to_text();
    assert!(text.contains("score         = 0, as the quality is 0"), "{text}");
    assert!(
        text.ends_with("reward        = 0: no score is above 0, and the pool goes back to the sponsor\n"),
        "{text}"
    );
}

#[test]
fn one_without_a_score_is_told_so_beside_others_that_have_one() {
    let log = rounds(&[&[accepted(1, 10, 95), rejected(2, 10, 0)]]);
    let text = explain(&conditions(2), &accounts(), &log, &[2; 32]).unwrap().unwrap().to_text();
    let rest = "  top           = 0, as its score is 0\n  quality bonus = 0, as its score is 0\n  \
                reward        = 0 + 0 + 0 = 0\n";
    assert!(text.ends_with(rest), "{text}");
}

fn holds(explanation: &Explanation) -> Result<(), TestCaseError> {
    let entries = || explanation.workers.iter().flat_map(|work| &work.intervals).map(|interval| interval.entry);
    prop_assert_eq!(entries().map(|entry| entry.compute_time).sum::<u64>(), explanation.totals.compute_time);
    prop_assert_eq!(entries().map(|entry| entry.data_transmitted).sum::<u64>(), explanation.totals.data_transmitted);
    prop_assert_eq!(entries().map(|entry| entry.gradient_quality).sum::<u64>(), explanation.totals.quality_sum);
    prop_assert_eq!(entries().map(|entry| entry.uptime_ratio).sum::<u64>(), explanation.totals.uptime_sum);
    prop_assert_eq!(entries().count() as u64, explanation.totals.count);
    for interval in explanation.workers.iter().flat_map(|work| &work.intervals) {
        let scores = interval.rounds.iter().map(|round| round.score).sum::<u64>();
        prop_assert_eq!(
            (scores, interval.rounds.len() as u64),
            (interval.tally.score_sum, interval.tally.contributions)
        );
    }
    let parts = [explanation.base, explanation.top, explanation.quality_bonus];
    for part in parts {
        prop_assert!(part.share == part.floor || (part.share == part.floor + 1 && part.remainder > 0), "{:?}", part);
    }
    prop_assert_eq!(parts.iter().map(|part| part.share).sum::<u64>(), explanation.reward);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_number_of_an_explanation_adds_up(
        log in logs(), settle_every in 1..6_u64, owners in prop::collection::vec(0..4_u8, 5),
    ) {
        let accounts = (0..).zip(&owners).map(|(worker, owner)| ([worker; 32], [*owner; 32])).collect();
        let conditions = conditions(settle_every);
        let outcome = Outcome::of_rounds(&conditions, &accounts, &log).unwrap();
        for worker in 0..5 {
            let Some(explanation) = explain(&conditions, &accounts, &log, &[worker; 32]).unwrap() else { continue };
            holds(&explanation)?;
            let mut shares = outcome.split.shares.iter();
            let share = shares.find(|share| share.address == explanation.address).unwrap();
            prop_assert_eq!((explanation.reward, explanation.score), (share.reward(), share.score));
            let read: Explanation = serde_json::from_str(&serde_json::to_string(&explanation).unwrap()).unwrap();
            prop_assert!(!read.to_text().is_empty() && read == explanation);
        }
    }
}
