//! The whole model against a reference in f64 written the obvious way, and its gradient against finite differences.

use super::*;

mod reference;

use reference::{Reference, differences};

fn config(heads: usize, kv_heads: usize, tied: bool) -> ModelConfig {
    ModelConfig {
        vocab_size: 37,
        hidden_size: heads * 6,
        intermediate_size: 21,
        num_hidden_layers: 2,
        num_attention_heads: heads,
        num_key_value_heads: kv_heads,
        head_dim: 6,
        max_position_embeddings: 2048,
        rope_theta: 100.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: tied,
    }
}

fn noise(elements: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..elements).map(|_| next()).collect()
}

/// Weights large enough that every nonlinearity matters; gains around one.
fn weights(layout: &Layout) -> Vec<f32> {
    let mut flat = noise(layout.elements, 5);
    for tensor in &layout.tensors {
        let range = tensor.offset..tensor.offset + tensor.shape.iter().product::<usize>();
        let (scale, shift) = if tensor.shape.len() == 1 { (0.3, 1.0) } else { (0.4, 0.0) };
        flat[range].iter_mut().for_each(|x| *x = *x * scale + shift);
    }
    flat
}

fn batch(vocab: usize, sequences: usize, length: usize) -> Batch {
    let count = sequences * (length + 1);
    let tokens = noise(count, 11).iter().map(|x| ((x + 1.0) * 0.5 * (vocab - 1) as f32) as u32).collect();
    Batch { tokens, sequences, length }
}

struct Case {
    config: ModelConfig,
    layout: Layout,
    flat: Vec<f32>,
    batch: Batch,
}

fn case(config: ModelConfig, sequences: usize, length: usize) -> Case {
    let layout = Layout::of(&config);
    let flat = weights(&layout);
    let batch = batch(config.vocab_size, sequences, length);
    Case { config, layout, flat, batch }
}

impl Case {
    fn model(&self, threads: usize) -> FusedModel {
        FusedModel::new(&self.config, &self.layout, threads).unwrap()
    }

    fn gradient(&self, model: &mut FusedModel) -> (f64, Vec<f32>) {
        let mut gradient = vec![f32::NAN; self.layout.elements];
        let mode = GradientMode::Overwrite;
        let loss = model.loss_and_gradient(&self.flat, &self.batch, &mut gradient, mode, 1.0).unwrap();
        (loss, gradient)
    }

    /// Compares loss, every `stride`th derivative and the losses of sequences with the reference.
    fn check(&self, threads: usize, stride: usize) {
        let mut model = self.model(threads);
        let reference = Reference::new(&self.config);
        let flat: Vec<f64> = self.flat.iter().map(|x| f64::from(*x)).collect();
        let (loss, gradient) = self.gradient(&mut model);
        let expected = reference.sequence_losses(&flat, &self.batch);
        let mean = expected.iter().sum::<f64>() / expected.len() as f64;
        assert!((loss - mean).abs() < 2e-5, "loss {loss} instead of {mean}");
        for (found, expected) in model.sequence_losses(&self.flat, &self.batch).unwrap().iter().zip(&expected) {
            assert!((found - expected).abs() < 2e-5, "sequence loss {found} instead of {expected}");
        }
        for (index, expected) in differences(&reference, &flat, &self.batch, stride) {
            let found = f64::from(gradient[index]);
            let tolerance = 2e-5 + 2e-4 * expected.abs();
            assert!((found - expected).abs() < tolerance, "derivative {index}: {found} instead of {expected}");
        }
    }
}

#[test]
fn gradient_is_that_of_the_reference_tied() {
    case(config(4, 2, true), 2, 9).check(2, 7);
}

#[test]
fn gradient_is_that_of_the_reference_untied_with_all_heads_their_own() {
    case(config(3, 3, false), 3, 7).check(2, 7);
}

#[test]
fn gradient_is_that_of_the_reference_over_several_tiles_and_one_sequence() {
    case(config(4, 1, true), 1, 131).check(3, 211);
}

#[test]
fn gradient_is_that_of_the_reference_over_several_blocks_of_keys() {
    let config = ModelConfig { num_hidden_layers: 1, ..config(2, 1, false) };
    case(config, 1, 1100).check(2, 401);
}

#[test]
fn a_single_token_is_a_sequence() {
    case(config(2, 1, true), 1, 1).check(4, 31);
}

