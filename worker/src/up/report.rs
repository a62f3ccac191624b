//! What a run came to: the closing report of `up`, computed from the files of the run directory alone, so that a
//! resumed run reports on all of its rounds.

use std::fmt::Write as _;
use std::path::Path;

use record::events::RunStart;
use record::{RoundRecord, TimingsMs};
use serde::Serialize;

use crate::output::text::{bytes, count, duration};

/// Points of the loss curve: the start and the end of each quarter.
const CURVE_POINTS: usize = 5;

/// The report, one JSON object with `"event": "report"`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Always `report`.
    pub event: &'static str,
    /// The run directory, absolute.
    pub run_dir: String,
    /// Committed rounds.
    pub rounds: usize,
    /// Held-out loss of the initial parameters, in nats per token.
    pub loss_start: f64,
    /// Held-out loss of the final parameters, in nats per token.
    pub loss_end: Option<f64>,
    /// The unigram model's, in nats per token.
    pub loss_unigram: f64,
    /// Held-out losses at the start and at the end of each quarter of the rounds.
    pub loss_curve: Vec<f64>,
    /// Tokens trained on by all workers.
    pub tokens: u64,
    /// Those per second of the rounds' time.
    pub tokens_per_s: f64,
    /// Bytes of all contributions with their headers.
    pub bytes_exchanged: u64,
    /// Bytes that the same contributions take as f32.
    pub bytes_f32: u64,
    /// Where the rounds' time went, summed.
    pub timings_ms: TimingsMs,
    /// The newest checkpoint, absolute.
    pub checkpoint: Option<String>,
    /// Sample of generated text.
    pub sample: Option<String>,
    /// What each worker contributed and earned, where the session pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewards: Option<rewards::report::Report>,
}

impl Report {
    /// Sums up the rounds of a run.
    pub fn new(run_dir: &Path, run: &RunStart, rounds: &[RoundRecord]) -> Self {
        let contributions = || rounds.iter().flat_map(|round| &round.contributions);
        let timings_ms = rounds.iter().fold(TimingsMs::default(), |sum, round| add(sum, round.timings_ms));
        let tokens = contributions().map(|c| c.tokens).sum();
        let seconds = total(timings_ms) / 1000.0;
        Self {
            event: "report",
            run_dir: run_dir.display().to_string(),
            rounds: rounds.len(),
            loss_start: run.initial_loss,
            loss_end: rounds.iter().rev().find_map(|round| round.eval_loss),
            loss_unigram: run.unigram_loss,
            loss_curve: curve(run.initial_loss, rounds),
            tokens,
            tokens_per_s: if seconds > 0.0 { tokens as f64 / seconds } else { 0.0 },
            bytes_exchanged: contributions().map(|c| c.bytes).sum(),
            bytes_f32: 4 * run.parameters * contributions().filter(|c| c.bytes > 0).count() as u64,
            timings_ms,
            checkpoint: None,
            sample: None,
            rewards: None,
        }
    }

    /// The report in words.
    pub fn to_text(&self) -> String {
        let mut text = String::from("\n");
        self.write_loss(&mut text);
        let _ = writeln!(
            text,
            "speed       {} tokens/s ({} tokens in {} rounds, {})",
            count(self.tokens_per_s),
            count(self.tokens as f64),
            self.rounds,
            duration(total(self.timings_ms) / 1000.0)
        );
        self.write_exchange(&mut text);
        let _ = writeln!(text, "time        {}", shares(self.timings_ms));
        self.write_results(&mut text);
        if let Some(rewards) = &self.rewards {
            text.push('\n');
            text.push_str(&rewards.to_text());
        }
        text
    }

    fn write_loss(&self, text: &mut String) {
        let end = self.loss_end.map_or_else(|| "not evaluated".to_owned(), |loss| format!("{loss:.3}"));
        let _ = writeln!(
            text,
            "loss        {:.3} at the start, {end} at the end, on held-out text (nats per token); \
             a unigram model {:.3}",
            self.loss_start, self.loss_unigram
        );
        let points: Vec<String> = self.loss_curve.iter().map(|loss| format!("{loss:.3}")).collect();
        if points.len() > 2 {
            let _ = writeln!(text, "by quarter  {}", points.join(" → "));
        }
    }

    fn write_exchange(&self, text: &mut String) {
        let _ = write!(text, "exchanged   {}", bytes(self.bytes_exchanged as f64));
        if self.bytes_exchanged > 0 {
            let ratio = self.bytes_f32 as f64 / self.bytes_exchanged as f64;
            let _ = write!(text, ", {ratio:.1} times less than {} as f32", bytes(self.bytes_f32 as f64));
        }
        text.push('\n');
    }

    fn write_results(&self, text: &mut String) {
        if let Some(sample) = &self.sample {
            let _ = writeln!(text, "sample      {}", printable(sample.trim_end()).replace('\n', "\n            "));
        }
        if let Some(checkpoint) = &self.checkpoint {
            let _ = writeln!(text, "checkpoint  {checkpoint}");
            let _ = writeln!(text, "load it     {}", load_line(checkpoint));
        }
        let _ = writeln!(text, "run         {}", self.run_dir);
    }
}

