//! Quorums, and who comes and goes with a committed round.

use super::{Join, Roster, next_roster, quorum};
use crate::{
    Contribution, Keypair, Parameters, Round, ScorePolicy, WorkerId,
    score::{Measured, QualityRule, decide},
    testing::{delivered, head, join, keypairs, measured, parameters, rule},
};

/// What `keypairs` contribute when all is well.
fn good(roster: &Roster, keypairs: &[Keypair]) -> Vec<Contribution> {
    contributions(roster, keypairs, &measured())
}

fn contributions(roster: &Roster, keypairs: &[Keypair], measured: &Measured) -> Vec<Contribution> {
    let entries: Vec<_> =
        keypairs.iter().enumerate().map(|(number, keypair)| delivered(keypair, number, measured.clone())).collect();
    let decisions = decide(&parameters(1), roster, &entries);
    entries.iter().zip(&decisions).map(|(entry, decision)| Contribution::of(entry, decision)).collect()
}

fn voters(roster: &Roster) -> Vec<WorkerId> {
    roster.voters().map(|member| member.worker).collect()
}

#[test]
fn the_quorum_is_two_thirds_rounded_up() {
    let quorums: Vec<_> = [0, 1, 2, 3, 4, 5, 6, 7, 10, 64].map(quorum).into();
    assert_eq!(quorums, [1, 1, 2, 2, 3, 4, 4, 5, 7, 43]);
}

#[test]
fn two_quorums_always_share_an_honest_voter() {
    for voters in 1..=64 {
        let equivocators = (2 * quorum(voters)).saturating_sub(voters + 1);
        assert!(2 * quorum(voters) > voters + equivocators, "{voters} voters");
    }
}

#[test]
fn those_admitted_before_the_first_round_vote() {
    let roster = head(&keypairs(4)).roster;
    assert_eq!(voters(&roster).len(), 4);
    assert!(roster.is_valid());
}

#[test]
fn a_later_joiner_comes_in_without_a_vote_and_gets_it_after_five_accepted_rounds() {
    let all = keypairs(4);
    let mut roster = head(&all[..3]).roster;
    roster = next_roster(&parameters(1), &roster, Round(1), &good(&roster, &all[..3]), &[join(&all[3])]);
    assert_eq!((roster.members.len(), roster.votes(&all[3].worker())), (4, false));
    for round in 2..=6 {
        assert!(!roster.votes(&all[3].worker()), "before round {round}");
        roster = next_roster(&parameters(1), &roster, Round(round), &good(&roster, &all), &[]);
    }
    assert!(roster.votes(&all[3].worker()));
}

#[test]
fn new_votes_are_a_fifth_of_the_roster_and_at_least_one() {
    let all = keypairs(12);
    let mut roster = head(&all).roster;
    for member in &mut roster.members[4..] {
        (member.voter, member.accepted_rounds) = (false, 9);
    }
    let next = next_roster(&parameters(1), &roster, Round(9), &good(&roster, &all), &[]);
    assert_eq!(voters(&next).len(), 4 + 2);
    roster.members.truncate(5);
    let next = next_roster(&parameters(1), &roster, Round(9), &good(&roster, &all[..5]), &[]);
    assert_eq!(voters(&next).len(), 4 + 1);
}

#[test]
fn whoever_misses_three_rounds_leaves() {
    let all = keypairs(3);
    let mut roster = head(&all).roster;
    for round in 1..=2 {
        roster = next_roster(&parameters(1), &roster, Round(round), &good(&roster, &all[..2]), &[]);
        assert_eq!((roster.members.len(), roster.members[2].missed), (3, round as u32));
    }
    let back = next_roster(&parameters(1), &roster, Round(3), &good(&roster, &all), &[]);
    assert_eq!(back.members[2].missed, 0, "one contribution is enough to stay");
    let gone = next_roster(&parameters(1), &roster, Round(3), &good(&roster, &all[..2]), &[]);
    assert_eq!(voters(&gone), [all[0].worker(), all[1].worker()]);
}

#[test]
fn the_last_voter_never_leaves() {
    let all = keypairs(2);
    let mut roster = head(&all).roster;
    roster.members[1].voter = false;
    roster.members[0].missed = 2;
    let next = next_roster(&parameters(1), &roster, Round(3), &good(&roster, &all[1..]), &[]);
    assert_eq!(voters(&next), [all[0].worker()]);
}

