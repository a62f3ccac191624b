//! The next roster: a pure function of the last one and of what a committed round recorded.

use super::{Join, Roster, RosterMember, balance::balance};
use crate::{
    Contribution, Parameters, Round, ScorePolicy, Verdict,
    limits::MEMBERS_MAX,
    score::{QualityRule, updated_standing},
};

/// The roster after `round`: scores and absences noted, quarantines begun and ended, the silent gone, the joiners in,
/// and new votes given.
#[must_use]
pub fn next_roster(
    parameters: &Parameters,
    roster: &Roster,
    round: Round,
    contributions: &[Contribution],
    joins: &[Join],
) -> Roster {
    let mut members = roster.members.clone();
    for member in &mut members {
        let contribution = contributions.iter().find(|contribution| contribution.worker == member.worker);
        note(parameters, member, round, contribution);
    }
    if parameters.balanced {
        balance(&mut members, contributions);
    }
    members.retain(|member| member.missed < parameters.missed_rounds_max || member.quarantined_until.is_some());
    keep_a_voter(roster, &mut members);
    admit(&mut members, joins);
    promote(parameters, &mut members);
    Roster { members }
}

/// What the round means for one member.
fn note(parameters: &Parameters, member: &mut RosterMember, round: Round, contribution: Option<&Contribution>) {
    let was_out = !member.contributes(round);
    match contribution {
        Some(contribution) => score(parameters, member, round, contribution),
        None if was_out => {}
        None => member.missed = member.missed.saturating_add(1),
    }
    if let ScorePolicy::Quality(rule) = &parameters.score
        && was_out
        && member.contributes(round.next())
    {
        come_back(rule, member);
    }
}

fn score(parameters: &Parameters, member: &mut RosterMember, round: Round, contribution: &Contribution) {
    member.missed = 0;
    member.standing = Some(updated_standing(&parameters.score, member.standing, contribution.score));
    if contribution.verdict == Verdict::Accepted {
        member.accepted_rounds = member.accepted_rounds.saturating_add(1);
    }
    let ScorePolicy::Quality(rule) = &parameters.score else { return };
    member.low_streak = if contribution.score < rule.low_score { member.low_streak.saturating_add(1) } else { 0 };
    let low = member.standing.is_some_and(|standing| standing < 100 * rule.standing_min);
    if low || member.low_streak >= rule.low_streak_rounds_max {
        quarantine(rule, member, round);
    }
}

/// Out for some rounds, and without its vote.
fn quarantine(rule: &QualityRule, member: &mut RosterMember, round: Round) {
    member.quarantines = member.quarantines.saturating_add(1);
    let first_allowed = round.next().0.saturating_add(rule.quarantine_length(member.quarantines));
    member.quarantined_until = Some(Round(first_allowed));
    member.voter = false;
}

/// The way back: a middling mean score, and probation from the beginning.
fn come_back(rule: &QualityRule, member: &mut RosterMember) {
    member.quarantined_until = None;
    member.standing = Some(100 * rule.return_standing);
    member.low_streak = 0;
    member.missed = 0;
    member.accepted_rounds = 0;
}

/// A session without voters could never commit again: when nobody would be left, those who voted before and are still
/// members keep their votes, and when none of these is left, all members of before stay with theirs.
fn keep_a_voter(before: &Roster, members: &mut Vec<RosterMember>) {
    if members.iter().any(|member| member.voter) {
        return;
    }
    if !members.iter().any(|member| before.votes(&member.worker)) {
        *members = before.members.clone();
    }
    for member in members {
        member.voter = before.votes(&member.worker);
    }
}

/// Joiners come in while there is room; members that announce themselves again have moved.
fn admit(members: &mut Vec<RosterMember>, joins: &[Join]) {
    for join in joins {
        match members.binary_search_by(|member| member.worker.cmp(&join.worker)) {
            Ok(index) => members[index].addresses.clone_from(&join.addresses),
            Err(index) if members.len() < MEMBERS_MAX => members.insert(index, RosterMember::new(join, false)),
            Err(_) => {}
        }
    }
}

/// Those longest accepted come first; at most a fifth of the roster, and at least one, in a round.
fn promote(parameters: &Parameters, members: &mut [RosterMember]) {
    let room = (members.len() / 5).max(1);
    let ready = |member: &RosterMember| {
        !member.voter && member.quarantined_until.is_none() && member.accepted_rounds >= parameters.probation_rounds
    };
    let mut candidates: Vec<usize> = (0..members.len()).filter(|index| ready(&members[*index])).collect();
    candidates.sort_by_key(|index| (u64::MAX - members[*index].accepted_rounds, members[*index].worker));
    for index in candidates.into_iter().take(room) {
        members[index].voter = true;
    }
}
