use burn::tensor::Device;

use super::*;
use crate::initialize::initialize;
use crate::probe::random_batch;

const STEPS: u64 = 4;

fn config() -> ModelConfig {
    ModelConfig {
        vocab_size: 32,
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        max_position_embeddings: 96,
        ..ModelConfig::preset("tiny").unwrap()
    }
}

fn cpu() -> ComputeDevice {
    ComputeDevice::Cpu { threads: 2 }
}

/// burn's own CPU backend stands in for an accelerator: the same code runs there.
fn flex() -> ComputeDevice {
    ComputeDevice::Burn { device: Device::flex(), description: "flex".into() }
}

fn trainer(device: &ComputeDevice, micro_batch: usize) -> Trainer {
    let options = TrainerOptions { micro_batch, clip_norm: 0.5, ..TrainerOptions::default() };
    let mut trainer = Trainer::new(&config(), device, options).unwrap();
    trainer.set_parameters(&initialize(&config(), 1)).unwrap();
    trainer
}

/// A copy of the live parameters.
fn parameters(trainer: &Trainer) -> Vec<f32> {
    match trainer.live() {
        Live::Host(values) => values.to_vec(),
        Live::Device(tensor) => super::accelerator::read(tensor, "flex").unwrap(),
    }
}

fn batch(number: u64) -> Batch {
    random_batch(&config(), 5, 12, number).unwrap()
}

