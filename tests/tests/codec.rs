//! `cotrain codec` and `cotrain bench codecs` on the payloads of a real run.

#![allow(clippy::unwrap_used, reason = "tests may, also in their helpers")]

use std::path::{Path, PathBuf};

use record::RoundRecord;
use serde_json::Value;
use tests::{Place, Up, cotrain, micro, run, text};

/// The header before every body, in bytes.
const HEADER_BYTES: usize = 168;

/// A run of three rounds, the first two dense and the last one sparse; all that is looked at comes from it.
#[test]
fn the_payloads_and_the_model_of_a_run_go_through_every_command() {
    let place = Place::new();
    let job = micro(place.path(), |job| job.train.outer_steps = 3);
    let run = place.join("run");
    let _ = Up::start(&run, &job, &text(), &[]).finish().finished();
    let model = run.join("checkpoints/000003/model.safetensors");
    payloads_become_tensors_and_payloads_again(&place, &run);
    every_codec_takes_any_tensors(&place, &model);
    archives_are_smaller_and_give_the_payload_back(&place, &run, &model);
    what_is_no_payload_is_refused_by_name(&place, &model);
}

fn payloads_become_tensors_and_payloads_again(place: &Place, run: &Path) {
    let checkpoint = run.join("checkpoints");
    // The second round is dense, the third one sparse.
    for round in run::rounds(run).iter().skip(1) {
        let contribution = &round.contributions[0];
        let payload = run::payload(run, round, contribution);
        let described = inspect(&payload);
        assert_eq!(described["round"], round.round.0);
        assert_eq!(described["worker"], contribution.worker.to_string());
        assert_eq!(described["base_hash"], round.base_hash.to_string());
        assert_eq!(described["bytes"], contribution.bytes);

        let tensors = place.join("decoded.safetensors");
        let decoded =
            json(&cotrain(&[&"codec", &"decode", &payload, &"--out", &tensors, &"--like", &checkpoint, &JSON]));
        assert_eq!(decoded, described);
        let codec = described["codec"].as_str().unwrap();
        let again = encode(&tensors, codec, &place.join("again.ctg"), Some(&checkpoint));
        let found = inspect(&again);
        assert_eq!(found["layout_hash"], described["layout_hash"]);
        // Two magnitudes stay what they are, if not always their codes, since both may be rounded to the same one; a
        // dense scale is chosen anew, from rounded values.
        let tensors_again = place.join("decoded-again.safetensors");
        json(&cotrain(&[&"codec", &"decode", &again, &"--out", &tensors_again, &"--like", &checkpoint, &JSON]));
        let same = std::fs::read(&tensors).unwrap() == std::fs::read(&tensors_again).unwrap();
        assert!(same || codec.starts_with("dense"), "{codec}: decoded values change when they are encoded again");
        let norm = |described: &Value| described["norm"].as_f64().unwrap();
        assert!((norm(&found) / norm(&described) - 1.0).abs() < 0.01, "{codec}: {found} against {described}");
    }
}

fn every_codec_takes_any_tensors(place: &Place, model: &Path) {
    for codec in ["topk32-q2", "topk64-q2", "topk128-q2", "topk256-q2", "dense-int8", "dense-int4", "none"] {
        let payload = encode(model, codec, &place.join(&format!("{codec}.ctg")), None);
        assert_eq!(inspect(&payload)["codec"], codec);
        let decoded = cotrain(&[&"codec", &"decode", &payload, &"--out", &place.join("decoded"), &"--like", &model]);
        assert_eq!(decoded.code, Some(0), "{}", decoded.said());
        assert!(decoded.stdout.contains("times smaller than f32"), "{}", decoded.stdout);
    }
    // Without names it is one tensor, which has another layout.
    let payload = place.join("none.ctg");
    let flat = place.join("flat.safetensors");
    assert_eq!(cotrain(&[&"codec", &"decode", &payload, &"--out", &flat]).code, Some(0));
    let refused = cotrain(&[&"codec", &"decode", &payload, &"--out", &place.join("other"), &"--like", &flat]);
    assert_eq!(refused.code, Some(1), "{}", refused.said());
    assert!(refused.stderr.contains("layout") && refused.stderr.contains("none.ctg"), "{}", refused.stderr);
}

