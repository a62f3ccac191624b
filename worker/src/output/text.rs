//! Events and quantities in words.

use std::fmt::Write as _;

use protocol::Verdict;
use record::events::{Corpus, Devices, Event, RunStart};
use record::{ContributionRecord, RoundRecord};

/// What a person reads when `event` happens; none for those that only programs care for.
pub fn describe(event: &Event) -> Option<String> {
    Some(match event {
        Event::Devices(devices) => describe_devices(devices),
        Event::Corpus(corpus) => describe_corpus(corpus),
        Event::Listening(at) => {
            format!("listening on {}\njoin with: cotrain worker {}", at.addresses.join(", "), at.invite)
        }
        Event::Run(run) => describe_run(run),
        Event::Joined(joined) => format!("worker {} joined ({} members)", short(&joined.worker), joined.members),
        Event::Left(left) => format!("worker {} left: {}", short(&left.worker), left.reason),
        Event::Inner(inner) => format!(
            "round {} step {}/{}: training loss {:.4}, {} tokens/s",
            inner.round,
            inner.step,
            inner.steps,
            inner.loss,
            count(inner.tokens_per_s)
        ),
        Event::Round(round) => describe_round(round),
        Event::RoundAbandoned(round) => format!("round {} abandoned: {}", round.round, round.reason),
        Event::RoundApplied(round) => format!("round {} applied: state {}", round.round, short(&round.state_hash)),
        Event::Checkpoint(checkpoint) => format!("checkpoint {}", checkpoint.path),
        Event::Finished(finished) => format!("finished after {} rounds", finished.outer_steps),
        Event::Warning(warning) => format!("warning: {}", warning.message),
        // The program writes its error itself, to standard error; process ids are for programs.
        Event::Failed(_) | Event::Process(_) => return None,
    })
}

/// The devices that were found and the choice among them.
pub fn describe_devices(devices: &Devices) -> String {
    let mut text = format!("devices: {}", devices.found.join(", "));
    let _ = write!(text, "\n  using {}", devices.chosen);
    for reason in &devices.reasons {
        let _ = write!(text, "\n  {reason}");
    }
    text
}

fn describe_corpus(corpus: &Corpus) -> String {
    format!(
        "text: {}: {} in {} files; {} tokens to train on, {} held out; a unigram model's loss {:.3}",
        corpus.source,
        bytes(corpus.bytes as f64),
        corpus.files,
        count(corpus.train_tokens as f64),
        count(corpus.heldout_tokens as f64),
        corpus.unigram_loss
    )
}

fn describe_run(run: &RunStart) -> String {
    let mut text = format!(
        "model: {} parameters; {} rounds of {} inner steps, {} workers, codec {}; held-out loss at the start {:.3}",
        count(run.parameters as f64),
        run.outer_steps_planned,
        run.inner_steps,
        run.workers,
        run.codec,
        run.initial_loss
    );
    if run.outer_steps > 0 {
        let _ = write!(text, "\nresuming after round {} of {}", run.outer_steps, run.outer_steps_planned);
    }
    text
}

/// One line about a committed round.
pub fn describe_round(round: &RoundRecord) -> String {
    let mut text = format!("round {}", round.round);
    if let Some(loss) = round.eval_loss {
        let _ = write!(text, ": held-out loss {loss:.4}");
    }
    let scores: Vec<String> = round.contributions.iter().map(describe_contribution).collect();
    let sent: u64 = round.contributions.iter().map(|c| c.bytes).sum();
    let ms = wall_ms(round);
    let _ = write!(text, ", scores {}, {} sent, {:.1} s", scores.join(" "), bytes(sent as f64), ms / 1000.0);
    text
}

fn describe_contribution(line: &ContributionRecord) -> String {
    if line.verdict == Verdict::Accepted { line.score.to_string() } else { format!("{} ({})", line.score, line.reason) }
}

/// Milliseconds of a round from its parts.
pub fn wall_ms(round: &RoundRecord) -> f64 {
    let t = round.timings_ms;
    t.inner + t.encode + t.exchange + t.score + t.apply
}

/// The start of an id or hash, enough to tell a few apart.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// A number of things in at most four significant digits: `926 k`, `1.24 M`, `4,950`.
pub fn count(number: f64) -> String {
    let (value, unit) = match number.abs() {
        n if n >= 1e9 => (number / 1e9, " G"),
        n if n >= 1e6 => (number / 1e6, " M"),
        n if n >= 1e5 => (number / 1e3, " k"),
        _ => return grouped(number.round() as i64),
    };
    let decimals = usize::from(value.abs() < 100.0) + usize::from(value.abs() < 10.0);
    format!("{value:.decimals$}{unit}")
}

/// A number of bytes in binary units: `84 B`, `1.5 KiB`, `16.0 MiB`.
pub fn bytes(number: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = if unit == 0 { 0 } else { 1 };
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// A whole number with commas between groups of three digits.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in words: `48 s`, `2 min 5 s`, `1 h 12 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0 => format!("{:.0} ms", seconds.max(0.0) * 1000.0),
        1..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}
