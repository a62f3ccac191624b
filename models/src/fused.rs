//! The training step on the CPU: the Llama architecture's forward and backward written by hand over one flat vector.
//!
//! Parameters and gradient are one `f32` vector each, in checkpoint order ([`crate::layout::Layout`]). Every product
//! is a serial `gemm` on a block of rows; threads take blocks, never parts of a sum, so results repeat bit for bit
//! for a given number of threads. Buffers are kept between steps.
//!
//! Batches larger than [`ROWS_MAX`] tokens go through in several passes of whole sequences whose gradients add up.

mod attention;
mod block;
mod embedding;
mod error;
mod float;
mod head;
mod matrix;
mod norm;
mod rope;
mod run;
mod shape;
mod swiglu;
mod workspace;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::batch::Batch;
use crate::config::ModelConfig;
use crate::layout::Layout;

pub use error::FusedError;

use matrix::Store;
use rope::Rope;
use run::Run;
use shape::Shape;
use workspace::{Pass, Workspace};

/// Tokens that go through the model at once: the activations of one pass should not fall far out of the last cache.
pub const ROWS_MAX: usize = 2048;

/// Whether a gradient replaces what the vector holds or adds to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GradientMode {
    /// Whatever the vector held is lost.
    Overwrite,
    /// The gradient is added, as for a batch taken in parts.
    Accumulate,
}

/// The model on the CPU: its shape, its threads and the buffers of a step. The parameters stay with the caller.
pub struct FusedModel {
    shape: Shape,
    rope: Rope,
    pool: ThreadPool,
    rows_max: usize,
    workspace: Workspace,
    inputs: Vec<u32>,
    targets: Vec<u32>,
}