/// Text that no terminal takes for commands: a young model writes any byte.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}

/// The line of Python that loads a checkpoint.
pub fn load_line(checkpoint: &str) -> String {
    // JSON's string escapes are Python's.
    let path = serde_json::Value::from(checkpoint);
    format!("model = transformers.AutoModelForCausalLM.from_pretrained({path})")
}

/// The losses at the start and at the end of each quarter; fewer when few rounds were evaluated.
fn curve(start: f64, rounds: &[RoundRecord]) -> Vec<f64> {
    let losses: Vec<f64> = std::iter::once(start).chain(rounds.iter().filter_map(|round| round.eval_loss)).collect();
    if losses.len() <= CURVE_POINTS {
        return losses;
    }
    let last = losses.len() - 1;
    (0..CURVE_POINTS).map(|point| losses[(point * last).div_ceil(CURVE_POINTS - 1)]).collect()
}

fn add(a: TimingsMs, b: TimingsMs) -> TimingsMs {
    TimingsMs {
        inner: a.inner + b.inner,
        encode: a.encode + b.encode,
        exchange: a.exchange + b.exchange,
        score: a.score + b.score,
        apply: a.apply + b.apply,
    }
}

fn total(t: TimingsMs) -> f64 {
    t.inner + t.encode + t.exchange + t.score + t.apply
}

/// Each part's share of the time.
fn shares(t: TimingsMs) -> String {
    let all = total(t);
    let share = |ms: f64| if all > 0.0 { 100.0 * ms / all } else { 0.0 };
    let parts = [
        ("inner steps", t.inner),
        ("encode", t.encode),
        ("exchange", t.exchange),
        ("score", t.score),
        ("apply", t.apply),
    ];
    let words: Vec<String> = parts.iter().map(|(name, ms)| format!("{name} {:.1} %", share(*ms))).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::contribution;
    use protocol::{Reason, Round};

    fn run() -> RunStart {
        RunStart {
            parameters: 1000,
            initial_loss: 5.5,
            unigram_loss: 3.2,
            outer_steps_planned: 8,
            ..RunStart::default()
        }
    }

    fn round(number: u64, loss: Option<f64>) -> RoundRecord {
        let contribution = contribution(90, Reason::Passed);
        RoundRecord {
            eval_loss: loss,
            contributions: vec![contribution.clone(), contribution],
            timings_ms: TimingsMs { inner: 900.0, encode: 10.0, exchange: 20.0, score: 60.0, apply: 10.0 },
            ..RoundRecord::empty(Round(number))
        }
    }

    #[test]
    fn speed_bytes_and_loss_are_those_of_all_rounds() {
        let rounds: Vec<_> = (1..=8).map(|n| round(n, Some(5.5 - 0.25 * n as f64))).collect();
        let report = Report::new(Path::new("/runs/a"), &run(), &rounds);
        assert_eq!((report.tokens, report.tokens_per_s), (8000, 1000.0));
        assert_eq!((report.bytes_exchanged, report.bytes_f32), (640, 64_000));
        assert_eq!((report.loss_start, report.loss_end), (5.5, Some(3.5)));
        assert_eq!(report.loss_curve, [5.5, 5.0, 4.5, 4.0, 3.5]);
    }

    #[test]
    fn the_text_says_what_a_reader_needs() {
        let mut report = Report::new(Path::new("/runs/a"), &run(), &[round(1, Some(4.0)), round(2, Some(3.0))]);
        report.checkpoint = Some("/runs/a/checkpoints/000002".into());
        report.sample = Some("fn main() {\n}\n".into());
        let text = report.to_text();
        for part in [
            "5.500 at the start, 3.000 at the end",
            "a unigram model 3.200",
            "1,000 tokens/s",
            "100.0 times less than",
            "inner steps 90.0 %, encode 1.0 %, exchange 2.0 %, score 6.0 %, apply 1.0 %",
            "from_pretrained(\"/runs/a/checkpoints/000002\")",
            "sample      fn main() {\n            }\n",
            "run         /runs/a\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_run_without_rounds_divides_by_nothing() {
        let report = Report::new(Path::new("/runs/a"), &run(), &[]);
        assert_eq!((report.tokens_per_s, report.loss_end), (0.0, None));
        let text = report.to_text();
        assert!(text.contains("not evaluated") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn rounds_that_were_not_evaluated_leave_the_curve_shorter() {
        let rounds = [round(1, None), round(2, Some(4.0)), round(3, None)];
        assert_eq!(Report::new(Path::new("/r"), &run(), &rounds).loss_curve, [5.5, 4.0]);
    }

    #[test]
    fn a_sample_commands_no_terminal() {
        let mut report = Report::new(Path::new("/r"), &run(), &[]);
        report.sample = Some("a\u{1b}[2J\tb\u{9b}1m".into());
        let text = report.to_text();
        assert!(text.contains("a\u{fffd}[2J\tb\u{fffd}1m"), "{text:?}");
    }

    #[test]
    fn the_load_line_quotes_any_path() {
        assert_eq!(
            load_line("/a \"b\"\\c"),
            "model = transformers.AutoModelForCausalLM.from_pretrained(\"/a \\\"b\\\"\\\\c\")"
        );
    }
}