#[test]
fn logits_are_those_of_the_reference() {
    let case = case(config(4, 2, false), 1, 70);
    let flat: Vec<f64> = case.flat.iter().map(|x| f64::from(*x)).collect();
    let tokens = &case.batch.tokens[..70];
    let expected = Reference::new(&case.config).logits(&flat, tokens);
    let mut model = case.model(2);
    let found = model.logits(&case.flat, tokens).unwrap();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} instead of {expected}");
    }
    let last = model.last_logits(&case.flat, tokens).unwrap();
    for (found, expected) in last.iter().zip(&expected[69 * 37..]) {
        assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} instead of {expected}");
    }
}

#[test]
fn repeats_bit_for_bit() {
    let case = case(config(4, 2, true), 5, 75);
    let mut model = case.model(2);
    let first = case.gradient(&mut model);
    // Another shape in between leaves its traces in the buffers; none may show.
    model.sequence_losses(&case.flat, &batch(37, 3, 101)).unwrap();
    let again = case.gradient(&mut model);
    let fresh = case.gradient(&mut case.model(2));
    for other in [again, fresh] {
        assert_eq!(first.0.to_bits(), other.0.to_bits());
        assert!(first.1.iter().zip(&other.1).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}

#[test]
fn the_number_of_lanes_changes_only_rounding() {
    let case = case(config(4, 2, false), 5, 75);
    let (loss, gradient) = case.gradient(&mut case.model(1));
    for threads in [2, 3, 7, 64] {
        let (other_loss, other) = case.gradient(&mut case.model(threads));
        assert!((loss - other_loss).abs() < 1e-5);
        assert!(gradient.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-5), "{threads} lanes");
    }
}

#[test]
fn passes_add_up_to_the_whole_batch() {
    let case = case(config(4, 2, true), 5, 40);
    let (loss, gradient) = case.gradient(&mut case.model(2));
    let mut model = case.model(2);
    model.rows_max = 80;
    let (parts_loss, parts) = case.gradient(&mut model);
    assert!((loss - parts_loss).abs() < 1e-6);
    assert!(gradient.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn accumulates_and_scales() {
    let case = case(config(2, 1, false), 2, 20);
    let mut model = case.model(2);
    let (_, gradient) = case.gradient(&mut model);
    let mut sum = vec![1.0; gradient.len()];
    let mode = GradientMode::Accumulate;
    model.loss_and_gradient(&case.flat, &case.batch, &mut sum, mode, 0.25).unwrap();
    assert!(gradient.iter().zip(&sum).all(|(g, s)| (1.0 + 0.25 * g - s).abs() < 1e-5));
}

#[test]
fn a_vocabulary_larger_than_the_block_of_logits_is_taken_in_blocks() {
    let config = ModelConfig { vocab_size: 300_000, num_hidden_layers: 0, ..config(1, 1, true) };
    let case = case(config, 1, 60);
    let (loss, gradient) = case.gradient(&mut case.model(2));
    let flat: Vec<f64> = case.flat.iter().map(|x| f64::from(*x)).collect();
    let expected = Reference::new(&case.config).sequence_losses(&flat, &case.batch)[0];
    assert!((loss - expected).abs() < 1e-4, "{loss} instead of {expected}");
    // Every row's gradient of the logits adds up to zero, so the gradient of the head alone, against one vector for
    // all tokens, would too; here it must at least be finite everywhere and not zero where tokens occur.
    assert!(gradient.iter().all(|x| x.is_finite()));
    assert!(case.batch.tokens[1..].iter().all(|t| gradient[*t as usize * 6..][..6].iter().any(|x| *x != 0.0)));
}

#[test]
fn wrong_input_is_refused_with_its_value() {
    let case = case(config(2, 1, true), 2, 5);
    let mut model = case.model(1);
    let elements = case.layout.elements;
    let found = elements - 1;
    let refused = model.sequence_losses(&case.flat[1..], &case.batch).unwrap_err();
    assert_eq!(refused, FusedError::Elements { found, expected: elements });
    let short = Batch { tokens: vec![0; 11], sequences: 2, length: 5 };
    let refused = model.sequence_losses(&case.flat, &short).unwrap_err();
    assert_eq!(refused, FusedError::BatchShape { sequences: 2, length: 5, found: 11 });
    let outside = Batch { tokens: vec![37; 12], sequences: 2, length: 5 };
    let refused = model.sequence_losses(&case.flat, &outside).unwrap_err();
    assert_eq!(refused, FusedError::Token { token: 37, vocab: 37 });
    assert!(model.logits(&case.flat, &[]).is_err());
    let mut layout = case.layout.clone();
    layout.tensors.swap(1, 2);
    assert!(matches!(FusedModel::new(&case.config, &layout, 1), Err(FusedError::Layout { index: 1, .. })));
}
