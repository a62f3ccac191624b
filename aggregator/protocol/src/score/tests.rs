//! The score rule by rule, in integers.

use super::{
    Decision, Entry, Measured, Outcome, Reason, ScorePolicy, Verdict, decide, norm_ratio_millionths, prepare,
    to_millionths, to_nanos, updated_standing,
};
use crate::{
    Parameters, Roster,
    testing::{delivered, head, keypairs, measured, parameters, rule},
};

fn roster(count: u8) -> Roster {
    head(&keypairs(count)).roster
}

/// Judges one entry per measurement, all with the same tokens, in a roster without standings.
fn judge(measurements: &[Measured]) -> Vec<Decision> {
    judge_in(&parameters(1), &roster(measurements.len() as u8), measurements)
}

fn judge_in(parameters: &Parameters, roster: &Roster, measurements: &[Measured]) -> Vec<Decision> {
    decide(parameters, roster, &entries(measurements))
}

fn entries(measurements: &[Measured]) -> Vec<Entry> {
    let keypairs = keypairs(measurements.len() as u8);
    let numbered = keypairs.iter().zip(measurements).enumerate();
    numbered.map(|(number, (keypair, measured))| delivered(keypair, number, measured.clone())).collect()
}

fn with_gain(gain_micronats: i64, gain_error_micronats: u64) -> Measured {
    Measured { gain_micronats, gain_error_micronats, ..measured() }
}

fn with_norm(norm_nanos: u64) -> Measured {
    Measured { norm_nanos, ..measured() }
}

fn with_cosine(cosine_millionths: Option<i64>) -> Measured {
    Measured { cosine_millionths, ..measured() }
}

#[test]
fn equal_good_contributions_score_100() {
    for decision in judge(&[measured(), measured(), measured()]) {
        assert_eq!((decision.verdict, decision.reason, decision.score), (Verdict::Accepted, Reason::Passed, 100));
        assert_eq!((decision.standing, decision.clip), (10_000, 256));
    }
}

#[test]
fn usefulness_is_the_gain_over_the_lower_median() {
    let decisions = judge(&[with_gain(500, 0), with_gain(1_000, 0), with_gain(2_000, 0), with_gain(4_000, 0)]);
    let useful: Vec<_> = decisions.iter().map(|decision| decision.usefulness_millionths).collect();
    assert_eq!(useful, [500_000, 1_000_000, 1_000_000, 1_000_000]);
}

#[test]
fn a_median_within_the_noise_says_nothing_unless_the_gain_is_clearly_negative() {
    // Median 10 < 2 · 100.
    let noisy = |gain| with_gain(gain, 100);
    let decisions = judge(&[noisy(-300), noisy(-301), noisy(10), noisy(20), noisy(30)]);
    let useful: Vec<_> = decisions.iter().map(|decision| decision.usefulness_millionths).collect();
    assert_eq!(useful, [1_000_000, 0, 1_000_000, 1_000_000, 1_000_000]);
    assert_eq!(decisions[1].reason, Reason::LowUsefulness);
}

#[test]
fn a_gain_has_the_benefit_of_two_standard_errors() {
    // Median 1,000 ≥ 2 · 200: decided, with a doubt of 400.
    let doubtful = |gain| with_gain(gain, 200);
    let decisions = judge(&[doubtful(100), doubtful(-400), doubtful(1_000), doubtful(1_000), doubtful(1_100)]);
    let useful: Vec<_> = decisions.iter().map(|decision| decision.usefulness_millionths).collect();
    assert_eq!(useful, [500_000, 0, 1_000_000, 1_000_000, 1_000_000]);
    // The error of one's own gain excuses nothing.
    let decisions = judge(&[with_gain(-1_000, 5_000), doubtful(1_000), doubtful(1_000), doubtful(1_000)]);
    assert_eq!(decisions[0].usefulness_millionths, 0);
}

#[test]
fn gains_of_zero_without_error_divide_by_nothing() {
    let decisions = judge(&[with_gain(0, 0), with_gain(0, 0)]);
    assert_eq!(decisions[0].usefulness_millionths, 1_000_000);
}

#[test]
fn a_harmful_contribution_is_rejected_and_weighs_nothing() {
    let decisions = judge(&[with_gain(-3_000, 10), measured(), measured()]);
    assert_eq!((decisions[0].verdict, decisions[0].reason), (Verdict::Rejected, Reason::LowUsefulness));
    assert_eq!((decisions[0].weight, decisions[0].score), (0, 41)); // (0 + 25 + 10) · 100 / 85
}

