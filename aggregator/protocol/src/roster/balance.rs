//! Larger batches for faster workers: what committed rounds recorded of their speed becomes coarse steps.
//!
//! Invariants: a pure function of the record; a step moves only when it is clearly off, so that noise changes no
//! assignment; the slowest worker takes one batch.

use super::RosterMember;
use crate::{Contribution, Verdict, limits::SPEED_STEP_MAX};

/// Notes the speeds of a round and gives every worker of known speed its step.
pub(super) fn balance(members: &mut [RosterMember], contributions: &[Contribution]) {
    for contribution in contributions.iter().filter(|contribution| contribution.verdict == Verdict::Accepted) {
        let measured = contribution.tokens.saturating_mul(1_000).checked_div(contribution.inner_ms).unwrap_or(0);
        let member = members.iter_mut().find(|member| member.worker == contribution.worker);
        if let (Some(member), 1..) = (member, measured) {
            let before = if member.tokens_per_s == 0 { measured } else { member.tokens_per_s };
            member.tokens_per_s = before.midpoint(measured);
        }
    }
    let known = |member: &&mut RosterMember| member.tokens_per_s > 0;
    let Some(unit) = members.iter().map(|member| member.tokens_per_s).filter(|speed| *speed > 0).min() else { return };
    for member in members.iter_mut().filter(known) {
        let step = u64::from(member.speed_step);
        // Three quarters of a step: more than rounding alone would forgive.
        let off = member.tokens_per_s.abs_diff(unit.saturating_mul(step));
        if off.saturating_mul(4) > unit.saturating_mul(3) {
            let nearest = member.tokens_per_s.saturating_add(unit / 2) / unit;
            member.speed_step = u32::try_from(nearest).unwrap_or(SPEED_STEP_MAX).clamp(1, SPEED_STEP_MAX);
        }
    }
}
