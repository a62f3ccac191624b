//! Checkpoints and Hugging Face transformers: ours open there, theirs train here, and both compute the same.

#![allow(clippy::unwrap_used, reason = "tests may, also in their helpers")]

use std::path::Path;

use models::huggingface::{self, Imported};
use models::{DeviceChoice, Trainer, TrainerOptions};
use serde_json::Value;
use tests::{Place, Up, cotrain, micro, python, run, text};

/// The largest difference of a logit.
const LOGIT_DIFFERENCE_MAX: f64 = 1e-4;
const PROMPT: &str = "/// Returns the number of é bytes";
const NEW_TOKENS: usize = 24;

fn train(place: &Place, more: &[&str]) -> std::path::PathBuf {
    let job = micro(place.path(), |job| job.train.outer_steps = 2);
    let run = place.join("run");
    let _ = Up::start(&run, &job, &text(), more).finish().finished();
    run::newest_checkpoint(&run)
}

/// What transformers makes of a checkpoint.
fn there(checkpoint: &Path) -> Value {
    python("hugging_face.py", &[&"read", &checkpoint, &PROMPT, &NEW_TOKENS.to_string()])
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Compares token ids and logits with what this program computes from the same files.
fn assert_same_model(checkpoint: &Path, there: &Value) {
    assert_eq!(there["architecture"], "LlamaForCausalLM");
    let Imported { config, parameters, tokenizer } = huggingface::import(checkpoint).unwrap();
    let ids = tokenizer.unwrap().encode(PROMPT).unwrap();
    assert_eq!(numbers(&there["ids"]), ids.iter().map(|id| f64::from(*id)).collect::<Vec<_>>());
    let device = models::survey(&DeviceChoice::Cpu, false, Some(1)).unwrap().chosen;
    let mut trainer = Trainer::new(&config, &device, TrainerOptions::default()).unwrap();
    let (ours, theirs) = (trainer.logits(&parameters, &ids).unwrap(), numbers(&there["logits"]));
    assert_eq!(ours.len(), theirs.len());
    let difference = ours.iter().zip(&theirs).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
    println!("largest difference of a logit {difference:e}");
    assert!(difference <= LOGIT_DIFFERENCE_MAX, "{difference:e}");
    let spread = theirs.iter().fold(0.0_f64, |most, logit| most.max(logit.abs()));
    assert!(spread > 10.0 * LOGIT_DIFFERENCE_MAX, "logits near 0 prove nothing: {spread}");
}

fn generated(checkpoint: &Path) -> String {
    let tokens = NEW_TOKENS.to_string();
    let output = cotrain(&[
        &"generate",
        &"--checkpoint",
        &checkpoint,
        &"--prompt",
        &PROMPT,
        &"--max-new-tokens",
        &tokens,
        &"--temperature",
        &"0",
        &"--device",
        &"cpu",
        &"--output",
        &"json",
    ]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let row: Value = serde_json::from_str(&output.stdout).unwrap();
    format!("{}{}", row["prompt"].as_str().unwrap(), row["text"].as_str().unwrap())
}

#[test]
fn our_checkpoint_computes_and_writes_the_same_there() {
    let place = Place::new();
    let checkpoint = train(&place, &[]);
    let there = there(&checkpoint);
    assert_same_model(&checkpoint, &there);
    assert_eq!(generated(&checkpoint), there["text"].as_str().unwrap());
}

#[test]
fn a_llama_made_there_trains_here() {
    let place = Place::new();
    // Its tokenizer is that of one of our checkpoints.
    let ours = train(&place, &[]);
    let made = place.join("made");
    let report = python("hugging_face.py", &[&"make", &made, &ours]);
    assert_same_model(&made, &there(&made));

    let second = Place::new();
    let trained = train(&second, &["--init", made.to_str().unwrap()]);
    let (start, end) = (huggingface::import(&made).unwrap(), huggingface::import(&trained).unwrap());
    assert_eq!(start.config.parameters() as u64, report["parameters"].as_u64().unwrap());
    assert_eq!((end.config.hidden_size, end.config.tie_word_embeddings), (64, false));
    let first = huggingface::import(&second.join("run/checkpoints/000000")).unwrap();
    assert_eq!(first.parameters, start.parameters, "the run starts from the model that was made");
    assert_ne!(end.parameters, start.parameters, "and trains it");
    let there = there(&trained);
    assert_same_model(&trained, &there);
    assert_eq!(generated(&trained), there["text"].as_str().unwrap());
}