#[test]
fn two_negatives_earn_nothing() {
    let bad = Measured { gain_micronats: -3_000, cosine_millionths: Some(-400_000), ..measured() };
    let decisions = judge(&[bad, measured(), measured()]);
    assert_eq!((decisions[0].usefulness_millionths, decisions[0].agreement_millionths), (0, 0));
    assert_eq!(decisions[0].score, 12); // 10 · 100 / 85
}

#[test]
fn agreement_is_measured_against_the_median_cosine_or_the_floor() {
    let decisions = judge(&[with_cosine(Some(200_000)), with_cosine(Some(400_000)), with_cosine(Some(400_000))]);
    assert_eq!(decisions[0].agreement_millionths, 500_000);
    let low = judge(&[with_cosine(Some(5_000)), with_cosine(Some(5_000)), with_cosine(Some(5_000))]);
    assert_eq!(low[0].agreement_millionths, 250_000); // 0.005 / 0.02
    let alone = judge(&[with_cosine(None)]);
    assert_eq!(alone[0].agreement_millionths, 1_000_000);
}

#[test]
fn clips_scale_down_to_the_median_norm_and_never_up() {
    let decisions = judge(&[with_norm(1_000), with_norm(500), with_norm(3_000)]);
    let clips: Vec<_> = decisions.iter().map(|decision| decision.clip).collect();
    assert_eq!(clips, [256, 256, 85]); // ⌊256 · 1000 / 3000⌋
    let ratios: Vec<_> = decisions.iter().map(|decision| decision.norm_ratio_millionths).collect();
    assert_eq!(ratios, [1_000_000, 500_000, 333_333]);
}

#[test]
fn a_norm_ten_times_off_fails_the_gate() {
    let decisions =
        judge(&[with_norm(1_000), with_norm(1_000), with_norm(1_000), with_norm(10_001), with_norm(99), with_norm(0)]);
    for decision in &decisions[3..] {
        assert_eq!((decision.reason, decision.score, decision.clip), (Reason::NormOutOfRange, 0, 0));
    }
    assert_eq!(norm_ratio_millionths(10_000, 1_000), 100_000);
    assert_eq!(judge(&[with_norm(1_000), with_norm(1_000), with_norm(10_000)])[2].reason, Reason::Passed);
}

#[test]
fn what_fails_a_gate_enters_no_median() {
    let broken = Measured { gate: Some(Reason::InvalidEncoding), norm_nanos: 1, ..Measured::default() };
    let decisions = judge(&[broken.clone(), broken, measured(), measured()]);
    assert_eq!((decisions[0].reason, decisions[0].score), (Reason::InvalidEncoding, 0));
    assert_eq!((decisions[2].clip, decisions[2].score), (256, 100));
}

#[test]
fn withheld_mismatched_and_undelivered_score_zero_with_their_reason() {
    let mut entries = entries(&[measured(), measured(), measured(), measured()]);
    entries[0].outcome = Outcome::Withheld;
    entries[1].outcome = Outcome::Mismatch;
    if let Outcome::Revealed { measured, .. } = &mut entries[2].outcome {
        *measured = None;
    }
    let decisions = decide(&parameters(1), &roster(4), &entries);
    let reasons: Vec<_> = decisions.iter().map(|decision| decision.reason).collect();
    assert_eq!(reasons, [Reason::Withheld, Reason::CommitmentMismatch, Reason::Undelivered, Reason::Passed]);
    assert!(
        decisions[..3].iter().all(|decision| decision.score == 0 && decision.weight == 0 && decision.standing == 0)
    );
}

#[test]
fn the_trusted_set_the_medians() {
    let mut roster = roster(3);
    roster.members[0].standing = Some(2_999);
    roster.members[1].standing = Some(3_000);
    let gated: Vec<_> = roster.members.iter().map(|member| (member.worker, None, 1_000)).collect();
    let trusted = |roster: &Roster| -> Vec<bool> {
        prepare(&ScorePolicy::Quality(rule()), roster, &gated).iter().map(|payload| payload.trusted).collect()
    };
    assert_eq!(trusted(&roster), [false, true, false], "those without a score are not trusted beside one that is");
    roster.members[1].standing = Some(0);
    assert_eq!(trusted(&roster), [false, false, true], "where nobody is proven, the new are trusted");
    roster.members[0].standing = None;
    roster.members[1].standing = Some(5_000);
    let decisions = judge_in(&parameters(1), &roster, &[with_gain(9_000, 1), with_gain(1_000, 1), with_gain(500, 1)]);
    assert_eq!(decisions[2].usefulness_millionths, 502_000, "against the trusted worker's gain, with 2·SE of doubt");
}

