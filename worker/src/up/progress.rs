//! What `up` shows while it runs: a bar on a terminal, a line for each round otherwise, or the processes' own events.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use record::RoundRecord;
use record::events::{Event, Warning};
use serde::Serialize;

use super::supervisor::Role;
use crate::cli::OutputFormat;
use crate::output::text::{count, describe, describe_round, wall_ms};
use crate::output::write_json_line;

/// Where progress goes.
pub struct Progress<W> {
    out: W,
    form: Form,
    speeds: BTreeMap<Role, f64>,
    devices_shown: bool,
}

enum Form {
    Json,
    Lines,
    Bar(ProgressBar),
}

/// An event with the process that it comes from, as `--output json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    process: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_ordinal: Option<usize>,
    #[serde(flatten)]
    event: &'a Event,
}

impl<W: Write> Progress<W> {
    /// Progress on `out`; with a bar when that and standard error are a terminal.
    pub fn new(out: W, format: OutputFormat) -> Self {
        let terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        let form = match format {
            OutputFormat::Json => Form::Json,
            OutputFormat::Text if terminal => Form::Bar(bar()),
            OutputFormat::Text => Form::Lines,
        };
        Self::with_form(out, form)
    }

    fn with_form(out: W, form: Form) -> Self {
        Self { out, form, speeds: BTreeMap::new(), devices_shown: false }
    }

    /// Shows what a process reported.
    ///
    /// # Errors
    /// When the output's reader has gone.
    pub fn event(&mut self, role: Role, event: &Event) -> io::Result<()> {
        if matches!(self.form, Form::Json) {
            let worker_ordinal = matches!(role, Role::Worker(_)).then(|| role.ordinal());
            return write_json_line(&mut self.out, &Line { process: role.to_string(), worker_ordinal, event });
        }
        self.follow(role, event);
        match self.line(role, event) {
            Some(line) => self.say(&line),
            None => Ok(()),
        }
    }

    /// Says something in words; nothing where only events are wanted.
    ///
    /// # Errors
    /// When the output's reader has gone.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        let out = &mut self.out;
        let mut write = || writeln!(out, "{line}").and_then(|()| out.flush());
        match &self.form {
            Form::Json => Ok(()),
            Form::Lines => write(),
            Form::Bar(bar) => bar.suspend(write),
        }
    }

    /// Says what became of a process, to people and to programs.
    ///
    /// # Errors
    /// When the output's reader has gone.
    pub fn warn(&mut self, role: Role, message: String) -> io::Result<()> {
        if matches!(self.form, Form::Json) {
            return self.event(role, &Event::Warning(Warning { message }));
        }
        self.say(&message)
    }

    /// Takes the bar off the screen.
    pub fn end(&mut self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }

    /// Moves the bar.
    fn follow(&mut self, role: Role, event: &Event) {
        if let Event::Inner(inner) = event {
            self.speeds.insert(role, inner.tokens_per_s);
        }
        let Form::Bar(bar) = &self.form else { return };
        match event {
            Event::Run(run) => {
                bar.set_length(run.outer_steps_planned);
                bar.set_position(run.outer_steps);
                bar.reset_eta();
            }
            Event::Inner(inner) => {
                let speed: f64 = self.speeds.values().sum();
                bar.set_message(format!(
                    "step {}/{} loss {:.3} {} tok/s",
                    inner.step,
                    inner.steps,
                    inner.loss,
                    count(speed)
                ));
            }
            Event::Round(_) => bar.inc(1),
            _ => {}
        }
    }

    /// The line for an event; workers' own reports are left to the aggregator's, which speaks of all of them.
    fn line(&mut self, role: Role, event: &Event) -> Option<String> {
        match (role, event) {
            (_, Event::Warning(_)) => Some(format!("{role}: {}", describe(event)?)),
            (Role::Worker(_), Event::Devices(_)) if !std::mem::replace(&mut self.devices_shown, true) => {
                describe(event)
            }
            (Role::Worker(_), _) | (Role::Aggregator, Event::Devices(_)) => None,
            (_, Event::Process(_)) => None,
            // What becomes of its processes `up` says itself.
            (_, Event::Joined(_) | Event::Left(_)) => None,
            // Nobody needs to join by hand, and the report names the checkpoint.
            (_, Event::Listening(_) | Event::Checkpoint(_) | Event::Finished(_) | Event::Inner(_)) => None,
            (_, Event::Round(round)) => Some(round_line(round)),
            _ => describe(event),
        }
    }
}

fn round_line(round: &RoundRecord) -> String {
    let tokens: u64 = round.contributions.iter().map(|c| c.tokens).sum();
    let seconds = wall_ms(round) / 1000.0;
    let line = describe_round(round);
    if seconds > 0.0 { format!("{line}, {} tokens/s", count(tokens as f64 / seconds)) } else { line }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} rounds, {eta} left, {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::contribution;
    use protocol::{Reason, Round};
    use record::events::{Devices, Inner};
    use record::{ContributionRecord, TimingsMs};

    fn shown(form: Form, events: &[(Role, Event)]) -> String {
        let mut bytes = Vec::new();
        let mut progress = Progress::with_form(&mut bytes, form);
        for (role, event) in events {
            progress.event(*role, event).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    }

    fn round() -> Event {
        let contribution =
            |score| ContributionRecord { bytes: 19_500, tokens: 10_240, ..contribution(score, Reason::Passed) };
        Event::Round(RoundRecord {
            eval_loss: Some(2.5),
            contributions: vec![contribution(81), contribution(77)],
            timings_ms: TimingsMs { inner: 1900.0, encode: 20.0, exchange: 30.0, score: 40.0, apply: 10.0 },
            ..RoundRecord::empty(Round(7))
        })
    }

    #[test]
    fn a_round_is_one_line_with_loss_scores_and_speed() {
        let text = shown(Form::Lines, &[(Role::Aggregator, round())]);
        assert_eq!(text, "round 7: held-out loss 2.5000, scores 81 77, 38.1 KiB sent, 2.0 s, 10,240 tokens/s\n");
    }

    #[test]
    fn devices_are_shown_once_however_many_workers_there_are() {
        let devices =
            || Event::Devices(Devices { found: vec!["CPU".into()], chosen: "CPU".into(), ..Default::default() });
        let roles = [Role::Aggregator, Role::Worker(1), Role::Worker(2)];
        let text = shown(Form::Lines, &roles.map(|role| (role, devices())));
        assert_eq!(text.matches("devices").count(), 1, "{text}");
    }

    #[test]
    fn json_is_one_object_a_line_with_its_process() {
        let inner = Event::Inner(Inner { round: 1, step: 2, steps: 10, loss: 5.5, tokens_per_s: 1000.0 });
        let text = shown(Form::Json, &[(Role::Worker(2), inner), (Role::Aggregator, round())]);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["process"], &lines[0]["event"]), (&"worker-2".into(), &"inner".into()));
        assert_eq!(lines[0]["worker_ordinal"], 2);
        assert_eq!((&lines[1]["round"], &lines[1]["event"]), (&7.into(), &"round".into()));
    }
}
