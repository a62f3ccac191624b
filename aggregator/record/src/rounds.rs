//! The record of a round: made once, from the committed manifest and what the aggregator measured beside it. The line
//! of `rounds.jsonl`, the event, the settlement's input ([`crate::pay`]) and every table are views of it.
//!
//! Invariants: everything but `eval_loss` and `timings_ms` follows from the signed manifest; one complete JSON object a
//! line, in the order in which rounds committed; a line may be written again after a crash between the commit and the
//! line, never with other hashes; field names are those of `RUN.md`.

use std::path::Path;

use disk::{FileError, JsonLines};
use protocol::{CommittedManifest, Contribution, Hash, Reason, Round, Verdict, WorkerId};
use serde::{Deserialize, Serialize};

/// One committed round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundRecord {
    pub round: Round,
    /// Hash of the state before.
    pub base_hash: Hash,
    /// Hash of the state after.
    pub state_hash: Hash,
    pub manifest_hash: Hash,
    /// Held-out loss after the round, in nats per token; absent where the round was not evaluated.
    pub eval_loss: Option<f64>,
    /// Every commit of the closed set with its verdict, in the order of workers.
    pub contributions: Vec<ContributionRecord>,
    /// Where the round's time went.
    pub timings_ms: TimingsMs,
}

/// One contribution of a committed round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContributionRecord {
    pub worker: WorkerId,
    /// BLAKE3 of the payload file, when it was revealed.
    pub payload_hash: Option<Hash>,
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
    pub verdict: Verdict,
    pub reason: Reason,
}

/// Milliseconds of a round by what they were spent on: the slowest worker's for `inner` and `encode`, the aggregator's
/// own for `apply`.
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

impl RoundRecord {
    /// The record of a committed manifest, without evaluation and timings.
    #[must_use]
    pub fn of(committed: &CommittedManifest) -> Self {
        let manifest = &committed.manifest.body;
        Self {
            round: manifest.round,
            base_hash: manifest.base_hash,
            state_hash: manifest.state_hash,
            manifest_hash: manifest.hash(),
            eval_loss: None,
            contributions: manifest.contributions.iter().map(ContributionRecord::of).collect(),
            timings_ms: TimingsMs::default(),
        }
    }

    /// A round without contributions, of which nothing but its number is known.
    #[must_use]
    pub fn empty(round: Round) -> Self {
        Self {
            round,
            base_hash: Hash::ZERO,
            state_hash: Hash::ZERO,
            manifest_hash: Hash::ZERO,
            eval_loss: None,
            contributions: Vec::new(),
            timings_ms: TimingsMs::default(),
        }
    }

    /// Every contribution that entered the aggregate.
    pub fn accepted(&self) -> impl Iterator<Item = &ContributionRecord> {
        self.contributions.iter().filter(|contribution| contribution.verdict == Verdict::Accepted)
    }
}

impl ContributionRecord {
    fn of(entry: &Contribution) -> Self {
        Self {
            worker: entry.worker,
            payload_hash: entry.payload_hash,
            bytes: entry.bytes,
            tokens: entry.tokens,
            score: entry.score,
            weight: entry.weight,
            clip: entry.clip,
            verdict: entry.verdict,
            reason: entry.reason,
        }
    }
}

/// The open `rounds.jsonl` of a run.
#[derive(Debug)]
pub struct RoundsLog {
    lines: JsonLines,
    last_round: Round,
}

impl RoundsLog {
    /// Opens or creates the log, drops a torn last line, and returns the rounds that it holds.
    ///
    /// # Errors
    /// When the file cannot be used or a line before the last is damaged.
    pub fn open(path: &Path) -> Result<(Self, Vec<RoundRecord>), FileError> {
        let (lines, rounds) = JsonLines::open::<RoundRecord>(path)?;
        let last_round = rounds.last().map_or(Round(0), |round| round.round);
        Ok((Self { lines, last_round }, rounds))
    }

    /// The newest round that has its line; 0 before the first.
    #[must_use]
    pub fn last_round(&self) -> Round {
        self.last_round
    }

    /// Appends the line of a round; one that is there already is left alone, so that a resume may repeat it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn append(&mut self, round: &RoundRecord) -> Result<(), FileError> {
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

    fn round(number: u64) -> RoundRecord {
        RoundRecord { state_hash: Hash([number as u8; 32]), ..RoundRecord::empty(Round(number)) }
    }

    fn contribution(verdict: Verdict, reason: Reason) -> ContributionRecord {
        ContributionRecord {
            worker: WorkerId([7; 32]),
            payload_hash: None,
            bytes: 1,
            tokens: 2,
            score: 3,
            weight: 4,
            clip: 5,
            verdict,
            reason,
        }
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
        assert_eq!((log.last_round(), rounds.len()), (Round(3), 2));
        log.append(&round(3)).unwrap();
        log.append(&round(4)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[test]
    fn the_line_carries_the_names_that_readers_know() {
        let mut line = round(12);
        line.contributions.push(contribution(Verdict::Accepted, Reason::Passed));
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
        let mut line = serde_json::to_value(round(5)).unwrap();
        line["new_field"] = serde_json::json!({ "x": [1, 2] });
        let round: RoundRecord = serde_json::from_value(line).unwrap();
        assert_eq!((round.round, round.eval_loss), (Round(5), None));
    }

    #[test]
    fn a_line_reads_back_as_the_record_with_its_reasons_and_floats() {
        let mut line = round(5);
        line.eval_loss = Some(1.25);
        line.timings_ms.inner = 12.5;
        let copied = Reason::Duplicate { of: WorkerId([9; 32]) };
        line.contributions =
            vec![contribution(Verdict::Accepted, Reason::Passed), contribution(Verdict::Rejected, copied)];
        let text = serde_json::to_string(&line).unwrap();
        assert!(text.contains("\"verdict\":\"accepted\",\"reason\":\"passed\""), "{text}");
        assert_eq!(serde_json::from_str::<RoundRecord>(&text).unwrap(), line);
    }
}
