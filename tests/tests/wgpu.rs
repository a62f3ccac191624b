//! Full inner steps on whatever wgpu adapter there is, a software one included, against the CPU's. On a machine
//! without a GPU it needs mesa-vulkan-drivers and libvulkan1, which `.ci/test` installs.

#![allow(clippy::unwrap_used, reason = "tests may, also in their helpers")]

use models::{Batch, ComputeDevice, DeviceChoice, ModelConfig, Trainer, TrainerOptions, initialize, survey};

/// What the losses of the two devices may differ by, in nats per token.
const LOSS_TOLERANCE: f64 = 1e-3;

fn wgpu() -> ComputeDevice {
    survey(&DeviceChoice::Wgpu(None), false, None)
        .expect("a wgpu adapter: on a machine without a GPU, install mesa-vulkan-drivers and libvulkan1")
        .chosen
}

/// Two steps on the same batch: the first compares forward and backward, the second also what AdamW made of them.
fn losses(device: &ComputeDevice) -> (Vec<f64>, Vec<f32>) {
    let config = ModelConfig::preset("tiny").unwrap();
    let tokens = (0..2 * 65).map(|index| index * 7919 % 257).collect();
    let batch = Batch::new(tokens, 2, 64).unwrap();
    let mut trainer = Trainer::new(&config, device, TrainerOptions::default()).unwrap();
    trainer.set_parameters(&initialize(&config, 1)).unwrap();
    let losses = (0..2).map(|_| trainer.inner_step(&batch, 1e-3).unwrap().loss).collect();
    (losses, trainer.gradient(&batch).unwrap().1)
}

#[test]
fn an_inner_step_on_wgpu_has_the_loss_of_the_cpu() {
    let (expected, expected_gradient) = losses(&ComputeDevice::cpu(Some(2)));
    let (found, gradient) = losses(&wgpu());
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() < LOSS_TOLERANCE, "{found:?} instead of {expected:?}");
    }
    let size = |values: &mut dyn Iterator<Item = f32>| values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let difference = size(&mut gradient.iter().zip(&expected_gradient).map(|(a, b)| a - b));
    assert!(difference < 1e-2 * size(&mut expected_gradient.iter().copied()), "gradients differ by {difference}");
}
