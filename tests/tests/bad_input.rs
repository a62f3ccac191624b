//! Wrong words, files and places: each is refused with what would do, with exit code 2 where the program was used
//! wrongly and 1 where the machine or a file failed; nothing panics.

#![allow(clippy::unwrap_used, reason = "tests may, also in their helpers")]

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tests::{Output, Place, Up, cotrain, micro, python, run, text};

const FAILED: Option<i32> = Some(1);
const WRONG_USE: Option<i32> = Some(2);

/// Runs the program and checks its exit code and that it names each of `expected`.
fn assert_refused(code: Option<i32>, expected: &[&str], arguments: &[&dyn AsRef<OsStr>]) -> Output {
    let output = cotrain(arguments);
    let shown: Vec<_> = arguments.iter().map(|argument| argument.as_ref().to_string_lossy()).collect();
    assert_eq!(output.code, code, "{shown:?}\n{}", output.said());
    for part in expected {
        assert!(output.stderr.contains(part), "{shown:?} does not name {part:?}:\n{}", output.said());
    }
    output
}

fn write(place: &Place, name: &str, content: &str) -> PathBuf {
    let path = place.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn wrong_words_end_with_code_2_and_name_what_would_do() {
    assert_refused(WRONG_USE, &["Usage"], &[]);
    assert_refused(WRONG_USE, &["--rounds"], &[&"up", &"--round", &"3"]);
    assert_refused(WRONG_USE, &["topk64q2", "topk64-q2"], &[&"up", &"--codec", &"topk64q2"]);
    assert_refused(WRONG_USE, &["gpu"], &[&"doctor", &"--device", &"gpu"]);
    assert_refused(WRONG_USE, &["tinny", "tiny"], &[&"plan", &"--model", &"tinny", &"--no-probe"]);
    assert_refused(WRONG_USE, &["invite"], &[&"worker", &"cotrain1nonsense"]);
    assert_refused(WRONG_USE, &["/nonexistent"], &[&"up", &"--resume", &"/nonexistent/run"]);
}

#[test]
fn a_job_that_is_none_names_the_line_and_the_nearest_key() {
    let place = Place::new();
    let run = place.join("run");
    for (content, expected) in [
        ("[train]\nouter_steps = 3\ninner_step = 4\n", &["inner_step`", "`inner_steps`", "line 3", "job.toml"][..]),
        ("[trian]\nouter_steps = 3\n", &["`trian`", "`train`"]),
        ("[outer]\nlearning_rate = 0.1\n", &["`learning_rate` belongs in [train]"]),
        ("[train\nouter_steps = 3\n", &["line 1"]),
        ("[train]\nouter_steps = 0\n", &["[train] outer_steps = 0", "must be from 1"]),
    ] {
        let job = write(&place, "job.toml", content);
        assert_refused(WRONG_USE, expected, &[&"up", &"--job", &job, &"--run-dir", &run]);
        assert_refused(WRONG_USE, expected, &[&"plan", &"--job", &job, &"--no-probe"]);
    }
    let missing = place.join("missing.toml");
    assert_refused(WRONG_USE, &["missing.toml"], &[&"up", &"--job", &missing, &"--run-dir", &run]);
}

#[test]
fn a_text_that_cannot_be_trained_on_is_refused_with_what_would_do() {
    let place = Place::new();
    let job = micro(place.path(), |_| {});
    let empty = write(&place, "empty.txt", "");
    let short = write(&place, "short.txt", "too short");
    let broken = write(&place, "broken.jsonl", "{\"text\": \"whole\"}\n{\"text\": \n");
    let binary = place.join("binary.txt");
    std::fs::write(&binary, [0xff, 0xfe, 0x00, 0x80].repeat(10)).unwrap();
    let directory = place.join("directory");
    std::fs::create_dir(&directory).unwrap();
    let missing = place.join("missing.txt");
    for path in [&empty, &short, &broken, &directory, &missing, &binary] {
        let run = place.join("run");
        let output = cotrain(&[&"up", &"--job", &job, &"--run-dir", &run, &"--data", path, &"--device", &"cpu"]);
        assert!(matches!(output.code, Some(1 | 2)), "{}: {}", path.display(), output.said());
        let named = output.stderr.contains(&*path.file_name().unwrap().to_string_lossy());
        let counted = output.stderr.contains("too short") || output.stderr.contains("at least");
        assert!(named || counted, "{}: {}", path.display(), output.said());
    }
}

#[test]
fn a_model_too_large_for_memory_is_refused_with_the_arithmetic() {
    let place = Place::new();
    let job = micro(place.path(), |job| {
        job.model.hidden_size = Some(16_384);
        job.model.num_attention_heads = Some(128);
        job.model.num_key_value_heads = Some(128);
        job.model.head_dim = Some(128);
        job.model.intermediate_size = Some(65_536);
        job.model.num_hidden_layers = Some(200);
    });
    let run = place.join("run");
    let expected = ["parameters × 4 bytes", "GB"];
    assert_refused(
        FAILED,
        &expected[..1],
        &[&"up", &"--job", &job, &"--run-dir", &run, &"--data", &text(), &"--device", &"cpu"],
    );
}

#[test]
fn a_port_in_use_is_named() {
    let place = Place::new();
    let job = micro(place.path(), |_| {});
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = place.join("run");
    assert_refused(
        FAILED,
        &[&port, "in use"],
        &[
            &"aggregator",
            &"--job",
            &job,
            &"--run-dir",
            &run,
            &"--data",
            &text(),
            &"--device",
            &"cpu",
            &"--listen",
            &address,
        ],
    );
}

/// Flips a bit in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_refused_by_name_and_the_previous_one_is_used() {
    let place = Place::new();
    let job = micro(place.path(), |_| {});
    let run = place.join("run");
    let mut up = Up::start(&run, &job, &text(), &[]);
    up.wait_for("the second checkpoint", |event| event["event"] == "checkpoint" && event["round"] == 4);
    up.kill_everything();
    let before = run::state_hashes(&run);
    let newest = run::newest_checkpoint(&run);
    let generate = |checkpoint: &Path, code, expected: &[&str]| {
        let arguments: [&dyn AsRef<OsStr>; 9] = [
            &"generate",
            &"--checkpoint",
            &checkpoint,
            &"--prompt",
            &"a",
            &"--max-new-tokens",
            &"4",
            &"--device",
            &"cpu",
        ];
        assert_refused(code, expected, &arguments)
    };
    generate(&newest, Some(0), &[]);
    damage(&newest.join("model.safetensors"));
    let named = newest.join("model.safetensors").display().to_string();
    generate(&newest, FAILED, &[&named]);
    assert_refused(FAILED, &[&named], &[&"checkpoint", &"verify", &newest]);
    generate(place.path(), WRONG_USE, &["config.json"]);

    // The state to go on from comes from the checkpoint before and the rounds since.
    let ended = Up::resume(&run, &[]).finish().finished();
    let warned = ended.named("warning").any(|event| event["message"].as_str().unwrap().contains(&named));
    assert!(warned, "no warning names {named}");
    let after = run::state_hashes(&run);
    assert_eq!((after.len(), &after[..before.len()]), (6, &before[..]));
    python("replay.py", &[&"run", &run]);
    assert_refused(WRONG_USE, &["--rounds 8"], &[&"up", &"--resume", &run, &"--rounds", &"8"]);
}

#[test]
fn a_run_is_not_begun_where_one_lies() {
    let place = Place::new();
    let run = place.join("run");
    std::fs::create_dir(&run).unwrap();
    std::fs::write(run.join("genesis.json"), "{}").unwrap();
    assert_refused(WRONG_USE, &["--resume"], &[&"up", &"--run-dir", &run, &"--rounds", &"1"]);
    // And what lies there is no run.
    let output = cotrain(&[&"up", &"--resume", &run]);
    assert!(matches!(output.code, Some(1 | 2)) && output.stderr.contains("job.toml"), "{}", output.said());
}
