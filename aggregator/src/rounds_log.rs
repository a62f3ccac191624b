//! The line of `rounds.jsonl`: what a committed round did, for people and for programs that read the run directory.
//!
//! Invariants: one complete JSON object a line, in the order in which rounds committed; a line may be written again
//! after a crash between the commit and the line, never with other hashes; field names are those of
//! aggregator/record/RUN.md.

use std::path::Path;

use protocol::{CommittedManifest, Contribution, Verdict};
use serde::{Deserialize, Serialize};

use crate::files::{FileError, JsonLines};

/// One committed round: the line of `rounds.jsonl`, and the event of the same name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoundCommitted {
    /// The round.
    pub round: u64,
    /// Hash of the state before, hexadecimal.
    pub base_hash: String,
    /// Hash of the state after, hexadecimal.
    pub state_hash: String,
    /// Hash of the manifest, hexadecimal.
    pub manifest_hash: String,
    /// Held-out loss after the round, in nats per token; absent where the round was not evaluated.
    pub eval_loss: Option<f64>,
    /// Every commit of the closed set with its verdict.
    pub contributions: Vec<ContributionLine>,
    /// Where the round's time went.
    pub timings_ms: TimingsMs,
}

/// One contribution of a committed round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContributionLine {
    /// The worker's id, hexadecimal.
    pub worker: String,
    /// BLAKE3 of the payload file, hexadecimal.
    pub payload_hash: String,
    /// Bytes of the payload with its header.
    pub bytes: u64,
    /// Tokens trained on.
    pub tokens: u64,
    /// Quality score, 0 to 100.
    pub score: u32,
    /// Weight in the aggregate, 0 to 64.
    pub weight: u32,
    /// Clip in 256ths.
    pub clip: u32,
    /// `accepted` or `rejected`.
    pub verdict: String,
    /// Why.
    pub reason: String,
}

/// Milliseconds of a round by what they were spent on: the slowest worker's for `inner`, `encode` and `apply`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimingsMs {
    /// Inner steps.
    pub inner: f64,
    /// Pseudo-gradient and encoding.
    pub encode: f64,
    /// Commit, close, reveal, payload transfer, votes.
    pub exchange: f64,
    /// Scoring and evaluation.
    pub score: f64,
    /// Exact aggregation and outer step.
    pub apply: f64,
}

impl RoundCommitted {
    /// The line of a committed manifest, without evaluation and timings.
    #[must_use]
    pub fn of(committed: &CommittedManifest) -> Self {
        let manifest = &committed.manifest.body;
        Self {
            round: manifest.round.0,
            base_hash: manifest.base_hash.to_string(),
            state_hash: manifest.state_hash.to_string(),
            manifest_hash: manifest.hash().to_string(),
            eval_loss: None,
            contributions: manifest.contributions.iter().map(ContributionLine::of).collect(),
            timings_ms: TimingsMs::default(),
        }
    }
}

impl ContributionLine {
    fn of(entry: &Contribution) -> Self {
        Self {
            worker: entry.worker.to_string(),
            payload_hash: entry.payload_hash.map(|hash| hash.to_string()).unwrap_or_default(),
            bytes: entry.bytes,
            tokens: entry.tokens,
            score: entry.score,
            weight: entry.weight,
            clip: entry.clip,
            verdict: if entry.verdict == Verdict::Accepted { "accepted" } else { "rejected" }.to_owned(),
            reason: entry.reason.to_string(),
        }
    }
}

/// The open `rounds.jsonl` of a run.
#[derive(Debug)]
pub struct RoundsLog {
    lines: JsonLines,
    last_round: u64,
}

impl RoundsLog {
    /// Opens or creates the log, drops a torn last line, and returns the rounds that it holds.
    ///
    /// # Errors
    /// When the file cannot be used or a line before the last is damaged.
    pub fn open(path: &Path) -> Result<(Self, Vec<RoundCommitted>), FileError> {
        let (lines, rounds) = JsonLines::open::<RoundCommitted>(path)?;
        let last_round = rounds.last().map_or(0, |round| round.round);
        Ok((Self { lines, last_round }, rounds))
    }

    /// The newest round that has its line; 0 before the first.
    #[must_use]
    pub fn last_round(&self) -> u64 {
        self.last_round
    }

    /// Appends the line of a round; one that is there already is left alone, so that a resume may repeat it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn append(&mut self, round: &RoundCommitted) -> Result<(), FileError> {
        if round.round <= self.last_round {
            return Ok(());
        }
        self.lines.append(round)?;
        self.last_round = round.round;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn round(number: u64) -> RoundCommitted {
        RoundCommitted { round: number, state_hash: format!("{number:064x}"), ..RoundCommitted::default() }
    }

    #[test]
    fn a_round_is_written_once_however_often_it_is_appended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rounds.jsonl");
        let (mut log, _) = RoundsLog::open(&path).unwrap();
        log.append(&round(1)).unwrap();
        log.append(&round(3)).unwrap();
        drop(log);
        let (mut log, rounds) = RoundsLog::open(&path).unwrap();
        assert_eq!((log.last_round(), rounds.len()), (3, 2));
        log.append(&round(3)).unwrap();
        log.append(&round(4)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[test]
    fn the_line_carries_the_names_of_the_design() {
        let mut line = round(12);
        line.contributions.push(ContributionLine::default());
        let json: serde_json::Value = serde_json::to_value(&line).unwrap();
        for key in ["round", "base_hash", "state_hash", "manifest_hash", "eval_loss", "contributions", "timings_ms"] {
            assert!(json.get(key).is_some(), "{key}");
        }
        for key in ["worker", "payload_hash", "bytes", "tokens", "score", "weight", "clip", "verdict", "reason"] {
            assert!(json["contributions"][0].get(key).is_some(), "{key}");
        }
        for key in ["inner", "encode", "exchange", "score", "apply"] {
            assert!(json["timings_ms"].get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn readers_ignore_fields_of_a_later_version() {
        let line = r#"{"round":5,"state_hash":"ab","new_field":{"x":[1,2]}}"#;
        let round: RoundCommitted = serde_json::from_str(line).unwrap();
        assert_eq!((round.round, round.eval_loss), (5, None));
    }
}
