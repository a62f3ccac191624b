//! The model in plain tensor operations: the reference for the fused CPU path, and what runs on every other device.
//!
//! The parameters stay one flat tensor. A step slices it into leaves (views of adjacent matrices as one, see
//! [`crate::layout`]), runs forward and backward, and concatenates the leaves' gradients in the same order. The
//! architecture is Llama's as Hugging Face computes it: RMSNorm before each half of a block (Zhang and Sennrich 2019),
//! rotary embedding that rotates halves (Su et al. 2021), grouped-query attention (Ainslie et al. 2023), SwiGLU
//! (Shazeer 2020).

use burn::Tensor;
use burn::tensor::activation::{log_softmax, silu, softmax};
use burn::tensor::{Device, FloatDType, Int, TensorData, module};

use crate::batch::Batch;
use crate::config::ModelConfig;

mod leaves;
mod rotary;

use leaves::{Layer, Leaves};
use rotary::Rotary;

/// Added to the scores of positions that lie ahead: its exponential is zero in f32 and bf16.
const MASKED: f32 = -1e30;

/// In what the matrix products are computed. Parameters, norms, softmax, loss and optimiser stay f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32 throughout.
    #[default]
    Full,
    /// Products of bf16 operands.
    Mixed,
}

/// A model on one device.
#[derive(Clone, Debug)]
pub struct PlainModel {
    config: ModelConfig,
    device: Device,
    precision: Precision,
}

impl PlainModel {
    /// The model of a valid configuration on a device without autodiff.
    pub fn new(config: &ModelConfig, device: &Device, precision: Precision) -> Self {
        Self { config: config.clone(), device: device.clone().without_autodiff(), precision }
    }

    /// The mean loss over all predicted tokens in nats, and its gradient.
    ///
    /// # Shapes
    ///
    /// `flat` and the gradient `[parameters]`; the loss `[1]`. Nothing is read back from the device.
    pub fn loss_and_gradient(&self, flat: &Tensor<1>, batch: &Batch) -> (Tensor<1>, Tensor<1>) {
        let leaves = Leaves::slice(flat, &self.config).tracked();
        let loss = self.losses(&leaves, batch).mean();
        let gradients = loss.backward();
        let gradient = leaves.gradient(&gradients);
        (loss.inner(), gradient)
    }

    /// The mean loss of each sequence in nats per token.
    ///
    /// # Shapes
    ///
    /// `flat` `[parameters]`; the result `[sequences]`.
    pub fn sequence_losses(&self, flat: &Tensor<1>, batch: &Batch) -> Tensor<1> {
        let leaves = Leaves::slice(flat, &self.config);
        self.losses(&leaves, batch).mean_dim(1).reshape([batch.sequences])
    }

    /// The logits of one sequence.
    ///
    /// # Shapes
    ///
    /// `flat` `[parameters]`; the result `[tokens.len(), vocab_size]`.
    pub fn logits(&self, flat: &Tensor<1>, tokens: &[u32]) -> Tensor<2> {
        let leaves = Leaves::slice(flat, &self.config);
        let logits = self.forward(&leaves, self.tokens(tokens, [1, tokens.len()]));
        logits.reshape([tokens.len(), self.config.vocab_size])
    }

    /// The loss of each predicted token: `[sequences, length]`.
    fn losses(&self, leaves: &Leaves, batch: &Batch) -> Tensor<2> {
        let (b, s) = (batch.sequences, batch.length);
        let rows = self.tokens(&batch.tokens, [b, s + 1]);
        let inputs = rows.clone().slice([0..b, 0..s]);
        let targets = rows.slice([0..b, 1..s + 1]).reshape([b, s, 1]);
        let logits = self.forward(leaves, inputs); // [b, s, vocab]
        log_softmax(logits, 2).gather(2, targets).neg().reshape([b, s])
    }

