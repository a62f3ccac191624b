//! What follows from gates and norms alone: the norm gate, clips, and who is trusted.

use super::{ONE, Reason, ScorePolicy};
use crate::{Roster, WorkerId, limits::CLIP_ONE};

/// A payload after its gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared {
    /// Whose.
    pub worker: WorkerId,
    /// The gate that it failed, the norm gate included.
    pub gate: Option<Reason>,
    /// Ratio to the median norm, ν = min(n/ñ, ñ/n), in millionths; 0 when it failed a gate before.
    pub norm_ratio_millionths: u32,
    /// ⌊256·ñ/n⌋, at most 256.
    pub clip: u32,
    /// Whether medians and sums are taken over it: it passed the gates and its owner's mean score is high enough; where
    /// nobody's is, those without a score yet are trusted.
    pub trusted: bool,
}

/// Judges gates and norms: (worker, failed gate, norm in 10⁻⁹) of each delivered payload, in the order of workers.
///
/// Whoever measures gains and cosines uses the clips and the trust from here, since [`super::decide`] does.
#[must_use]
pub fn prepare(policy: &ScorePolicy, roster: &Roster, gated: &[(WorkerId, Option<Reason>, u64)]) -> Vec<Prepared> {
    let norms = gated.iter().filter(|(_, gate, _)| gate.is_none()).map(|(_, _, norm)| *norm);
    let median = super::decision::lower_median(norms).unwrap_or(0);
    let judge = |(worker, gate, norm): &(WorkerId, Option<Reason>, u64)| judge(policy, *worker, *gate, *norm, median);
    let mut prepared: Vec<_> = gated.iter().map(judge).collect();
    trust(policy, roster, &mut prepared);
    prepared
}

/// ν = min(n/ñ, ñ/n) in millionths; 0 when either is 0.
#[must_use]
pub fn norm_ratio_millionths(norm: u64, median: u64) -> u32 {
    let (small, large) = (norm.min(median), norm.max(median));
    if small == 0 { 0 } else { (u128::from(small) * u128::from(ONE) / u128::from(large)) as u32 }
}

fn judge(policy: &ScorePolicy, worker: WorkerId, gate: Option<Reason>, norm: u64, median: u64) -> Prepared {
    if gate.is_some() {
        return Prepared { worker, gate, norm_ratio_millionths: 0, clip: 0, trusted: false };
    }
    let norm_ratio_millionths = norm_ratio_millionths(norm, median);
    let ScorePolicy::Quality(rule) = policy else {
        return Prepared { worker, gate, norm_ratio_millionths, clip: CLIP_ONE, trusted: true };
    };
    if norm_ratio_millionths < rule.norm_ratio_min_millionths || norm == 0 {
        let gate = Some(Reason::NormOutOfRange);
        return Prepared { worker, gate, norm_ratio_millionths, clip: 0, trusted: false };
    }
    let clip = u128::from(CLIP_ONE) * u128::from(median) / u128::from(norm);
    Prepared { worker, gate, norm_ratio_millionths, clip: clip.min(u128::from(CLIP_ONE)) as u32, trusted: false }
}

fn trust(policy: &ScorePolicy, roster: &Roster, prepared: &mut [Prepared]) {
    let ScorePolicy::Quality(rule) = policy else { return };
    let standing = |payload: &Prepared| roster.member(&payload.worker).and_then(|member| member.standing);
    let proven = |payload: &Prepared| standing(payload).is_some_and(|standing| standing >= 100 * rule.standing_min);
    let some_proven = prepared.iter().any(|payload| payload.gate.is_none() && proven(payload));
    for payload in prepared {
        let believed = if some_proven { proven(payload) } else { standing(payload).is_none() };
        payload.trusted = payload.gate.is_none() && believed;
    }
}
