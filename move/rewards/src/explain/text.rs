//! An explanation in words and formulas.

use super::{Contributed, Explanation, Interval, Part, Work};
use crate::hex;
use crate::score::WEIGHTS;
use crate::text::{grouped, table};
use std::fmt::{Display, Write};

const NO_SCORE: &str = "0, as its score is 0";

pub(super) fn render(explanation: &Explanation) -> String {
    let mut text =
        format!("worker {}, account {}\n", hex::bare(&explanation.worker), hex::prefixed(&explanation.address));
    for work in &explanation.workers {
        text += &worker(explanation, work);
    }
    text + &in_all(explanation) + &reward(explanation)
}

fn worker(explanation: &Explanation, work: &Work) -> String {
    let shared = explanation.workers.len() > 1;
    let heading =
        if shared { format!("\nworker {} of this account\n", hex::bare(&work.worker)) } else { String::new() };
    work.intervals.iter().fold(heading, |text, one| text + &interval(one, explanation.parameters))
}

fn interval(interval: &Interval, parameters: u64) -> String {
    let Interval { settlement, first_round, last_round, tally, entry, .. } = interval;
    let mut text = format!("\nsettlement {settlement}, rounds {first_round}–{last_round}\n");
    text += &indented(&contributions(&interval.rounds));
    line(
        &mut text,
        "compute time",
        format_args!(
            "⌊{} accepted tokens so far · 6 · {} parameters · 1000 / 10^11⌋ − {} settled before = {} reference ms",
            grouped(tally.tokens_in_all),
            grouped(parameters),
            grouped(tally.compute_time_before),
            grouped(entry.compute_time),
        ),
    );
    line(&mut text, "quality", quality(interval));
    line(
        &mut text,
        "data",
        format_args!(
            "{} delivered bytes so far − {} settled before = {}",
            grouped(tally.bytes_in_all),
            grouped(tally.bytes_before),
            grouped(entry.data_transmitted),
        ),
    );
    line(
        &mut text,
        "uptime",
        format_args!(
            "⌊100 · {} contributions / {} rounds since its first⌋ = {}",
            tally.contributions, tally.rounds, entry.uptime_ratio,
        ),
    );
    text
}

fn contributions(rounds: &[Contributed]) -> String {
    if rounds.is_empty() {
        return "no contribution\n".into();
    }
    let row = |one: &Contributed| {
        let verdict = match (one.accepted, one.delivered) {
            (true, true) => "accepted",
            (true, false) => "accepted, bytes not delivered",
            (false, true) => "rejected",
            (false, false) => "rejected, not delivered",
        };
        vec![one.round.to_string(), grouped(one.tokens), grouped(one.bytes), one.score.to_string(), verdict.into()]
    };
    table(&["round", "tokens", "bytes", "score", "<verdict"], &rounds.iter().map(row).collect::<Vec<_>>())
}

fn quality(interval: &Interval) -> String {
    let (tally, quality) = (&interval.tally, interval.entry.gradient_quality);
    if tally.contributions > 0 {
        return format!("⌊{} sum of scores / {} contributions⌋ = {quality}", tally.score_sum, tally.contributions);
    }
    let (sum, contributions) = (tally.score_sum_in_all, tally.contributions_in_all);
    format!("⌊{sum} sum of all scores so far / {contributions} contributions⌋ = {quality}, as none is of these rounds")
}

fn in_all(explanation: &Explanation) -> String {
    let (totals, factors) = (&explanation.totals, &explanation.factors);
    let mut text = format!("\nin all, {} entries\n", totals.count);
    let mut of_largest = |name: &str, own: u64, largest: u64, factor: u64| {
        let formula = format_args!("⌊100 · {} / {} of the largest⌋ = {factor}", grouped(own), grouped(largest));
        line(&mut text, name, formula);
    };
    of_largest("time", totals.compute_time, explanation.compute_time_max, factors.time);
    of_largest("data", totals.data_transmitted, explanation.data_transmitted_max, factors.data);
    let mut mean = |name: &str, sum: u64, factor: u64| {
        line(&mut text, name, format_args!("⌊{} sum of the entries / {}⌋ = {factor}", grouped(sum), totals.count));
    };
    mean("quality", totals.quality_sum, factors.quality);
    mean("uptime", totals.uptime_sum, factors.uptime);
    line(&mut text, "score", score(explanation));
    text
}