    /// Tokens on the device; the caller has checked that they fit in the vocabulary and so in `i32`.
    fn tokens(&self, tokens: &[u32], shape: [usize; 2]) -> Tensor<2, Int> {
        let values: Vec<i32> = tokens.iter().map(|&token| token as i32).collect();
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    /// The logits: `[b, s]` to `[b, s, vocab]`.
    fn forward(&self, leaves: &Leaves, inputs: Tensor<2, Int>) -> Tensor<3> {
        let [_, s] = inputs.dims();
        let rotary = Rotary::new(&self.config, s, &self.device);
        let mask = self.causal_mask(s);
        let mut x = module::embedding(leaves.embedding.clone(), inputs); // [b, s, d]
        for layer in &leaves.layers {
            x = self.block(x, layer, &rotary, &mask);
        }
        let x = self.normalise(x, &leaves.norm);
        self.product(x, leaves.head.as_ref().unwrap_or(&leaves.embedding))
    }

    fn block(&self, x: Tensor<3>, layer: &Layer, rotary: &Rotary, mask: &Tensor<5>) -> Tensor<3> {
        let attended = self.attention(self.normalise(x.clone(), &layer.attention_norm), layer, rotary, mask);
        let x = x + attended;
        let fed = self.feed_forward(self.normalise(x.clone(), &layer.feed_forward_norm), layer);
        x + fed
    }

    /// Grouped-query attention: `[b, s, d]` to `[b, s, d]`. The query heads of one key-value head are stacked along
    /// the sequence, so that keys and values are used without being repeated.
    fn attention(&self, x: Tensor<3>, layer: &Layer, rotary: &Rotary, mask: &Tensor<5>) -> Tensor<3> {
        let [b, s, d] = x.dims();
        let (heads, groups, width) =
            (self.config.num_attention_heads, self.config.num_key_value_heads, self.config.head_dim);
        let shared = heads / groups;
        let qkv = self.product(x, &layer.query_key_value).reshape([b, s, heads + 2 * groups, width]).swap_dims(1, 2);
        let q = rotary.rotate(qkv.clone().narrow(1, 0, heads)).reshape([b, groups, shared * s, width]);
        let k = rotary.rotate(qkv.clone().narrow(1, heads, groups)); // [b, groups, s, width]
        let v = qkv.narrow(1, heads + groups, groups);
        let q = q.mul_scalar((width as f32).powf(-0.5));
        let scores = self.matmul(q, k.swap_dims(2, 3)); // [b, groups, shared·s, s]
        let scores = scores.reshape([b, groups, shared, s, s]) + mask.clone();
        let weights = softmax(scores, 4).reshape([b, groups, shared * s, s]);
        let mixed = self.matmul(weights, v).reshape([b, heads, s, width]).swap_dims(1, 2).reshape([b, s, d]);
        self.product(mixed, &layer.output)
    }

    /// SwiGLU: `down(silu(gate(x)) · up(x))`, gate and up in one product.
    fn feed_forward(&self, x: Tensor<3>, layer: &Layer) -> Tensor<3> {
        let f = self.config.intermediate_size;
        let both = self.product(x, &layer.gate_up); // [b, s, 2f]
        let gate = silu(both.clone().narrow(2, 0, f));
        self.product(gate * both.narrow(2, f, f), &layer.down)
    }

    /// RMSNorm: `x / √(mean(x²) + ε) · weight` over the last axis.
    fn normalise(&self, x: Tensor<3>, weight: &Tensor<1>) -> Tensor<3> {
        let mean_square = x.clone().square().mean_dim(2); // [b, s, 1]
        let scale = mean_square.add_scalar(self.config.rms_norm_eps).sqrt().recip();
        x * scale * weight.clone().unsqueeze::<3>()
    }

    /// A linear layer without bias: `[b, s, in]` by `[out, in]` to `[b, s, out]`.
    fn product(&self, x: Tensor<3>, weight: &Tensor<2>) -> Tensor<3> {
        let [b, s, inner] = x.dims();
        let [outer, _] = weight.dims();
        self.matmul(x.reshape([b * s, inner]), weight.clone().transpose()).reshape([b, s, outer])
    }

    fn matmul<const D: usize>(&self, left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
        match self.precision {
            Precision::Full => left.matmul(right),
            Precision::Mixed => left.cast(FloatDType::BF16).matmul(right.cast(FloatDType::BF16)).cast(FloatDType::F32),
        }
    }

    /// Zero where a position may look, [`MASKED`] ahead of it: `[1, 1, 1, s, s]`.
    fn causal_mask(&self, s: usize) -> Tensor<5> {
        Tensor::<2>::full([s, s], MASKED, &self.device).triu(1).reshape([1, 1, 1, s, s])
    }
}

#[cfg(test)]
mod tests;