fn archives_are_smaller_and_give_the_payload_back(place: &Place, run: &Path, model: &Path) {
    let encoded = encode(model, "topk256-q2", &place.join("kept.ctg"), None);
    let sent = run::rounds(run).into_iter().map(|round| run::payload(run, &round, &round.contributions[0]));
    for payload in sent.chain([encoded]) {
        let (archive, restored) = (place.join("kept.cta"), place.join("restored.ctg"));
        let kept = json(&cotrain(&[&"codec", &"archive", &payload, &"--out", &archive, &JSON]));
        assert_eq!(kept["form"], "archive");
        assert_eq!(kept["bytes"], std::fs::metadata(&archive).unwrap().len());
        assert_eq!(inspect(&archive), kept);
        let described = inspect(&payload);
        assert!(kept["bytes"].as_u64() < described["bytes"].as_u64(), "{kept} against {described}");
        assert_eq!(json(&cotrain(&[&"codec", &"restore", &archive, &"--out", &restored, &JSON])), described);
        assert_eq!(std::fs::read(&restored).unwrap(), std::fs::read(&payload).unwrap());
    }
    let payload = cotrain(&[&"codec", &"restore", &place.join("kept.ctg"), &"--out", &place.join("never.ctg")]);
    assert_eq!(payload.code, Some(1), "{}", payload.said());
    assert!(payload.stderr.contains("kept.ctg") && payload.stderr.contains("CTGA"), "{}", payload.stderr);
    let mut damaged = std::fs::read(place.join("kept.cta")).unwrap();
    let last = damaged.len() - 1;
    damaged[last] ^= 0x40;
    std::fs::write(place.join("kept.cta"), damaged).unwrap();
    for arguments in [["inspect", JSON], ["restore", "--out=never.ctg"]] {
        let refused = cotrain(&[&"codec", &arguments[0], &place.join("kept.cta"), &arguments[1]]);
        assert_eq!(refused.code, Some(1), "{}", refused.said());
        assert!(refused.stderr.contains("kept.cta"), "{}", refused.stderr);
    }
    assert!(!place.join("never.ctg").exists() && !Path::new("never.ctg").exists());
}

fn what_is_no_payload_is_refused_by_name(place: &Place, model: &Path) {
    let payload = encode(model, "topk64-q2", &place.join("a.ctg"), None);
    let whole = std::fs::read(&payload).unwrap();
    let damaged = place.join("damaged.ctg");
    let spoilt = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    for bytes in [Vec::new(), whole[..whole.len() - 1].to_vec(), spoilt(0), spoilt(6), spoilt(HEADER_BYTES + 50)] {
        std::fs::write(&damaged, bytes).unwrap();
        for arguments in [vec!["inspect"], vec!["decode", "--out", "never.safetensors"]] {
            let arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
                arguments.iter().map(|argument| argument as &dyn AsRef<std::ffi::OsStr>).collect();
            let output = cotrain(&[&[&"codec" as &dyn AsRef<std::ffi::OsStr>], &arguments[..], &[&damaged]].concat());
            assert_eq!(output.code, Some(1), "{}", output.said());
            assert!(output.stderr.contains("damaged.ctg"), "{}", output.stderr);
        }
    }
    assert!(!Path::new("never.safetensors").exists());
}

