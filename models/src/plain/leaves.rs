//! The flat tensor cut into the matrices that the forward pass multiplies by.

use burn::Tensor;
use burn::tensor::Gradients;

use crate::config::ModelConfig;

/// One block's parameters.
pub(super) struct Layer {
    /// `[d]`
    pub(super) attention_norm: Tensor<1>,
    /// `[(heads + 2 · groups) · width, d]`
    pub(super) query_key_value: Tensor<2>,
    /// `[d, d]`
    pub(super) output: Tensor<2>,
    /// `[d]`
    pub(super) feed_forward_norm: Tensor<1>,
    /// `[2f, d]`
    pub(super) gate_up: Tensor<2>,
    /// `[d, f]`
    pub(super) down: Tensor<2>,
}

/// All parameters, in the flat tensor's order.
pub(super) struct Leaves {
    /// `[vocabulary, d]`
    pub(super) embedding: Tensor<2>,
    pub(super) layers: Vec<Layer>,
    /// `[d]`
    pub(super) norm: Tensor<1>,
    /// `[vocabulary, d]`; `None` when tied.
    pub(super) head: Option<Tensor<2>>,
}

impl Leaves {
    /// Cuts `flat` in the layout's order.
    pub(super) fn slice(flat: &Tensor<1>, config: &ModelConfig) -> Self {
        let mut cutter = Cutter { flat, offset: 0 };
        let (vocabulary, d) = (config.vocab_size, config.hidden_size);
        Self {
            embedding: cutter.matrix(vocabulary, d),
            layers: (0..config.num_hidden_layers).map(|_| cutter.layer(config)).collect(),
            norm: cutter.vector(d),
            head: (!config.tie_word_embeddings).then(|| cutter.matrix(vocabulary, d)),
        }
    }

    /// The same leaves, each a root of the autodiff graph.
    pub(super) fn tracked(self) -> Self {
        Self {
            embedding: track(self.embedding),
            layers: self.layers.into_iter().map(Layer::tracked).collect(),
            norm: track(self.norm),
            head: self.head.map(track),
        }
    }

    /// The gradients of all leaves in the order of the flat tensor. Every leaf takes part in every forward pass, so a
    /// missing gradient is zero by construction of the model, not by accident.
    pub(super) fn gradient(&self, gradients: &Gradients) -> Tensor<1> {
        let mut parts = vec![flat_gradient(&self.embedding, gradients)];
        for layer in &self.layers {
            parts.push(flat_gradient(&layer.attention_norm, gradients));
            parts.push(flat_gradient(&layer.query_key_value, gradients));
            parts.push(flat_gradient(&layer.output, gradients));
            parts.push(flat_gradient(&layer.feed_forward_norm, gradients));
            parts.push(flat_gradient(&layer.gate_up, gradients));
            parts.push(flat_gradient(&layer.down, gradients));
        }
        parts.push(flat_gradient(&self.norm, gradients));
        parts.extend(self.head.as_ref().map(|head| flat_gradient(head, gradients)));
        Tensor::cat(parts, 0)
    }
}

impl Layer {
    fn tracked(self) -> Self {
        Self {
            attention_norm: track(self.attention_norm),
            query_key_value: track(self.query_key_value),
            output: track(self.output),
            feed_forward_norm: track(self.feed_forward_norm),
            gate_up: track(self.gate_up),
            down: track(self.down),
        }
    }
}

struct Cutter<'a> {
    flat: &'a Tensor<1>,
    offset: usize,
}

impl Cutter<'_> {
    fn vector(&mut self, length: usize) -> Tensor<1> {
        let start = self.offset;
        self.offset += length;
        self.flat.clone().narrow(0, start, length)
    }

    fn matrix(&mut self, outer: usize, inner: usize) -> Tensor<2> {
        self.vector(outer * inner).reshape([outer, inner])
    }

    fn layer(&mut self, config: &ModelConfig) -> Layer {
        let (d, f) = (config.hidden_size, config.intermediate_size);
        Layer {
            attention_norm: self.vector(d),
            query_key_value: self.matrix(d + 2 * config.key_value_size(), d),
            output: self.matrix(d, d),
            feed_forward_norm: self.vector(d),
            gate_up: self.matrix(2 * f, d),
            down: self.matrix(d, f),
        }
    }
}

fn track<const D: usize>(leaf: Tensor<D>) -> Tensor<D> {
    leaf.autodiff().require_grad()
}

fn flat_gradient<const D: usize>(leaf: &Tensor<D>, gradients: &Gradients) -> Tensor<1> {
    let gradient = leaf.grad(gradients).unwrap_or_else(|| leaf.clone().inner().zeros_like());
    let elements = gradient.dims().iter().product::<usize>();
    gradient.reshape([elements])
}
