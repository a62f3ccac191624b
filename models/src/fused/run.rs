//! One pass through the whole model: embedding, layers, head and, for a gradient, back again.

use super::attention::Geometry;
use super::block::{self, Context};
use super::embedding;
use super::head::{self, HeadWeights};
use super::matrix::Store;
use super::rope::Rope;
use super::shape::Shape;
use super::workspace::{Pass, Workspace};

/// One pass of whole sequences through the model.
pub(super) struct Run<'a> {
    pub(super) shape: &'a Shape,
    pub(super) rope: &'a Rope,
    pub(super) workspace: &'a mut Workspace,
    pub(super) pass: Pass,
    pub(super) parameters: &'a [f32],
}

impl<'a> Run<'a> {
    fn context(&self) -> Context<'a> {
        let (cosines, sines) = self.rope.tables(self.pass.length);
        let (length, head_dim, group) = (self.pass.length, self.shape.head_dim, self.shape.group());
        let geometry = Geometry { length, head_dim, group, cosines, sines };
        Context { shape: self.shape, pass: self.pass, geometry }
    }

    fn head(&self) -> HeadWeights<'a> {
        HeadWeights { norm: self.shape.final_norm(self.parameters), matrix: self.shape.head(self.parameters) }
    }

    /// All layers and the last norm. With `keep` every layer's activations stay for the backward; otherwise two
    /// layers take turns.
    fn forward(&mut self, inputs: &[u32], keep: bool) {
        let context = self.context();
        let layers = self.shape.layers;
        let depth = if keep { layers } else { layers.min(1) };
        self.workspace.reserve_forward(self.shape, &self.pass, depth);
        let table = self.shape.embedding(self.parameters);
        let stream = self.workspace.saved.first_mut().map_or(&mut self.workspace.output, |saved| &mut saved.input);
        embedding::forward(table, inputs, self.shape.hidden, stream);
        for layer in 0..layers {
            let weights = self.shape.layer(self.parameters, layer);
            let slot = if keep { layer } else { 0 };
            block::forward(&context, &weights, self.workspace, slot, !keep || layer + 1 == layers);
            if !keep && layer + 1 < layers {
                std::mem::swap(&mut self.workspace.saved[0].input, &mut self.workspace.output);
            }
        }
        head::normalise(&context, &self.head(), self.workspace);
    }

    /// The loss of every row into the workspace.
    pub(super) fn losses(&mut self, inputs: &[u32], targets: &[u32]) {
        self.forward(inputs, false);
        head::losses(&self.context(), &self.head(), self.workspace, targets);
    }

    /// Logits of the rows from `first` on.
    pub(super) fn logits(&mut self, tokens: &[u32], first: usize, output: &mut [f32]) {
        self.forward(tokens, false);
        head::logits(&self.context(), &self.head(), self.workspace, first, output);
    }

    /// The loss of every row, each counting `weight`, and the gradient of their sum.
    pub(super) fn gradient(
        &mut self,
        inputs: &[u32],
        targets: &[u32],
        gradient: &mut [f32],
        weight: f32,
        store: Store,
    ) {
        self.forward(inputs, true);
        self.workspace.reserve_backward(self.shape, &self.pass);
        let (context, head) = (self.context(), self.head());
        let mut outer = self.shape.outer_gradients(gradient);
        head::losses_and_gradient(&context, &head, self.workspace, targets, weight, &mut outer, store);
        for layer in (0..self.shape.layers).rev() {
            let weights = self.shape.layer(self.parameters, layer);
            let gradients = self.shape.layer_gradients(gradient, layer);
            block::backward(&context, &weights, self.workspace, layer, gradients, store);
        }
        let outer = self.shape.outer_gradients(gradient);
        // A tied embedding already holds the head's part.
        let store = Store::add_if(self.shape.tied || store == Store::Add);
        let table = outer.embedding;
        embedding::backward(table, inputs, self.shape.hidden, &self.workspace.d_output, self.pass.lanes, store);
    }
}
