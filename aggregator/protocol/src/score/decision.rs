//! From the record of a round to verdicts, scores, weights and clips.

use super::{
    Entry, Measured, ONE, Outcome, Prepared, QualityRule, Reason, ScorePolicy, Verdict, prepare, updated_standing,
};
use crate::{
    Parameters, Roster, WorkerId,
    limits::{CLIP_ONE, WEIGHT_MAX},
};

/// The judgement of one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it enters the aggregate.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Ratio to the median norm, in millionths.
    pub norm_ratio_millionths: u32,
    /// Usefulness u in millionths.
    pub usefulness_millionths: u32,
    /// Agreement c in millionths.
    pub agreement_millionths: u32,
    /// Score S, 0–100.
    pub score: u32,
    /// Weight, 1–64 when accepted, else 0.
    pub weight: u32,
    /// Clip in 1/256; 0 when it failed a gate.
    pub clip: u32,
    /// The owner's mean score afterwards, in hundredths.
    pub standing: u32,
}

/// Judges the commits of a round, in the order of workers: one decision for each entry.
///
/// An exact function of the record and of the roster that the round started with; see [`crate::score`] for the formula.
#[must_use]
pub fn decide(parameters: &Parameters, roster: &Roster, entries: &[Entry]) -> Vec<Decision> {
    let gated: Vec<_> = entries.iter().filter_map(gated).collect();
    let prepared = prepare(&parameters.score, roster, &gated);
    let scale = Scale::of(entries, &prepared);
    let judge = |entry: &Entry| judge(parameters, roster, entry, &prepared, &scale);
    let mut decisions: Vec<_> = entries.iter().map(judge).collect();
    weigh(parameters, roster, entries, &mut decisions);
    decisions
}

/// The lower of the two middle values.
pub(super) fn lower_median<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// The medians that gains and cosines are measured against.
struct Scale {
    gain: i64,
    gain_error: u64,
    cosine: i64,
}

impl Scale {
    /// Over the trusted; where nobody is, over all that passed the gates.
    fn of(entries: &[Entry], prepared: &[Prepared]) -> Self {
        let any_trusted = prepared.iter().any(|payload| payload.trusted);
        let counts = |payload: &&Prepared| payload.trusted || (!any_trusted && payload.gate.is_none());
        let counted: Vec<&Measured> =
            prepared.iter().filter(counts).filter_map(|payload| measured(entries, &payload.worker)).collect();
        let gain = lower_median(counted.iter().map(|measured| measured.gain_micronats)).unwrap_or(0);
        let gain_error = lower_median(counted.iter().map(|measured| measured.gain_error_micronats)).unwrap_or(0);
        let cosine = lower_median(counted.iter().filter_map(|measured| measured.cosine_millionths)).unwrap_or(0);
        Self { gain, gain_error, cosine }
    }
}

fn judge(parameters: &Parameters, roster: &Roster, entry: &Entry, prepared: &[Prepared], scale: &Scale) -> Decision {
    let standing = roster.member(&entry.worker).and_then(|member| member.standing);
    let failed = |reason, ratio, clip| Decision {
        verdict: Verdict::Rejected,
        reason,
        norm_ratio_millionths: ratio,
        usefulness_millionths: 0,
        agreement_millionths: 0,
        score: 0,
        weight: 0,
        clip,
        standing: updated_standing(&parameters.score, standing, 0),
    };
    let measured = match &entry.outcome {
        Outcome::Withheld => return failed(Reason::Withheld, 0, 0),
        Outcome::Mismatch => return failed(Reason::CommitmentMismatch, 0, 0),
        Outcome::Revealed { measured: None, .. } => return failed(Reason::Undelivered, 0, 0),
        Outcome::Revealed { measured: Some(measured), .. } => measured,
    };
    let Some(payload) = prepared.iter().find(|payload| payload.worker == entry.worker) else {
        return failed(Reason::Undelivered, 0, 0); // not reached: every measured entry was prepared
    };
    if let Some(reason) = payload.gate {
        return failed(reason, payload.norm_ratio_millionths, payload.clip);
    }
    match &parameters.score {
        ScorePolicy::GatesOnly => {
            pass(payload, ONE, ONE, 100, updated_standing(&parameters.score, standing, 100), Reason::Passed)
        }
        ScorePolicy::Quality(rule) => {
            let (useful, agrees) =
                (usefulness(measured.gain_micronats, scale), agreement(rule, measured, scale.cosine));
            let score = score(rule, useful, agrees, u64::from(payload.norm_ratio_millionths));
            let standing = updated_standing(&parameters.score, standing, score);
            pass(payload, useful, agrees, score, standing, threshold(rule, useful, score, standing))
        }
    }
}

fn pass(payload: &Prepared, useful: u64, agrees: u64, score: u32, standing: u32, reason: Reason) -> Decision {
    Decision {
        verdict: if reason == Reason::Passed { Verdict::Accepted } else { Verdict::Rejected },
        reason,
        norm_ratio_millionths: payload.norm_ratio_millionths,
        usefulness_millionths: useful as u32,
        agreement_millionths: agrees as u32,
        score,
        weight: 0,
        clip: payload.clip,
        standing,
    }
}