#[test]
fn the_codecs_are_measured_on_what_a_run_keeps() {
    let place = Place::new();
    let job = micro(place.path(), |job| {
        job.train.outer_steps = 3;
        job.codec.name = "none".to_owned();
        job.codec.warmup_rounds = 0;
    });
    let run = place.join("run");
    let _ = Up::start(&run, &job, &text(), &[]).finish().finished();
    let kept = rounds_of_one_worker(&run);
    let arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
        [&"bench" as &dyn AsRef<std::ffi::OsStr>, &"codecs", &"--json", &"--feedback"]
            .into_iter()
            .chain(kept.iter().map(|path| path as &dyn AsRef<std::ffi::OsStr>))
            .collect();
    let output = cotrain(&arguments);
    assert_eq!(output.code, Some(0), "{}", output.said());
    let rows: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Four sparse codecs in three splits and three others, in each round.
    assert_eq!(rows.len(), 3 * (4 * 3 + 3));
    assert_eq!(rows.iter().filter(|row| row["round"] == 2).count(), 15);
    for row in &rows {
        let share = |name: &str| row[name].as_f64().unwrap();
        let (selected, lost, error) = (share("selected"), share("quantiser_loss"), share("error"));
        assert!((error - (1.0 - selected + selected * lost)).abs() < 1e-6, "{row}");
        assert_eq!(error == 0.0, row["codec"] == "none", "{row}");
    }
    let of = |split: &str, round: u64| {
        let sought = |row: &&Value| row["codec"] == "topk64-q2" && row["split"] == split && row["round"] == round;
        rows.iter().find(sought).unwrap()
    };
    for round in 1..=3 {
        let lost = |split: &str| of(split, round)["quantiser_loss"].as_f64().unwrap();
        // The best of exact means; rounding them to bf16 can cost more than it spares where there is little to spare.
        assert!(lost("best") <= 1.01 * lost("mean"), "{} {}", lost("best"), lost("mean"));
    }
    let norm = |round: u64| of("mean", round)["norm"].as_f64().unwrap();
    let alone = inspect(&kept[1])["norm"].as_f64().unwrap();
    assert!((norm(2) / alone - 1.0).abs() > 1e-3, "what the first round left is not part of the second");

    let lossy = place.join("lossy.ctg");
    encode(&run.join("checkpoints/000003/model.safetensors"), "topk64-q2", &lossy, None);
    let refused = cotrain(&[&"bench", &"codecs", &lossy]);
    assert_eq!(refused.code, Some(1), "{}", refused.said());
    assert!(refused.stderr.contains("lossy.ctg") && refused.stderr.contains("none"), "{}", refused.stderr);
}

/// The payloads of the first round's first worker, in the order of rounds.
fn rounds_of_one_worker(run: &Path) -> Vec<PathBuf> {
    let rounds = run::rounds(run);
    let worker = &rounds[0].contributions[0].worker;
    let payload = |round: &RoundRecord| {
        let contribution = round.contributions.iter().find(|one| one.worker == *worker).unwrap();
        run::payload(run, round, contribution)
    };
    rounds.iter().map(payload).collect()
}

const JSON: &str = "--output=json";

fn encode(tensors: &Path, codec: &str, out: &Path, like: Option<&Path>) -> PathBuf {
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"codec", &"encode", &tensors, &"--codec", &codec];
    arguments.extend([&"--out" as &dyn AsRef<std::ffi::OsStr>, &out]);
    if let Some(like) = &like {
        arguments.extend([&"--like" as &dyn AsRef<std::ffi::OsStr>, like]);
    }
    let output = cotrain(&arguments);
    assert_eq!(output.code, Some(0), "{}", output.said());
    out.to_path_buf()
}

fn inspect(payload: &Path) -> Value {
    let mut described = json(&cotrain(&[&"codec", &"inspect", &payload, &JSON]));
    described.as_object_mut().unwrap().remove("path");
    described
}

fn json(output: &tests::Output) -> Value {
    assert_eq!(output.code, Some(0), "{}", output.said());
    let mut value: Value = serde_json::from_str(&output.stdout).unwrap();
    value.as_object_mut().unwrap().remove("path");
    value
}
