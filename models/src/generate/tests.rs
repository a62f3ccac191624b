use super::*;
use crate::config::ModelConfig;
use crate::device::ComputeDevice;
use crate::initialize::initialize;
use crate::trainer::TrainerOptions;

fn small() -> (Trainer, Vec<f32>) {
    let mut config = ModelConfig::preset("tiny").unwrap();
    config.num_hidden_layers = 1;
    config.max_position_embeddings = 16;
    let device = ComputeDevice::Cpu { threads: 1 };
    let flat = initialize(&config, 3);
    (Trainer::new(&config, &device, TrainerOptions::default()).unwrap(), flat)
}

fn options(temperature: f32, seed: u64) -> GenerateOptions {
    GenerateOptions { max_new_tokens: 40, temperature, seed }
}

#[test]
fn the_greedy_choice_is_the_first_of_the_highest() {
    assert_eq!(choose(&[1.0, 3.0, 3.0, 2.0], 0.0, 0.9), Some(1));
    assert_eq!(choose(&[1.0, f32::NAN], 0.0, 0.0), None);
    assert_eq!(choose(&[], 0.0, 0.0), None);
}

#[test]
fn draws_follow_the_quantiles() {
    let logits = [0.0, 1f32.ln(), 2f32.ln()];
    assert_eq!(choose(&logits, 1.0, 0.0), Some(0));
    assert_eq!(choose(&logits, 1.0, 0.3), Some(1));
    assert_eq!(choose(&logits, 1.0, 0.6), Some(2));
    assert_eq!(choose(&logits, 1.0, 1.0), Some(2));
    assert_eq!(choose(&[0.0, 100.0], 1e-6, 0.999), Some(1));
}

#[test]
fn text_outgrows_the_context_and_repeats_with_its_seed() {
    let (mut trainer, flat) = small();
    let mut sample = |temperature, seed| {
        generate(&mut trainer, &flat, &Tokenizer::Bytes, "some prompt", &options(temperature, seed)).unwrap()
    };
    assert_eq!(sample(1.0, 1), sample(1.0, 1));
    assert_ne!(sample(1.0, 1), sample(1.0, 2));
    assert_eq!(sample(0.0, 1), sample(0.0, 2));
}

#[test]
fn an_empty_prompt_starts_after_the_end_of_a_text() {
    let (mut trainer, flat) = small();
    assert!(generate(&mut trainer, &flat, &Tokenizer::Bytes, "", &options(0.8, 1)).is_ok());
}

#[test]
fn broken_parameters_are_an_error() {
    let (mut trainer, mut flat) = small();
    flat.fill(f32::NAN);
    let error = generate(&mut trainer, &flat, &Tokenizer::Bytes, "x", &options(0.0, 1)).unwrap_err();
    assert!(matches!(error, ModelError::NonFinite { what: "logits", .. }));
}