/// u = clamp((gain + 2·SE) / median, 0, 1) when the median stands out from the noise (≥ 2·SE); otherwise the evaluation
/// cannot tell: 1, or 0 for a gain below −3·SE.
///
/// The doubt of 2·SE is what keeps honest workers in: with a few short sequences their gains scatter by as much as the
/// median itself late in a run, and without it one in twenty was turned away. SE is the median of the standard errors,
/// since one taken from four sequences is itself noise, and its owner could raise it.
fn usefulness(gain: i64, scale: &Scale) -> u64 {
    let (gain, median, error) = (i128::from(gain), i128::from(scale.gain), i128::from(scale.gain_error));
    if median > 0 && median >= 2 * error {
        ((gain + 2 * error) * i128::from(ONE) / median).clamp(0, i128::from(ONE)) as u64
    } else if gain < -3 * error {
        0
    } else {
        ONE
    }
}

/// c = clamp(cosine / max(median, floor), 0, 1); 1 when there is no other trusted worker.
fn agreement(rule: &QualityRule, measured: &Measured, median: i64) -> u64 {
    let Some(cosine) = measured.cosine_millionths else { return ONE };
    let median = i128::from(median).max(i128::from(rule.cosine_floor_millionths)).max(1);
    (i128::from(cosine) * i128::from(ONE) / median).clamp(0, i128::from(ONE)) as u64
}

/// S, the weighted mean of u, c and ν in percent, to nearest, halves up.
fn score(rule: &QualityRule, useful: u64, agrees: u64, ratio: u64) -> u32 {
    let parts = [(rule.usefulness_weight, useful), (rule.agreement_weight, agrees), (rule.norm_weight, ratio)];
    let all: u128 = parts.iter().map(|(weight, _)| u128::from(*weight)).sum();
    let sum: u128 = parts.iter().map(|(weight, value)| u128::from(*weight) * u128::from(*value)).sum();
    let one = all.max(1) * u128::from(ONE);
    ((2 * 100 * sum + one) / (2 * one)) as u32
}

fn threshold(rule: &QualityRule, useful: u64, score: u32, standing: u32) -> Reason {
    if useful < u64::from(rule.usefulness_min_millionths) {
        Reason::LowUsefulness
    } else if score < rule.score_min {
        Reason::LowScore
    } else if standing < 100 * rule.standing_min {
        Reason::LowStanding
    } else {
        Reason::Passed
    }
}

/// w = max(1, ⌊64 · (S̄ − m)/(100 − m) · tokens/most tokens⌋) of the accepted, with m the least standing, halved (but
/// at least 1) on probation; by tokens alone under [`ScorePolicy::GatesOnly`].
fn weigh(parameters: &Parameters, roster: &Roster, entries: &[Entry], decisions: &mut [Decision]) {
    let accepted = |decision: &Decision| decision.verdict == Verdict::Accepted;
    let judged = entries.iter().zip(decisions.iter());
    let most =
        judged.filter(|(_, decision)| accepted(decision)).map(|(entry, _)| tokens(entry)).max().unwrap_or(0).max(1);
    for (entry, decision) in entries.iter().zip(decisions).filter(|(_, decision)| accepted(decision)) {
        let member = roster.member(&entry.worker);
        let probation = member.is_none_or(|member| member.accepted_rounds < parameters.probation_rounds);
        decision.weight = match &parameters.score {
            ScorePolicy::GatesOnly => ratio_weight(tokens(entry), most, 1, 1),
            ScorePolicy::Quality(rule) => {
                let floor = 100 * rule.standing_min;
                let weight = ratio_weight(
                    tokens(entry),
                    most,
                    decision.standing.saturating_sub(floor),
                    10_000 - floor.min(9_999),
                );
                if probation { (weight / 2).max(1) } else { weight }
            }
        };
        decision.clip = decision.clip.min(CLIP_ONE);
    }
}

/// max(1, ⌊64 · (part/whole) · (tokens/most)⌋).
fn ratio_weight(tokens: u64, most: u64, part: u32, whole: u32) -> u32 {
    let numerator = u128::from(WEIGHT_MAX) * u128::from(part) * u128::from(tokens);
    let weight = numerator / (u128::from(whole) * u128::from(most));
    (weight.min(u128::from(WEIGHT_MAX)) as u32).max(1)
}

fn gated(entry: &Entry) -> Option<(WorkerId, Option<Reason>, u64)> {
    let Outcome::Revealed { measured: Some(measured), .. } = &entry.outcome else { return None };
    Some((entry.worker, measured.gate, measured.norm_nanos))
}

fn measured<'a>(entries: &'a [Entry], worker: &WorkerId) -> Option<&'a Measured> {
    let entry = entries.iter().find(|entry| entry.worker == *worker)?;
    if let Outcome::Revealed { measured, .. } = &entry.outcome { measured.as_ref() } else { None }
}

const fn tokens(entry: &Entry) -> u64 {
    if let Outcome::Revealed { tokens, .. } = entry.outcome { tokens } else { 0 }
}