fn score(explanation: &Explanation) -> String {
    let factors = &explanation.factors;
    if factors.quality == 0 {
        return "0, as the quality is 0".into();
    }
    let values = [factors.time, factors.quality, factors.data, factors.uptime];
    let products = WEIGHTS.iter().zip(values).map(|(weight, value)| format!("{weight} · {value}"));
    format!("{} = {}", products.collect::<Vec<_>>().join(" + "), grouped(explanation.score))
}

fn reward(explanation: &Explanation) -> String {
    let mut text = format!("\nreward, of a pool of {}\n", grouped(explanation.pool));
    if explanation.positive_scores == 0 {
        line(&mut text, "reward", "0: no score is above 0, and the pool goes back to the sponsor");
        return text;
    }
    line(&mut text, "pools", pools(explanation));
    line(&mut text, "base", part(&explanation.base));
    line(&mut text, "top", top(explanation));
    line(&mut text, "quality bonus", quality_bonus(explanation));
    line(
        &mut text,
        "reward",
        format_args!(
            "{} + {} + {} = {}",
            grouped(explanation.base.share),
            grouped(explanation.top.share),
            grouped(explanation.quality_bonus.share),
            grouped(explanation.reward),
        ),
    );
    text
}

fn pools(explanation: &Explanation) -> String {
    let (base, top, quality) = (explanation.base.amount, explanation.top.amount, explanation.quality_bonus.amount);
    format!(
        "base ⌊{} · {} / 100⌋ = {}; of the other {} the top gets ⌊half⌋ = {} and quality {}",
        grouped(explanation.pool),
        explanation.rules.base_percentage(),
        grouped(base),
        grouped(explanation.pool.saturating_sub(base)),
        grouped(top),
        grouped(quality),
    )
}

fn top(explanation: &Explanation) -> String {
    let (top, positive) = (explanation.top_scores, explanation.positive_scores);
    if explanation.score == 0 {
        return NO_SCORE.into();
    }
    let of = format!("{top} highest of {positive} positive scores");
    match explanation.top.weight {
        0 => format!("0, as it is not among the {of}"),
        _ => format!("{}, among the {of}", part(&explanation.top)),
    }
}

fn quality_bonus(explanation: &Explanation) -> String {
    if explanation.score == 0 {
        return NO_SCORE.into();
    }
    let threshold = explanation.rules.quality_threshold();
    let (sum, count) = (explanation.totals.quality_sum, explanation.totals.count);
    let has_part = explanation.quality_bonus.weight > 0;
    let mean = format!("its mean quality {sum} / {count}");
    match (explanation.scores_above_threshold, has_part) {
        (0, true) => {
            format!("{}, as no mean quality is above {threshold}: to the top", part(&explanation.quality_bonus))
        }
        (0, false) => format!("0, as no mean quality is above {threshold}: to the top, which it is not among"),
        (above, true) => {
            format!("{}, {mean} being above {threshold}, with {above} such", part(&explanation.quality_bonus))
        }
        (_, false) => format!("0, as {mean} is not above {threshold}"),
    }
}

fn part(part: &Part) -> String {
    let (amount, weight, weights) = (grouped(part.amount), grouped(part.weight), grouped(part.weights));
    let floor = format!("⌊{amount} · {weight} / {weights} sum of scores⌋ = {}", grouped(part.floor));
    if part.share == part.floor {
        return format!("{floor} (remainder {})", grouped(part.remainder));
    }
    format!("{floor}, + 1 for one of the largest remainders ({}) = {}", grouped(part.remainder), grouped(part.share))
}

fn line(text: &mut String, name: &str, value: impl Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {name:<13} = {value}");
}

fn indented(block: &str) -> String {
    block.lines().fold(String::new(), |text, line| text + "  " + line + "\n")
}
