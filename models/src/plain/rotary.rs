//! Rotary position embedding as Hugging Face's Llama has it: element `i` of a head turns with element `i + width / 2`.

use burn::Tensor;
use burn::tensor::{Device, TensorData};

use crate::config::ModelConfig;

/// Cosines and sines of every position: `[1, 1, s, width / 2]`.
pub(super) struct Rotary {
    cosines: Tensor<4>,
    sines: Tensor<4>,
}

impl Rotary {
    /// The tables for sequences of `s` tokens. The angle is a product in f32, as in the reference implementation.
    pub(super) fn new(config: &ModelConfig, s: usize, device: &Device) -> Self {
        let half = config.head_dim / 2;
        let theta = f64::from(config.rope_theta);
        let frequency = |index: usize| theta.powf(-((2 * index) as f64) / config.head_dim as f64) as f32;
        let frequencies: Vec<f32> = (0..half).map(frequency).collect();
        let angles = (0..s)
            .flat_map(|position| frequencies.iter().map(move |&frequency| f64::from(position as f32 * frequency)));
        let (cosines, sines): (Vec<f32>, Vec<f32>) =
            angles.map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip();
        let table = |values| Tensor::from_data(TensorData::new(values, [1, 1, s, half]), device);
        Self { cosines: table(cosines), sines: table(sines) }
    }

    /// Turns each head by its position: `[b, heads, s, width]` to the same.
    pub(super) fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, _, width] = x.dims();
        let half = width / 2;
        let (first, second) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
        let turned_first = first.clone() * self.cosines.clone() - second.clone() * self.sines.clone();
        let turned_second = second * self.cosines.clone() + first * self.sines.clone();
        Tensor::cat(vec![turned_first, turned_second], 3)
    }
}
