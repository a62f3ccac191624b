//! Every device but the CPU: plain operations with autodiff, and AdamW on flat tensors that stay on the device.
//!
//! A step reads back two numbers, the loss and the gradient's norm.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::Tensor;
use burn::tensor::{Device, TensorData};

use super::{StepReport, TrainerOptions, micro_batches};
use crate::batch::Batch;
use crate::config::ModelConfig;
use crate::error::ModelError;
use crate::layout::Layout;
use crate::optimizer::{AdamWConfig, OptimizerState};
use crate::plain::{PlainModel, Precision};

/// Sequences are padded to a multiple of this before a forward pass without loss, so that a text that grows token by
/// token does not compile a kernel for each of its lengths.
const LENGTH_STEP: usize = 64;

/// Elements of a row of [`sum`]: long enough that the number of rows stays small too, up to four billion elements.
const SUM_ROW: usize = 1 << 14;

/// Model, parameters and optimiser on the device.
pub(super) struct Accelerator {
    model: PlainModel,
    /// Evaluates in f32 whatever the training multiplies in, since others recompute its losses.
    evaluator: PlainModel,
    device: Device,
    description: String,
    context: usize,
    vocabulary: usize,
    parameters: Tensor<1>,
    first_moment: Tensor<1>,
    second_moment: Tensor<1>,
    /// One where weight decay applies, else zero.
    decay_mask: Tensor<1>,
    step: u64,
    /// The last vector that was evaluated, by its hash: evaluation asks for the same one many times.
    evaluated: Option<([u8; 32], Tensor<1>)>,
}

impl Accelerator {
    pub(super) fn new(
        config: &ModelConfig,
        layout: &Layout,
        device: &Device,
        description: &str,
        options: &TrainerOptions,
    ) -> Result<Self, ModelError> {
        let elements = layout.elements;
        guard(description, || {
            let zeros = Tensor::<1>::zeros([elements], device);
            Ok(Self {
                model: PlainModel::new(config, device, options.precision),
                evaluator: PlainModel::new(config, device, Precision::Full),
                device: device.clone(),
                description: description.to_owned(),
                context: config.max_position_embeddings,
                vocabulary: config.vocab_size,
                parameters: zeros.clone(),
                first_moment: zeros.clone(),
                second_moment: zeros,
                decay_mask: decay_mask(layout, device),
                step: 0,
                evaluated: None,
            })
        })
    }

    pub(super) fn set_parameters(&mut self, flat: &[f32]) {
        self.parameters = upload(flat, &self.device);
    }

    pub(super) fn parameters(&self) -> Tensor<1> {
        self.parameters.clone()
    }

    pub(super) fn optimizer_state(&self) -> Result<OptimizerState, ModelError> {
        let m = read(self.first_moment.clone(), &self.description)?;
        let v = read(self.second_moment.clone(), &self.description)?;
        Ok(OptimizerState { step: self.step, m, v })
    }

    pub(super) fn set_optimizer_state(&mut self, state: &OptimizerState) {
        self.first_moment = upload(&state.m, &self.device);
        self.second_moment = upload(&state.v, &self.device);
        self.step = state.step;
    }

    pub(super) fn gradient_vector(&mut self, batch: &Batch, micro_batch: usize) -> Result<(f64, Vec<f32>), ModelError> {
        let (loss, gradient) = self.accumulate(batch, micro_batch)?;
        Ok((loss, read(gradient, &self.description)?))
    }

    pub(super) fn inner_step(
        &mut self,
        batch: &Batch,
        learning_rate: f32,
        options: &TrainerOptions,
    ) -> Result<StepReport, ModelError> {
        let (loss, gradient) = self.accumulate(batch, options.micro_batch)?;
        let gradient_norm = self.norm(&gradient)?;
        let clip = f64::from(options.clip_norm);
        let gradient = if gradient_norm > clip { gradient.mul_scalar((clip / gradient_norm) as f32) } else { gradient };
        guard(&self.description.clone(), || {
            self.adamw(gradient, learning_rate, &options.optimizer);
            Ok(())
        })?;
        Ok(StepReport { loss, gradient_norm })
    }

    pub(super) fn sequence_losses(
        &mut self,
        flat: &[f32],
        batch: &Batch,
        micro_batch: usize,
    ) -> Result<Vec<f64>, ModelError> {
        let flat = self.evaluated(flat);
        let mut losses = Vec::with_capacity(batch.sequences);
        for (part, _) in micro_batches(batch, micro_batch) {
            let part =
                guard(&self.description, || read(self.evaluator.sequence_losses(&flat, &part), &self.description))?;
            losses.extend(part.into_iter().map(f64::from));
        }
        Ok(losses)
    }

    /// Rows `first..` of the logits of one sequence. What follows a token never changes its logits, so the padding
    /// does not show.
    pub(super) fn logits(&mut self, flat: &[f32], tokens: &[u32], first: usize) -> Result<Vec<f32>, ModelError> {
        let flat = self.evaluated(flat);
        let mut padded = tokens.to_vec();
        padded.resize(tokens.len().next_multiple_of(LENGTH_STEP).min(self.context), 0);
        guard(&self.description, || {
            let rows = self.evaluator.logits(&flat, &padded).slice([first..tokens.len(), 0..self.vocabulary]);
            let elements = (tokens.len() - first) * self.vocabulary;
            read(rows.reshape([elements]), &self.description)
        })
    }

