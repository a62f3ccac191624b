//! What a run directory says of itself is what the pages say: a reader in Python, written from PROTOCOL.md and RUN.md
//! alone, computes it again from the files, and refuses files of which a byte was altered.

#![allow(clippy::unwrap_used, reason = "tests may, also in their helpers")]

use std::path::{Path, PathBuf};

use node::job::{Job, ScorePolicy};
use serde_json::Value;
use tests::{Place, Up, micro, python, python_refuses, run, text};

/// A finished run of three workers.
fn trained(place: &Place, change: impl FnOnce(&mut Job)) -> PathBuf {
    let (job, run) = (micro(place.path(), change), place.join("run"));
    let ended = Up::start(&run, &job, &text(), &[]).finish().finished();
    assert!(ended.named("finished").next().is_some(), "{:?}", ended.events.last());
    run
}

/// Reads the run in Python and returns how often what was computed.
fn read(run: &Path, rounds: u64) -> Value {
    let counts = python("outsider.py", &[&run]);
    assert_eq!(counts["rounds"].as_u64(), Some(rounds), "{counts}");
    for name in [
        "signatures",
        "payloads",
        "judgements",
        "windows",
        "chained_lines",
        "data_shards",
        "checkpoints",
        "worker_files",
        "records",
        "promises",
    ] {
        assert!(counts[name].as_u64() > Some(0), "no {name}: {counts}");
    }
    counts
}

#[test]
fn a_run_is_what_the_pages_say() {
    let place = Place::new();
    let run = trained(&place, |_| {});
    let counts = read(&run, 6);
    let judged: usize = run::rounds(&run).iter().map(|round| round.contributions.len()).sum();
    assert_eq!(counts["judgements"].as_u64(), Some(judged as u64), "{counts}");
    // The aggregator's and a quorum's, which is two, of each manifest.
    assert!(counts["signatures"].as_u64() > Some(6 * 3), "{counts}");
}

#[test]
fn a_run_in_which_only_the_best_are_accepted_is_what_the_pages_say() {
    let place = Place::new();
    let run = trained(&place, |job| {
        job.train.outer_steps = 8;
        job.round.probation_rounds = 2;
        job.score.score_min = 100;
        // Nobody is quarantined: a round without contributors would wait for its deadline.
        (job.score.low_score, job.score.standing_min) = (0, 1);
    });
    let counts = read(&run, 8);
    assert!(counts["rejections"].as_u64() > Some(0), "{counts}");
}

#[test]
fn a_run_that_the_gates_alone_judge_is_what_the_pages_say() {
    let place = Place::new();
    let run = trained(&place, |job| {
        job.train.outer_steps = 3;
        job.score.policy = ScorePolicy::Gates;
    });
    read(&run, 3);
}

/// The text with another digit in the first place.
fn altered(text: &str) -> String {
    let first = if text.starts_with('1') { "2" } else { "1" };
    format!("{first}{}", text.get(1..).unwrap())
}

#[test]
fn what_was_altered_is_refused_by_its_name() {
    let place = Place::new();
    let run = trained(&place, |job| job.train.outer_steps = 3);
    read(&run, 3);
    let copy = place.join("altered");
    run::copy(&run, &copy);
    let refuses = |file: &str, from: &str, to: &str, expected: &str| {
        let content = std::fs::read_to_string(run.join(file)).unwrap();
        assert!(content.contains(from), "{file} has no {from}");
        std::fs::write(copy.join(file), content.replacen(from, to, 1)).unwrap();
        let said = python_refuses("outsider.py", &[&copy]);
        assert!(said.contains(expected), "{file}: {from} became {to}, expected {expected:?}, said {said:?}");
        std::fs::write(copy.join(file), content).unwrap();
    };

    let file = "rounds/000002/manifest.json";
    let manifest: Value = serde_json::from_slice(&std::fs::read(run.join(file)).unwrap()).unwrap();
    let field = |pointer: &str| manifest.pointer(pointer).unwrap().as_str().unwrap();
    let score = manifest["contributions"][0]["score"].as_u64().unwrap();
    let said = |score: u64| format!("\"score\": {score}");
    let expected = format!("round 2, {}: score: ", field("/contributions/0/worker"));
    refuses(file, &said(score), &said(score ^ 1), &expected);
    for (signature, signer) in
        [("/aggregator_signature", "/aggregator"), ("/signatures/0/signature", "/signatures/0/worker")]
    {
        let expected = format!("round 2: the signature of {} does not hold", field(signer));
        refuses(file, field(signature), &altered(field(signature)), &expected);
    }
    let hash = field("/manifest_hash");
    refuses("rounds.jsonl", hash, &altered(hash), "rounds.jsonl, round 2: manifest_hash: ");
    refuses("audit.jsonl", hash, &altered(hash), "audit.jsonl, line 2: hash: ");
    read(&copy, 3);
}
