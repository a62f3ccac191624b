//! Inner steps: parameters and AdamW state on one device, gradients accumulated over micro-batches.
//!
//! The CPU runs the fused operations on plain vectors; every other device runs [`crate::plain`] on flat tensors that
//! never leave it. Both follow the same order: micro-batches in the batch's order, each weighted by its share of the
//! sequences, then clipping by the global norm, then AdamW.

use burn::Tensor;

use crate::batch::{Batch, BatchError, check_tokens};
use crate::config::ModelConfig;
use crate::device::ComputeDevice;
use crate::error::ModelError;
use crate::layout::Layout;
use crate::optimizer::{AdamWConfig, OptimizerState};
use crate::plain::Precision;

mod accelerator;
mod host;

use accelerator::Accelerator;
use host::Host;

/// The default micro-batch, in sequences.
const MICRO_BATCH: usize = 8;

/// The default bound on the gradient's global norm.
const CLIP_NORM: f32 = 1.0;

/// How a trainer steps.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerOptions {
    /// Sequences whose gradient is computed at once. Sums depend on it, so a run records it.
    pub micro_batch: usize,
    /// AdamW's numbers.
    pub optimizer: AdamWConfig,
    /// Gradients of a larger global norm are scaled down to it.
    pub clip_norm: f32,
    /// In what an accelerator multiplies matrices; the CPU path always uses f32.
    pub precision: Precision,
}

impl Default for TrainerOptions {
    fn default() -> Self {
        Self {
            micro_batch: MICRO_BATCH,
            optimizer: AdamWConfig::default(),
            clip_norm: CLIP_NORM,
            precision: Precision::Full,
        }
    }
}

/// What one inner step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Mean loss before the step, in nats per token.
    pub loss: f64,
    /// The gradient's global norm before clipping.
    pub gradient_norm: f64,
}

/// A model in training on one device.
pub struct Trainer {
    config: ModelConfig,
    layout: Layout,
    options: TrainerOptions,
    engine: Engine,
}

enum Engine {
    Host(Box<Host>),
    Accelerator(Box<Accelerator>),
}

/// The live parameters of a trainer, where they are. [parameters]
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, and consumed at once")]
pub enum Live<'a> {
    /// Those of the CPU path.
    Host(&'a [f32]),
    /// Those on an accelerator, without autodiff.
    Device(Tensor<1>),
}

impl Trainer {
    /// A trainer whose parameters are all zero until [`Trainer::set_parameters`].
    ///
    /// # Errors
    ///
    /// [`ModelError::Config`] for a configuration that makes no sense, [`ModelError::DeviceFailed`].
    pub fn new(config: &ModelConfig, device: &ComputeDevice, options: TrainerOptions) -> Result<Self, ModelError> {
        config.validate()?;
        let layout = Layout::of(config);
        let engine = match device {
            ComputeDevice::Cpu { threads } => Engine::Host(Box::new(Host::new(config, &layout, *threads)?)),
            ComputeDevice::Burn { device, description } => {
                Engine::Accelerator(Box::new(Accelerator::new(config, &layout, device, description, &options)?))
            }
        };
        Ok(Self { config: config.clone(), layout, options, engine })
    }

    /// The model's numbers.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where each tensor lies in the flat vector.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Replaces the parameters; the optimiser's state stays.
    ///
    /// # Errors
    ///
    /// [`ModelError::Length`].
    pub fn set_parameters(&mut self, flat: &[f32]) -> Result<(), ModelError> {
        self.check_length("the parameter vector", flat.len())?;
        match &mut self.engine {
            Engine::Host(host) => host.set_parameters(flat),
            Engine::Accelerator(accelerator) => accelerator.set_parameters(flat),
        }
        Ok(())
    }

