//! Every member's state in every round is the one that a second implementation computes: numpy, written from the format
//! document alone, from nothing but the files of the run directory.

#![allow(clippy::unwrap_used, reason = "tests may, also in their helpers")]

use std::collections::BTreeMap;
use std::path::Path;

use node::job::{CodecStage, Job};
use serde_json::Value;
use tests::{Ended, Place, Up, job, micro, python, run, text};

fn train(place: &Place, change: impl FnOnce(&mut Job)) -> Ended {
    let job = micro(place.path(), change);
    Up::start(&place.join("run"), &job, &text(), &[]).finish().finished()
}

/// The codec of each round.
fn assert_all_agree(run: &Path, ended: &Ended, workers: usize) -> Vec<String> {
    let recorded = run::state_hashes(run);
    let mut applied: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for event in ended.named("round_applied") {
        applied.entry(event["round"].as_u64().unwrap()).or_default().push(&event["state_hash"]);
    }
    for (round, hash) in &recorded {
        assert_eq!(applied[round], vec![hash; workers], "round {round}");
    }
    for event in ended.named("finished") {
        assert_eq!(event["state_hash"], recorded.last().unwrap().1, "{event}");
    }
    let replayed = python("replay.py", &[&"run", &run]);
    let replayed = replayed["rounds"].as_array().unwrap();
    let second: Vec<_> =
        replayed.iter().map(|r| (r["round"].as_u64().unwrap(), r["state_hash"].as_str().unwrap())).collect();
    assert_eq!(second, recorded.iter().map(|(round, hash)| (*round, hash.as_str())).collect::<Vec<_>>());
    assert!(replayed.iter().any(|round| round["summands"].as_u64() == Some(workers as u64)), "nothing was aggregated");
    replayed.iter().map(|round| round["codec"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_with_the_default_codecs_is_what_numpy_computes() {
    let place = Place::new();
    let ended = train(&place, |_| {});
    let codecs = assert_all_agree(&place.join("run"), &ended, 3);
    assert_eq!(codecs, ["dense-int8", "dense-int8", "topk64-q2", "topk64-q2", "topk64-q2", "topk64-q2"]);
}

#[test]
fn a_run_through_every_other_codec_is_what_numpy_computes() {
    let place = Place::new();
    let ended = train(&place, |job| {
        job.train.outer_steps = 5;
        job.codec.warmup = "dense-int4".to_owned();
        job.codec.warmup_rounds = 1;
        let stage = |codec: &str| CodecStage { codec: codec.to_owned(), rounds: 1 };
        job.codec.schedule = ["none", "topk256-q2", "topk128-q2"].map(stage).to_vec();
        job.codec.name = "topk32-q2".to_owned();
    });
    let codecs = assert_all_agree(&place.join("run"), &ended, 3);
    assert_eq!(codecs, ["dense-int4", "none", "topk256-q2", "topk128-q2", "topk32-q2"]);
}

#[test]
fn the_test_vectors_are_what_numpy_computes() {
    let counts = python("replay.py", &[&"vectors", &job::repository().join("kernels/vectors")]);
    assert!(counts["archives"].as_u64() >= Some(18), "{counts}");
    assert!(counts["bodies"].as_u64() > Some(20) && counts["aggregates"].as_u64() >= Some(6), "{counts}");
}