#[test]
fn three_scores_below_20_in_a_row_lead_to_quarantine_and_it_ends() {
    let all = keypairs(4);
    let rule = QualityRule { quarantine_rounds: 2, ..rule() };
    let parameters = Parameters { score: ScorePolicy::Quality(rule), ..parameters(1) };
    let mut roster = head(&all).roster;
    roster.members[0].standing = Some(10_000);
    let step = |roster: &Roster, round: u64, first: &str| {
        let mut contributions = good(roster, &all);
        match first {
            "bad" => contributions[0].score = 19,
            "absent" => {
                contributions.remove(0);
            }
            _ => {}
        }
        next_roster(&parameters, roster, Round(round), &contributions, &[])
    };
    for round in 1..=2 {
        roster = step(&roster, round, "bad");
        assert_eq!(roster.members[0].quarantined_until, None, "after round {round}");
    }
    assert_eq!(step(&roster, 3, "good").members[0].low_streak, 0);
    roster = step(&roster, 3, "bad");
    assert_eq!(roster.members[0].quarantined_until, Some(Round(6)));
    assert!(
        !roster.members[0].voter && !roster.members[0].contributes(Round(5)) && roster.members[0].contributes(Round(6))
    );
    roster = step(&roster, 4, "absent");
    assert_eq!(roster.members[0].missed, 0, "nobody misses what they may not do");
    roster = step(&roster, 5, "absent");
    let back = &roster.members[0];
    assert_eq!(
        (back.quarantined_until, back.standing, back.accepted_rounds, back.voter),
        (None, Some(5_000), 0, false)
    );
}

#[test]
fn a_mean_score_below_30_leads_to_quarantine_at_once() {
    let all = keypairs(3);
    let roster = head(&all).roster;
    let mut contributions = good(&roster, &all);
    contributions[2].score = 29;
    let next = next_roster(&parameters(1), &roster, Round(1), &contributions, &[]);
    assert_eq!(next.members[2].quarantined_until, Some(Round(12)));
}

#[test]
fn a_roster_of_64_takes_nobody_more() {
    let all = keypairs(66);
    let roster = head(&all[..63]).roster;
    let joins: Vec<Join> = all[63..].iter().map(join).collect();
    let next = next_roster(&parameters(1), &roster, Round(1), &good(&roster, &all[..63]), &joins);
    assert_eq!(next.members.len(), 64);
    assert!(next.member(&all[63].worker()).is_some() && next.is_valid());
}

#[test]
fn a_member_that_joins_again_has_moved() {
    let all = keypairs(2);
    let roster = head(&all).roster;
    let moved = Join { worker: all[0].worker(), addresses: vec!["elsewhere".to_owned()] };
    let next = next_roster(&parameters(1), &roster, Round(1), &good(&roster, &all), &[moved]);
    assert_eq!(next.members[0].addresses.as_slice(), &["elsewhere".to_owned()][..]);
    assert_eq!(next.members.len(), 2);
}

/// The speed steps after `rounds` rounds in which the inner steps took so long.
fn steps_after(rounds: &[[u64; 3]], parameters: &Parameters) -> Vec<u32> {
    let all = keypairs(3);
    let mut roster = head(&all).roster;
    for (round, inner_ms) in (1..).zip(rounds) {
        let mut contributions = good(&roster, &all);
        for (contribution, inner_ms) in contributions.iter_mut().zip(inner_ms) {
            let member = roster.member(&contribution.worker).unwrap();
            (contribution.inner_ms, contribution.tokens) = (*inner_ms, 1_000 * u64::from(member.speed_step));
        }
        roster = next_roster(parameters, &roster, Round(round), &contributions, &[]);
        assert!(roster.is_valid());
    }
    roster.members.iter().map(|member| member.speed_step).collect()
}

#[test]
fn a_worker_that_is_three_times_as_fast_takes_three_times_the_batch() {
    let balanced = Parameters { balanced: true, ..parameters(1) };
    assert_eq!(steps_after(&[[300, 100, 300]], &balanced), [1, 3, 1]);
    // With its larger batch it takes as long as the others: that is the same speed.
    assert_eq!(steps_after(&[[300, 100, 300], [300, 300, 300], [310, 290, 300]], &balanced), [1, 3, 1]);
    assert_eq!(steps_after(&[[300, 100, 300]], &parameters(1)), [1, 1, 1], "only where the job balances");
}

#[test]
fn noise_and_missing_clocks_move_no_step() {
    let balanced = Parameters { balanced: true, ..parameters(1) };
    assert_eq!(steps_after(&[[300, 180, 240], [200, 300, 300]], &balanced), [1, 1, 1]);
    assert_eq!(steps_after(&[[0, 0, 0]], &balanced), [1, 1, 1]);
    assert_eq!(steps_after(&[[0, 100, 300]], &balanced), [1, 3, 1]);
    assert_eq!(steps_after(&[[u64::MAX, 1, 1]], &balanced), [1, 1, 1], "a speed of 0 is none");
    assert_eq!(steps_after(&[[1_000_000, 1, 1_000_000]], &balanced), [1, 64, 1], "there is a largest step");
}