    /// The parameters after the last step, where they are.
    pub fn live(&self) -> Live<'_> {
        match &self.engine {
            Engine::Host(host) => Live::Host(host.parameters()),
            Engine::Accelerator(accelerator) => Live::Device(accelerator.parameters()),
        }
    }

    /// A copy of AdamW's state.
    ///
    /// # Errors
    ///
    /// [`ModelError::DeviceFailed`] when it cannot be read from the device.
    pub fn optimizer_state(&self) -> Result<OptimizerState, ModelError> {
        match &self.engine {
            Engine::Host(host) => Ok(host.optimizer_state().clone()),
            Engine::Accelerator(accelerator) => accelerator.optimizer_state(),
        }
    }

    /// Replaces AdamW's state.
    ///
    /// # Errors
    ///
    /// [`ModelError::Length`].
    pub fn set_optimizer_state(&mut self, state: OptimizerState) -> Result<(), ModelError> {
        self.check_length("the first moment", state.m.len())?;
        self.check_length("the second moment", state.v.len())?;
        match &mut self.engine {
            Engine::Host(host) => host.set_optimizer_state(state),
            Engine::Accelerator(accelerator) => accelerator.set_optimizer_state(&state),
        }
        Ok(())
    }

    /// The mean loss over a batch's tokens in nats, and its gradient in the layout's order, not clipped.
    ///
    /// # Errors
    ///
    /// What [`Batch::check`] refuses, [`ModelError::NonFinite`], [`ModelError::DeviceFailed`].
    pub fn gradient(&mut self, batch: &Batch) -> Result<(f64, Vec<f32>), ModelError> {
        self.check_batch(batch)?;
        let micro_batch = self.options.micro_batch;
        match &mut self.engine {
            Engine::Host(host) => host.gradient(batch, micro_batch),
            Engine::Accelerator(accelerator) => accelerator.gradient_vector(batch, micro_batch),
        }
    }

    /// One inner step: gradient, clipping by the global norm, AdamW with this learning rate. On an error the
    /// parameters and the optimiser's state are as they were.
    ///
    /// # Errors
    ///
    /// As [`Trainer::gradient`].
    pub fn inner_step(&mut self, batch: &Batch, learning_rate: f32) -> Result<StepReport, ModelError> {
        self.check_batch(batch)?;
        match &mut self.engine {
            Engine::Host(host) => host.inner_step(batch, learning_rate, &self.options, &self.layout),
            Engine::Accelerator(accelerator) => accelerator.inner_step(batch, learning_rate, &self.options),
        }
    }

    /// The mean loss of each sequence in nats per token, for any parameters; the trainer's own are not touched.
    ///
    /// # Errors
    ///
    /// [`ModelError::Length`], what [`Batch::check`] refuses, [`ModelError::DeviceFailed`].
    pub fn sequence_losses(&mut self, flat: &[f32], batch: &Batch) -> Result<Vec<f64>, ModelError> {
        self.check_length("the parameter vector", flat.len())?;
        self.check_batch(batch)?;
        let micro_batch = self.options.micro_batch;
        match &mut self.engine {
            Engine::Host(host) => host.sequence_losses(flat, batch),
            Engine::Accelerator(accelerator) => accelerator.sequence_losses(flat, batch, micro_batch),
        }
    }

    /// The logits of one sequence for any parameters.
    ///
    /// # Shapes
    ///
    /// The result is `[tokens.len(), vocab_size]`, row-major.
    ///
    /// # Errors
    ///
    /// [`ModelError::Length`], [`ModelError::Batch`], [`ModelError::DeviceFailed`].
    pub fn logits(&mut self, flat: &[f32], tokens: &[u32]) -> Result<Vec<f32>, ModelError> {
        self.check_length("the parameter vector", flat.len())?;
        self.check_sequence(tokens)?;
        match &mut self.engine {
            Engine::Host(host) => host.logits(flat, tokens),
            Engine::Accelerator(accelerator) => accelerator.logits(flat, tokens, 0),
        }
    }

    /// The logits of the token after a sequence: the last row of [`Trainer::logits`], `[vocab_size]`.
    ///
    /// # Errors
    ///
    /// As [`Trainer::logits`].
    pub fn next_logits(&mut self, flat: &[f32], tokens: &[u32]) -> Result<Vec<f32>, ModelError> {
        self.check_length("the parameter vector", flat.len())?;
        self.check_sequence(tokens)?;
        match &mut self.engine {
            Engine::Host(host) => host.next_logits(flat, tokens),
            Engine::Accelerator(accelerator) => accelerator.logits(flat, tokens, tokens.len() - 1),
        }
    }

    fn check_length(&self, what: &'static str, found: usize) -> Result<(), ModelError> {
        if found == self.layout.elements {
            return Ok(());
        }
        Err(ModelError::Length { what, found, expected: self.layout.elements })
    }

    fn check_batch(&self, batch: &Batch) -> Result<(), ModelError> {
        Ok(batch.check(self.config.vocab_size, self.config.max_position_embeddings)?)
    }

    fn check_sequence(&self, tokens: &[u32]) -> Result<(), ModelError> {
        let (length, context) = (tokens.len(), self.config.max_position_embeddings);
        if length == 0 {
            return Err(BatchError::Shape { sequences: 1, length, found: 0, expected: 1 }.into());
        }
        if length > context {
            return Err(BatchError::TooLong { length, context }.into());
        }
        Ok(check_tokens(tokens, self.config.vocab_size)?)
    }
}

/// A batch in micro-batches of at most `size` sequences, each with its share of the sequences.
fn micro_batches(batch: &Batch, size: usize) -> impl Iterator<Item = (Batch, f64)> {
    let size = size.max(1);
    (0..batch.sequences).step_by(size).map(move |first| {
        let part = batch.rows(first, size);
        let share = part.sequences as f64 / batch.sequences as f64;
        (part, share)
    })
}

#[cfg(test)]
mod tests;