    /// Mean loss and mean gradient over the micro-batches.
    fn accumulate(&self, batch: &Batch, micro_batch: usize) -> Result<(f64, Tensor<1>), ModelError> {
        let (loss, gradient) = guard(&self.description, || {
            let mut sum: Option<(Tensor<1>, Tensor<1>)> = None;
            for (part, share) in micro_batches(batch, micro_batch) {
                let (loss, gradient) = self.model.loss_and_gradient(&self.parameters, &part);
                let share = share as f32;
                let weighted = (loss.mul_scalar(share), gradient.mul_scalar(share));
                sum = Some(match sum {
                    None => weighted,
                    Some((loss, gradient)) => (loss + weighted.0, gradient + weighted.1),
                });
            }
            let (loss, gradient) = sum.ok_or_else(|| self.failed("an empty batch"))?;
            Ok((read(loss, &self.description)?, gradient))
        })?;
        let loss = f64::from(loss.first().copied().unwrap_or(f32::NAN));
        self.check_finite("loss", loss)?;
        Ok((loss, gradient))
    }

    fn norm(&self, gradient: &Tensor<1>) -> Result<f64, ModelError> {
        let squares = guard(&self.description, || read(sum(gradient.clone().square()), &self.description))?;
        let norm = f64::from(squares.first().copied().unwrap_or(f32::NAN)).sqrt();
        self.check_finite("gradient norm", norm)?;
        Ok(norm)
    }

    /// AdamW (Loshchilov and Hutter 2019) on the whole vector: decay first, then the bias-corrected moments.
    fn adamw(&mut self, gradient: Tensor<1>, learning_rate: f32, config: &AdamWConfig) {
        self.step += 1;
        let (beta1, beta2) = (config.beta1, config.beta2);
        let correction = |beta: f32| 1.0 - f64::from(beta).powf(self.step as f64);
        let rate = (f64::from(learning_rate) / correction(beta1)) as f32;
        let m = self.first_moment.clone().mul_scalar(beta1) + gradient.clone().mul_scalar(1.0 - beta1);
        let v = self.second_moment.clone().mul_scalar(beta2) + gradient.square().mul_scalar(1.0 - beta2);
        let root = v.clone().sqrt().div_scalar(correction(beta2).sqrt() as f32).add_scalar(config.epsilon);
        let keep = self.decay_mask.clone().mul_scalar(-learning_rate * config.weight_decay).add_scalar(1.0);
        self.parameters = self.parameters.clone() * keep - (m.clone() / root).mul_scalar(rate);
        self.first_moment = m;
        self.second_moment = v;
    }

    fn evaluated(&mut self, flat: &[f32]) -> Tensor<1> {
        let hash = hash(flat);
        if let Some((known, tensor)) = &self.evaluated
            && *known == hash
        {
            return tensor.clone();
        }
        let tensor = upload(flat, &self.device);
        self.evaluated = Some((hash, tensor.clone()));
        tensor
    }

    fn check_finite(&self, what: &'static str, value: f64) -> Result<(), ModelError> {
        if value.is_finite() { Ok(()) } else { Err(ModelError::NonFinite { what, step: self.step }) }
    }

    fn failed(&self, message: &str) -> ModelError {
        ModelError::DeviceFailed { device: self.description.clone(), message: message.into() }
    }
}

/// The sum of a long vector, `[1]`, row by row: burn's own loses what lies past 262,140 elements on some wgpu adapters
/// (0.22.1 on lavapipe).
fn sum(values: Tensor<1>) -> Tensor<1> {
    let [length] = values.dims();
    let whole = length / SUM_ROW * SUM_ROW;
    if whole == 0 {
        return values.sum();
    }
    let rows = values.clone().narrow(0, 0, whole).reshape([length / SUM_ROW, SUM_ROW]).sum_dim(1);
    let sum = rows.sum();
    if whole == length { sum } else { sum + values.narrow(0, whole, length - whole).sum() }
}

/// Reads a tensor back; this is where a device's errors surface.
pub(super) fn read(tensor: Tensor<1>, description: &str) -> Result<Vec<f32>, ModelError> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| ModelError::DeviceFailed { device: description.to_owned(), message: error.to_string() })
}

/// Turns a panic of the runtime (out of memory, a lost device, a library that is not there) into an error.
fn guard<T>(description: &str, work: impl FnOnce() -> Result<T, ModelError>) -> Result<T, ModelError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "its runtime panicked".to_owned());
        Err(ModelError::DeviceFailed { device: description.to_owned(), message })
    })
}

fn upload(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

fn decay_mask(layout: &Layout, device: &Device) -> Tensor<1> {
    let mut mask = vec![0.0; layout.elements];
    for tensor in layout.tensors.iter().filter(|tensor| tensor.decays()) {
        mask[tensor.range()].fill(1.0);
    }
    upload(&mask, device)
}

fn hash(values: &[f32]) -> [u8; 32] {
    /// Values whose bytes are gathered before they are hashed.
    const BLOCK: usize = 1 << 14;
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::with_capacity(4 * BLOCK);
    for block in values.chunks(BLOCK) {
        bytes.clear();
        bytes.extend(block.iter().flat_map(|value| value.to_le_bytes()));
        hasher.update(&bytes);
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_any_length_are_whole() {
        for length in [0, 1, SUM_ROW - 1, SUM_ROW, SUM_ROW + 1, 5 * SUM_ROW, 5 * SUM_ROW + 7] {
            let values: Vec<f32> = (0..length).map(|index| (index % 5) as f32).collect();
            let expected: f32 = values.iter().sum();
            assert_eq!(read(sum(upload(&values, &Device::flex())), "flex").unwrap(), [expected], "{length}");
        }
    }
}