#[test]
fn the_mean_score_moves_by_three_tenths() {
    let policy = ScorePolicy::Quality(rule());
    assert_eq!(updated_standing(&policy, None, 80), 8_000);
    assert_eq!(updated_standing(&policy, Some(8_000), 100), 8_600);
    assert_eq!(updated_standing(&policy, Some(3_333), 0), 2_333); // 2333.1
    assert_eq!(updated_standing(&policy, Some(3_335), 0), 2_335); // 2334.5, halves up
}

#[test]
fn a_low_mean_score_rejects_a_good_contribution() {
    let mut roster = roster(3);
    roster.members[0].standing = Some(0);
    let decisions = judge_in(&parameters(1), &roster, &[measured(), measured(), measured()]);
    assert_eq!((decisions[0].score, decisions[0].standing), (100, 3_000));
    assert_eq!(decisions[0].reason, Reason::Passed, "30 is enough");
    let poor = Measured { cosine_millionths: Some(200_000), ..measured() };
    let decisions = judge_in(&parameters(1), &roster, &[poor, measured(), measured()]);
    assert_eq!((decisions[0].reason, decisions[0].verdict), (Reason::LowStanding, Verdict::Rejected));
}

#[test]
fn weights_follow_mean_score_and_tokens_and_are_halved_on_probation() {
    let mut roster = roster(3);
    for (member, standing) in roster.members.iter_mut().zip([10_000, 10_000, 6_500]) {
        (member.standing, member.accepted_rounds) = (Some(standing), 5);
    }
    roster.members[1].accepted_rounds = 4;
    let weights = |entries: &[Entry]| -> Vec<u32> {
        decide(&parameters(1), &roster, entries).iter().map(|decision| decision.weight).collect()
    };
    let mut entries = entries(&[measured(), measured(), measured()]);
    // S̄ of the third: 0.7 · 65 + 0.3 · 100 = 75.5, so ⌊64 · 45.5 / 70⌋ = 41.
    assert_eq!(weights(&entries), [64, 32, 41]);
    if let Outcome::Revealed { tokens, .. } = &mut entries[2].outcome {
        *tokens = 250;
    }
    assert_eq!(weights(&entries), [64, 32, 10]);
    if let Outcome::Revealed { tokens, .. } = &mut entries[1].outcome {
        *tokens = 0;
    }
    assert_eq!(weights(&entries)[1], 1, "an accepted contribution weighs at least 1");
}

#[test]
fn the_gates_alone_weigh_by_tokens() {
    let parameters = Parameters { score: ScorePolicy::GatesOnly, ..parameters(1) };
    let mut entries = entries(&[with_norm(1), with_gain(-9_000, 1), measured(), measured()]);
    if let Outcome::Revealed { tokens, .. } = &mut entries[1].outcome {
        *tokens = 500;
    }
    if let Outcome::Revealed { measured: Some(measured), .. } = &mut entries[3].outcome {
        measured.gate = Some(Reason::NotFinite);
    }
    let decisions = decide(&parameters, &roster(4), &entries);
    let judged: Vec<_> = decisions.iter().map(|decision| (decision.score, decision.weight, decision.clip)).collect();
    assert_eq!(judged, [(100, 64, 256), (100, 32, 256), (100, 64, 256), (0, 0, 0)]);
}

#[test]
fn the_largest_numbers_overflow_nothing() {
    let extreme = |gain_micronats, cosine| Measured {
        norm_nanos: u64::MAX,
        gain_micronats,
        gain_error_micronats: u64::MAX,
        cosine_millionths: Some(cosine),
        loss_micronats: i64::MIN,
        gate: None,
    };
    judge(&[extreme(i64::MAX, i64::MIN), extreme(i64::MIN, i64::MAX), extreme(0, 0)]);
    let certain = |gain_micronats| Measured { gain_error_micronats: 0, ..extreme(gain_micronats, i64::MAX) };
    judge(&[certain(i64::MAX), certain(i64::MIN), certain(1)]);
}

#[test]
fn quarantines_double_up_to_a_limit() {
    let rule = rule();
    let lengths: Vec<_> = [1, 2, 3, 6, 7, 100].map(|number| rule.quarantine_length(number)).into();
    assert_eq!(lengths, [10, 20, 40, 320, 320, 320]);
}

#[test]
fn floats_become_integers_once() {
    assert_eq!((to_millionths(1.234_567_8), to_millionths(-0.5), to_millionths(f64::NAN)), (1_234_568, -500_000, 0));
    assert_eq!((to_nanos(1e-9), to_nanos(-1.0), to_nanos(f64::INFINITY)), (1, 0, u64::MAX));
}
