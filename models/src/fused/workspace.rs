//! The buffers of a step, kept between steps: after the first step of a shape nothing of their size is allocated.
//!
//! Rows are tokens. "Heads" buffers are grouped by (sequence, key-value head): the group's queries one head after the
//! other, then its keys, then its values, each [length, head_dim]; so attention reads contiguous memory and each group
//! is one slice that one thread may own.

use super::attention::Scratch;
use super::shape::Shape;

/// What one layer keeps from its forward pass for its backward pass.
#[derive(Default)]
pub(super) struct Saved {
    pub(super) input: Vec<f32>,         // [rows, d]
    pub(super) input_scales: Vec<f32>,  // [rows]
    pub(super) normed: Vec<f32>,        // [rows, d]
    pub(super) heads: Vec<f32>,         // [groups, (group + 2) · length · head_dim]
    pub(super) log_sums: Vec<f32>,      // [groups, group, length]
    pub(super) attended: Vec<f32>,      // [rows, heads · head_dim]
    pub(super) middle: Vec<f32>,        // [rows, d]
    pub(super) middle_scales: Vec<f32>, // [rows]
    pub(super) middle_normed: Vec<f32>, // [rows, d]
    pub(super) gate_up: Vec<f32>,       // [rows, 2f]; its gradient after the backward
    pub(super) activated: Vec<f32>,     // [rows, f]
}

/// Everything else that a step needs.
#[derive(Default)]
pub(super) struct Workspace {
    pub(super) saved: Vec<Saved>,
    pub(super) output: Vec<f32>,        // [rows, d], the residual stream after the last layer
    pub(super) output_scales: Vec<f32>, // [rows]
    pub(super) output_normed: Vec<f32>, // [rows, d]
    pub(super) qkv: Vec<f32>,           // [rows, qkv], the product or its gradient
    pub(super) heads_output: Vec<f32>,  // [groups, group · length · head_dim]
    pub(super) d_heads: Vec<f32>,       // as `Saved::heads`
    pub(super) d_output: Vec<f32>,      // [rows, d], gradient of a layer's output
    pub(super) d_middle: Vec<f32>,      // [rows, d]
    pub(super) d_input: Vec<f32>,       // [rows, d]
    pub(super) d_normed: Vec<f32>,      // [rows, d]
    pub(super) d_attended: Vec<f32>,    // [rows, heads · head_dim]
    pub(super) d_activated: Vec<f32>,   // [rows, f]
    pub(super) d_gains: Vec<f32>,       // [lanes, d], partial sums of a norm's gradient
    pub(super) logits: Vec<f32>,        // [block of rows, vocab], then its gradient
    pub(super) losses: Vec<f64>,        // [rows]
    pub(super) scratch: Vec<Scratch>,   // one for each lane
}

/// The shape of one pass through the model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    pub(super) sequences: usize,
    pub(super) length: usize,
    pub(super) lanes: usize,
}

impl Pass {
    /// Tokens in the pass.
    pub(super) fn rows(&self) -> usize {
        self.sequences * self.length
    }

    /// Rows of one lane's block; a multiple of eight so that blocks start on whole vectors.
    pub(super) fn block(&self) -> usize {
        self.rows().div_ceil(self.lanes).next_multiple_of(8)
    }
}

impl Workspace {
    /// Sizes the buffers of a forward pass that keeps the activations of `depth` layers.
    pub(super) fn reserve_forward(&mut self, shape: &Shape, pass: &Pass, depth: usize) {
        let rows = pass.rows();
        self.saved.resize_with(depth, Saved::default);
        for saved in &mut self.saved {
            saved.reserve(shape, rows);
        }
        let (d, a) = (shape.hidden, shape.attention());
        for (buffer, width) in [
            (&mut self.output, d),
            (&mut self.output_scales, 1),
            (&mut self.output_normed, d),
            (&mut self.qkv, shape.qkv()),
            (&mut self.heads_output, a),
        ] {
            buffer.resize(rows * width, 0.0);
        }
        self.losses.resize(rows, 0.0);
        self.scratch.resize_with(pass.lanes, Scratch::default);
        for scratch in &mut self.scratch {
            scratch.reserve(pass.length, shape.head_dim);
        }
    }

    /// Sizes the buffers of a backward pass.
    pub(super) fn reserve_backward(&mut self, shape: &Shape, pass: &Pass) {
        let (d, a) = (shape.hidden, shape.attention());
        for (buffer, width) in [
            (&mut self.d_heads, shape.qkv()),
            (&mut self.d_output, d),
            (&mut self.d_middle, d),
            (&mut self.d_input, d),
            (&mut self.d_normed, d),
            (&mut self.d_attended, a),
            (&mut self.d_activated, shape.feed_forward),
        ] {
            buffer.resize(pass.rows() * width, 0.0);
        }
        self.d_gains.resize(pass.lanes * d, 0.0);
    }
}

impl Saved {
    fn reserve(&mut self, shape: &Shape, rows: usize) {
        let (d, f) = (shape.hidden, shape.feed_forward);
        for (buffer, width) in [
            (&mut self.input, d),
            (&mut self.input_scales, 1),
            (&mut self.normed, d),
            (&mut self.heads, shape.qkv()),
            (&mut self.log_sums, shape.heads),
            (&mut self.attended, shape.attention()),
            (&mut self.middle, d),
            (&mut self.middle_scales, 1),
            (&mut self.middle_normed, d),
            (&mut self.gate_up, 2 * f),
            (&mut self.activated, f),
        ] {
            buffer.resize(rows * width, 0.0);
        }
    }
}
