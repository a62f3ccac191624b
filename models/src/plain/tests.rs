use super::*;
use crate::fused::{FusedModel, GradientMode};
use crate::initialize::initialize;
use crate::layout::Layout;
use crate::probe::random_batch;

fn config(heads: usize, groups: usize, tied: bool) -> ModelConfig {
    ModelConfig {
        vocab_size: 40,
        hidden_size: 32,
        intermediate_size: 44,
        num_hidden_layers: 2,
        num_attention_heads: heads,
        num_key_value_heads: groups,
        head_dim: 32 / heads,
        max_position_embeddings: 24,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: tied,
    }
}

/// Initial parameters with larger matrices and uneven norms, so that every part of the model matters.
fn parameters(config: &ModelConfig) -> Vec<f32> {
    let layout = Layout::of(config);
    let mut flat = initialize(config, 11);
    for tensor in &layout.tensors {
        let values = &mut flat[tensor.range()];
        if tensor.decays() {
            values.iter_mut().for_each(|value| *value *= 8.0);
        } else {
            values.iter_mut().enumerate().for_each(|(index, value)| *value += 0.1 * (index % 5) as f32);
        }
    }
    flat
}

fn upload(flat: &[f32]) -> Tensor<1> {
    Tensor::from_data(TensorData::new(flat.to_vec(), [flat.len()]), &Device::flex())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// The gradient of the plain operations against the hand-written one, tensor by tensor.
fn check_gradient(config: &ModelConfig) {
    let (layout, flat) = (Layout::of(config), parameters(config));
    let batch = random_batch(config, 3, 17, 1).unwrap();
    let plain = PlainModel::new(config, &Device::flex(), Precision::Full);
    let (loss, gradient) = plain.loss_and_gradient(&upload(&flat), &batch);
    let (loss, gradient) = (f64::from(values(loss)[0]), values(gradient));

    let mut fused = FusedModel::new(config, &layout, 2).unwrap();
    let mut expected = vec![0.0; layout.elements];
    let expected_loss = fused.loss_and_gradient(&flat, &batch, &mut expected, GradientMode::Overwrite, 1.0).unwrap();

    assert!((loss - expected_loss).abs() < 1e-5 * expected_loss, "loss {loss} instead of {expected_loss}");
    assert_eq!(gradient.len(), layout.elements);
    for tensor in &layout.tensors {
        let (found, wanted) = (&gradient[tensor.range()], &expected[tensor.range()]);
        let difference = norm(found.iter().zip(wanted).map(|(a, b)| a - b));
        let size = norm(wanted.iter().copied());
        assert!(size > 1e-4, "{}: gradient of size {size} tells nothing", tensor.name);
        assert!(difference <= 1e-4 * size, "{}: {difference} of {size}", tensor.name);
    }
}

#[test]
fn gradient_agrees_with_the_fused_operations_with_shared_heads_and_a_tied_head() {
    check_gradient(&config(4, 2, true));
}

#[test]
fn gradient_agrees_with_the_fused_operations_with_own_heads_and_an_own_head() {
    check_gradient(&config(4, 4, false));
}

#[test]
fn gradient_agrees_with_the_fused_operations_with_one_head_for_all() {
    check_gradient(&config(2, 1, true));
}

#[test]
fn losses_and_logits_agree_with_the_fused_operations() {
    let config = config(4, 2, false);
    let flat = parameters(&config);
    let plain = PlainModel::new(&config, &Device::flex(), Precision::Full);
    let mut fused = FusedModel::new(&config, &Layout::of(&config), 1).unwrap();
    let batch = random_batch(&config, 4, 9, 2).unwrap();
    let losses = values(plain.sequence_losses(&upload(&flat), &batch));
    for (found, expected) in losses.iter().zip(fused.sequence_losses(&flat, &batch).unwrap()) {
        assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} instead of {expected}");
    }
    let logits = values(plain.logits(&upload(&flat), &batch.tokens[..7]));
    for (found, expected) in logits.iter().zip(fused.logits(&flat, &batch.tokens[..7]).unwrap()) {
        assert!((found - expected).abs() < 1e-4, "{found} instead of {expected}");
    }
}

#[test]
fn what_follows_a_token_does_not_change_its_logits() {
    let config = config(4, 2, true);
    let flat = upload(&parameters(&config));
    let plain = PlainModel::new(&config, &Device::flex(), Precision::Full);
    let short = values(plain.logits(&flat, &[1, 2, 3]));
    let long = values(plain.logits(&flat, &[1, 2, 3, 9, 9]));
    for (a, b) in short.iter().zip(&long) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
}

#[test]
fn mixed_precision_stays_close() {
    let config = config(4, 2, true);
    let flat = upload(&initialize(&config, 3));
    let batch = random_batch(&config, 2, 16, 3).unwrap();
    let of = |precision| PlainModel::new(&config, &Device::flex(), precision).loss_and_gradient(&flat, &batch);
    let ((full_loss, full), (mixed_loss, mixed)) = (of(Precision::Full), of(Precision::Mixed));
    assert!((values(full_loss)[0] - values(mixed_loss)[0]).abs() < 1e-2);
    let (full, mixed) = (values(full), values(mixed));
    let difference = norm(full.iter().zip(&mixed).map(|(a, b)| a - b));
    assert!(difference > 0.0 && difference < 0.05 * norm(full.iter().copied()), "{difference}");
}