fn run(trainer: &mut Trainer, steps: std::ops::Range<u64>) -> Vec<StepReport> {
    steps.map(|step| trainer.inner_step(&batch(step), 1e-2).unwrap()).collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn both_paths_take_the_same_steps() {
    let (mut host, mut accelerator) = (trainer(&cpu(), 8), trainer(&flex(), 8));
    let pairs = run(&mut host, 0..STEPS).into_iter().zip(run(&mut accelerator, 0..STEPS));
    for (step, (a, b)) in pairs.enumerate() {
        assert!((a.loss - b.loss).abs() < 1e-4, "step {step}: loss {} and {}", a.loss, b.loss);
        assert!((a.gradient_norm - b.gradient_norm).abs() < 1e-3, "step {step}");
    }
    let (a, b) = (host.optimizer_state().unwrap(), accelerator.optimizer_state().unwrap());
    assert_eq!((a.step, b.step), (STEPS, STEPS));
    assert!(largest_difference(&a.m, &b.m) < 1e-4);
    assert!(largest_difference(&a.v, &b.v) < 1e-4);
}

#[test]
fn steps_lower_the_loss() {
    for device in [cpu(), flex()] {
        let mut trainer = trainer(&device, 8);
        let before = trainer.inner_step(&batch(0), 1e-2).unwrap().loss;
        for _ in 0..10 {
            trainer.inner_step(&batch(0), 1e-2).unwrap();
        }
        let after = trainer.gradient(&batch(0)).unwrap().0;
        assert!(after < before - 0.1, "{before} to {after}");
    }
}

#[test]
fn micro_batches_add_up_to_the_batch() {
    for device in [cpu(), flex()] {
        let (loss, whole) = trainer(&device, 5).gradient(&batch(0)).unwrap();
        for micro_batch in [1, 2, 3] {
            let (parts_loss, parts) = trainer(&device, micro_batch).gradient(&batch(0)).unwrap();
            assert!((loss - parts_loss).abs() < 1e-5);
            assert!(largest_difference(&whole, &parts) < 1e-5, "micro-batch {micro_batch}");
        }
    }
}

#[test]
fn an_interrupted_run_continues_to_the_same_bits() {
    for device in [cpu(), flex()] {
        let mut whole = trainer(&device, 2);
        run(&mut whole, 0..2 * STEPS);
        let mut first = trainer(&device, 2);
        run(&mut first, 0..STEPS);
        let mut second = trainer(&device, 2);
        second.set_parameters(&parameters(&first)).unwrap();
        second.set_optimizer_state(first.optimizer_state().unwrap()).unwrap();
        run(&mut second, STEPS..2 * STEPS);
        assert_eq!(parameters(&second), parameters(&whole));
        assert_eq!(second.optimizer_state().unwrap(), whole.optimizer_state().unwrap());
    }
}

#[test]
fn sequence_losses_average_to_the_loss_and_leave_the_parameters_alone() {
    for device in [cpu(), flex()] {
        let mut trainer = trainer(&device, 2);
        let own = parameters(&trainer);
        let other = initialize(&config(), 9);
        let losses = trainer.sequence_losses(&own, &batch(0)).unwrap();
        let loss = trainer.gradient(&batch(0)).unwrap().0;
        assert_eq!(losses.len(), 5);
        assert!((losses.iter().sum::<f64>() / 5.0 - loss).abs() < 1e-5);
        assert_ne!(trainer.sequence_losses(&other, &batch(0)).unwrap(), losses);
        assert_eq!(trainer.sequence_losses(&own, &batch(0)).unwrap(), losses);
        assert_eq!(parameters(&trainer), own);
    }
}

#[test]
fn mixed_precision_trains_and_evaluates_in_f32() {
    let options = TrainerOptions { precision: Precision::Mixed, ..TrainerOptions::default() };
    let mut mixed = Trainer::new(&config(), &flex(), options).unwrap();
    let flat = initialize(&config(), 1);
    mixed.set_parameters(&flat).unwrap();
    let exact = trainer(&flex(), 8).sequence_losses(&flat, &batch(0)).unwrap();
    assert_eq!(mixed.sequence_losses(&flat, &batch(0)).unwrap(), exact);
    let before = mixed.inner_step(&batch(0), 1e-2).unwrap().loss;
    let rounded = before - exact.iter().sum::<f64>() / 5.0;
    assert!(rounded != 0.0 && rounded.abs() < 1e-2, "{rounded}");
    for _ in 0..10 {
        mixed.inner_step(&batch(0), 1e-2).unwrap();
    }
    assert!(mixed.gradient(&batch(0)).unwrap().0 < before - 0.1);
}

#[test]
fn the_next_logits_are_the_last_row() {
    let tokens: Vec<u32> = (0..70).map(|index| index % 32).collect();
    let own = initialize(&config(), 1);
    let expected = trainer(&cpu(), 1).logits(&own, &tokens).unwrap();
    assert_eq!(expected.len(), 70 * 32);
    for device in [cpu(), flex()] {
        let mut trainer = trainer(&device, 1);
        let all = trainer.logits(&own, &tokens).unwrap();
        let next = trainer.next_logits(&own, &tokens).unwrap();
        assert!(largest_difference(&all, &expected) < 1e-4);
        assert_eq!(next.len(), 32);
        assert!(largest_difference(&next, &expected[69 * 32..]) < 1e-4);
    }
}

#[test]
fn the_live_parameters_lie_on_the_accelerator_alone() {
    let flat = initialize(&config(), 1);
    let host = trainer(&cpu(), 1);
    assert_eq!(parameters(&host), flat);
    assert!(matches!(host.live(), Live::Host(_)));
    let accelerator = trainer(&flex(), 1);
    assert!(matches!(accelerator.live(), Live::Device(_)));
    assert_eq!(parameters(&accelerator), flat);
}

#[test]
fn what_does_not_fit_is_refused() {
    for device in [cpu(), flex()] {
        let mut trainer = trainer(&device, 2);
        assert!(matches!(trainer.set_parameters(&[0.0]), Err(ModelError::Length { found: 1, .. })));
        assert!(matches!(trainer.set_optimizer_state(OptimizerState::new(3)), Err(ModelError::Length { .. })));
        let mut bad = batch(0);
        bad.tokens[7] = 32;
        assert!(matches!(
            trainer.inner_step(&bad, 0.1),
            Err(ModelError::Batch(BatchError::TokenOutOfRange { token: 32, position: 7, .. }))
        ));
        let long = random_batch(&config(), 1, 97, 0).unwrap();
        assert!(matches!(
            trainer.gradient(&long),
            Err(ModelError::Batch(BatchError::TooLong { length: 97, context: 96 }))
        ));
        let flat = initialize(&config(), 1);
        assert!(trainer.logits(&flat, &[]).is_err());
        assert!(trainer.next_logits(&flat, &[0; 97]).is_err());
        assert!(trainer.sequence_losses(&[], &batch(0)).is_err());
    }
    let broken = ModelConfig { num_key_value_heads: 0, ..config() };
    assert!(matches!(Trainer::new(&broken, &cpu(), TrainerOptions::default()), Err(ModelError::Config(_))));
}

#[test]
fn a_loss_that_is_not_finite_changes_nothing() {
    for device in [cpu(), flex()] {
        let mut trainer = trainer(&device, 2);
        run(&mut trainer, 0..1);
        let mut flat = parameters(&trainer);
        flat[0] = f32::NAN;
        trainer.set_parameters(&flat).unwrap();
        let state = trainer.optimizer_state().unwrap();
        let mut touching = batch(0);
        touching.tokens[0] = 0;
        let error = trainer.inner_step(&touching, 0.1).unwrap_err();
        assert!(matches!(error, ModelError::NonFinite { step: 1, .. }), "{error}");
        assert_eq!(trainer.optimizer_state().unwrap(), state);
    }
}
