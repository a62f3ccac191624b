//! The CPU path: fused operations on plain vectors.

use super::{StepReport, TrainerOptions, micro_batches};
use crate::batch::Batch;
use crate::config::ModelConfig;
use crate::error::ModelError;
use crate::fused::{FusedModel, GradientMode};
use crate::layout::Layout;
use crate::optimizer::{OptimizerState, adamw_step_scaled, clip_factor, gradient_norm};

/// Model, parameters and optimiser in memory. Buffers are allocated once.
pub(super) struct Host {
    model: FusedModel,
    parameters: Vec<f32>,
    gradient: Vec<f32>,
    state: OptimizerState,
}

impl Host {
    pub(super) fn new(config: &ModelConfig, layout: &Layout, threads: usize) -> Result<Self, ModelError> {
        Ok(Self {
            model: FusedModel::new(config, layout, threads)?,
            parameters: vec![0.0; layout.elements],
            gradient: vec![0.0; layout.elements],
            state: OptimizerState::new(layout.elements),
        })
    }

    pub(super) fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    pub(super) fn set_parameters(&mut self, flat: &[f32]) {
        self.parameters.copy_from_slice(flat);
    }

    pub(super) fn optimizer_state(&self) -> &OptimizerState {
        &self.state
    }

    pub(super) fn set_optimizer_state(&mut self, state: OptimizerState) {
        self.state = state;
    }

    pub(super) fn gradient(&mut self, batch: &Batch, micro_batch: usize) -> Result<(f64, Vec<f32>), ModelError> {
        let loss = self.accumulate(batch, micro_batch)?;
        Ok((loss, self.gradient.clone()))
    }

    pub(super) fn inner_step(
        &mut self,
        batch: &Batch,
        learning_rate: f32,
        options: &TrainerOptions,
        layout: &Layout,
    ) -> Result<StepReport, ModelError> {
        let loss = self.accumulate(batch, options.micro_batch)?;
        let Self { model, parameters, gradient, state } = self;
        let norm = model.pool().install(|| gradient_norm(gradient));
        check_finite("gradient norm", norm, state.step)?;
        let factor = clip_factor(norm, options.clip_norm);
        model.pool().install(|| {
            adamw_step_scaled(parameters, gradient, factor, state, &options.optimizer, layout, learning_rate);
        });
        Ok(StepReport { loss, gradient_norm: norm })
    }

    pub(super) fn sequence_losses(&mut self, flat: &[f32], batch: &Batch) -> Result<Vec<f64>, ModelError> {
        Ok(self.model.sequence_losses(flat, batch)?)
    }

    pub(super) fn logits(&mut self, flat: &[f32], tokens: &[u32]) -> Result<Vec<f32>, ModelError> {
        Ok(self.model.logits(flat, tokens)?)
    }

    pub(super) fn next_logits(&mut self, flat: &[f32], tokens: &[u32]) -> Result<Vec<f32>, ModelError> {
        Ok(self.model.last_logits(flat, tokens)?)
    }

    /// The loss; the gradient is left in `self.gradient`.
    fn accumulate(&mut self, batch: &Batch, micro_batch: usize) -> Result<f64, ModelError> {
        let mut mode = GradientMode::Overwrite;
        let mut loss = 0.0;
        for (part, share) in micro_batches(batch, micro_batch) {
            let Self { model, parameters, gradient, .. } = self;
            loss += share * model.loss_and_gradient(parameters, &part, gradient, mode, share as f32)?;
            mode = GradientMode::Accumulate;
        }
        check_finite("loss", loss, self.state.step)?;
        Ok(loss)
    }
}

fn check_finite(what: &'static str, value: f64, step: u64) -> Result<(), ModelError> {
    if value.is_finite() { Ok(()) } else { Err(ModelError::NonFinite { what, step }) }
}