impl FusedModel {
    /// Prepares a model for `threads` threads (at least one). The number is part of what makes results repeat.
    ///
    /// # Errors
    /// A layout that is not the configuration's, impossible widths, or threads that cannot be started.
    pub fn new(config: &ModelConfig, layout: &Layout, threads: usize) -> Result<Self, FusedError> {
        let shape = Shape::new(config, layout)?;
        let threads = threads.max(1);
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("fused-{i}")).build();
        let pool = pool.map_err(|error| FusedError::Threads { threads, reason: error.to_string() })?;
        let rope = Rope::new(shape.head_dim, config.rope_theta);
        Ok(Self {
            shape,
            rope,
            pool,
            rows_max: ROWS_MAX,
            workspace: Workspace::default(),
            inputs: Vec::new(),
            targets: Vec::new(),
        })
    }

    /// Lanes, that is threads, on which the exact result depends.
    pub fn lanes(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// The threads, for work around the step such as the optimiser's.
    pub fn pool(&self) -> &ThreadPool {
        &self.pool
    }

    /// Mean loss over all predicted tokens, in nats, and `scale` times its gradient.
    ///
    /// `gradient` is overwritten or added to as `mode` says.
    ///
    /// # Shapes
    /// parameters, gradient [layout.elements]; batch.tokens [sequences, length + 1].
    ///
    /// # Errors
    /// Vectors of the wrong length, a batch that is not its shape, tokens outside the vocabulary.
    pub fn loss_and_gradient(
        &mut self,
        parameters: &[f32],
        batch: &Batch,
        gradient: &mut [f32],
        mode: GradientMode,
        scale: f32,
    ) -> Result<f64, FusedError> {
        self.check(parameters.len(), batch)?;
        self.check_elements(gradient.len())?;
        let weight = scale / (batch.sequences * batch.length) as f32;
        let mut store = Store::add_if(mode == GradientMode::Accumulate);
        let mut sum = 0.0;
        for (first, count) in self.passes(batch) {
            let pass = self.load(batch, first, count);
            let mut run =
                Run { shape: &self.shape, rope: &self.rope, workspace: &mut self.workspace, pass, parameters };
            let (inputs, targets) = (&self.inputs, &self.targets);
            self.pool.install(|| run.gradient(inputs, targets, gradient, weight, store));
            sum += self.workspace.losses.iter().sum::<f64>();
            store = Store::Add;
        }
        Ok(sum / (batch.sequences * batch.length) as f64)
    }

    /// Mean loss of each sequence, in nats per predicted token.
    ///
    /// # Errors
    /// As [`FusedModel::loss_and_gradient`].
    pub fn sequence_losses(&mut self, parameters: &[f32], batch: &Batch) -> Result<Vec<f64>, FusedError> {
        self.check(parameters.len(), batch)?;
        let mut losses = Vec::with_capacity(batch.sequences);
        for (first, count) in self.passes(batch) {
            let pass = self.load(batch, first, count);
            let mut run =
                Run { shape: &self.shape, rope: &self.rope, workspace: &mut self.workspace, pass, parameters };
            let (inputs, targets) = (&self.inputs, &self.targets);
            self.pool.install(|| run.losses(inputs, targets));
            let mean = |rows: &[f64]| rows.iter().sum::<f64>() / batch.length as f64;
            losses.extend(self.workspace.losses.chunks_exact(batch.length).map(mean));
        }
        Ok(losses)
    }

    /// Logits of every position of one sequence.
    ///
    /// # Shapes
    /// tokens [length]; the result [length, vocab].
    ///
    /// # Errors
    /// As [`FusedModel::loss_and_gradient`]; an empty sequence counts as a batch of the wrong shape.
    pub fn logits(&mut self, parameters: &[f32], tokens: &[u32]) -> Result<Vec<f32>, FusedError> {
        self.logits_from(parameters, tokens, 0)
    }

    /// Logits after the last token of one sequence: what generation needs.
    ///
    /// # Errors
    /// As [`FusedModel::logits`].
    pub fn last_logits(&mut self, parameters: &[f32], tokens: &[u32]) -> Result<Vec<f32>, FusedError> {
        self.logits_from(parameters, tokens, tokens.len().saturating_sub(1))
    }

    fn logits_from(&mut self, parameters: &[f32], tokens: &[u32], first: usize) -> Result<Vec<f32>, FusedError> {
        self.check_elements(parameters.len())?;
        self.check_tokens(tokens)?;
        if tokens.is_empty() {
            return Err(FusedError::BatchShape { sequences: 1, length: 0, found: 0 });
        }
        self.rope.reserve(tokens.len());
        let pass = Pass { sequences: 1, length: tokens.len(), lanes: self.lanes() };
        let mut output = vec![0.0; (tokens.len() - first) * self.shape.vocab];
        let mut run = Run { shape: &self.shape, rope: &self.rope, workspace: &mut self.workspace, pass, parameters };
        self.pool.install(|| run.logits(tokens, first, &mut output));
        Ok(output)
    }

    /// Splits the batch into passes of nearly equal numbers of whole sequences.
    fn passes(&self, batch: &Batch) -> impl Iterator<Item = (usize, usize)> + use<> {
        let sequences = batch.sequences;
        let most = (self.rows_max / batch.length).max(1);
        let passes = sequences.div_ceil(most);
        (0..passes).map(move |pass| {
            let (first, last) = (pass * sequences / passes, (pass + 1) * sequences / passes);
            (first, last - first)
        })
    }

    /// Splits rows of length + 1 tokens into inputs and targets.
    fn load(&mut self, batch: &Batch, first: usize, count: usize) -> Pass {
        self.inputs.clear();
        self.targets.clear();
        let width = batch.length + 1;
        for row in batch.tokens[first * width..(first + count) * width].chunks_exact(width) {
            self.inputs.extend_from_slice(&row[..batch.length]);
            self.targets.extend_from_slice(&row[1..]);
        }
        self.rope.reserve(batch.length);
        Pass { sequences: count, length: batch.length, lanes: self.lanes() }
    }

    fn check(&self, elements: usize, batch: &Batch) -> Result<(), FusedError> {
        self.check_elements(elements)?;
        let (sequences, length, found) = (batch.sequences, batch.length, batch.tokens.len());
        let expected = length.checked_add(1).and_then(|width| width.checked_mul(sequences));
        if sequences == 0 || length == 0 || expected != Some(found) {
            return Err(FusedError::BatchShape { sequences, length, found });
        }
        self.check_tokens(&batch.tokens)
    }

    fn check_elements(&self, found: usize) -> Result<(), FusedError> {
        let expected = self.shape.elements;
        if found == expected { Ok(()) } else { Err(FusedError::Elements { found, expected }) }
    }

    fn check_tokens(&self, tokens: &[u32]) -> Result<(), FusedError> {
        let vocab = self.shape.vocab;
        match tokens.iter().find(|token| **token as usize >= vocab) {
            Some(token) => Err(FusedError::Token { token: *token, vocab }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
