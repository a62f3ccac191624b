//! Where each weight lies in the flat vector, and the widths that follow from the configuration.
//!
//! Invariant: in checkpoint order the weights of one layer are adjacent and q, k, v as well as gate, up follow each
//! other, so each layer is one range and each of its products takes one matrix, without a copy.

use crate::config::ModelConfig;
use crate::layout::Layout;

use super::FusedError;

/// The widths of a model and the order of its flat vector.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) vocab: usize,
    pub(super) hidden: usize,
    pub(super) feed_forward: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) epsilon: f32,
    pub(super) tied: bool,
    pub(super) elements: usize,
}

/// The weights of one layer, each row-major as in the checkpoint.
pub(super) struct LayerWeights<'a> {
    pub(super) input_norm: &'a [f32],
    pub(super) qkv: &'a [f32],
    pub(super) output: &'a [f32],
    pub(super) post_norm: &'a [f32],
    pub(super) gate_up: &'a [f32],
    pub(super) down: &'a [f32],
}

/// The gradients of one layer, in the same order.
pub(super) struct LayerGradients<'a> {
    pub(super) input_norm: &'a mut [f32],
    pub(super) qkv: &'a mut [f32],
    pub(super) output: &'a mut [f32],
    pub(super) post_norm: &'a mut [f32],
    pub(super) gate_up: &'a mut [f32],
    pub(super) down: &'a mut [f32],
}

/// The gradients of what lies around the layers.
pub(super) struct OuterGradients<'a> {
    pub(super) embedding: &'a mut [f32],
    pub(super) final_norm: &'a mut [f32],
    /// Empty when the head is tied to the embedding.
    pub(super) head: &'a mut [f32],
}

impl Shape {
    /// Reads the widths and checks that the layout is in checkpoint order without gaps.
    pub(super) fn new(config: &ModelConfig, layout: &Layout) -> Result<Self, FusedError> {
        let shape = Self {
            vocab: config.vocab_size,
            hidden: config.hidden_size,
            feed_forward: config.intermediate_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
            epsilon: config.rms_norm_eps,
            tied: config.tie_word_embeddings,
            elements: layout.elements,
        };
        shape.check_widths()?;
        shape.check_layout(layout)?;
        Ok(shape)
    }

    fn check_widths(&self) -> Result<(), FusedError> {
        let positive = [self.vocab, self.hidden, self.feed_forward, self.heads, self.kv_heads, self.head_dim];
        if positive.contains(&0) || self.head_dim % 2 == 1 || !self.heads.is_multiple_of(self.kv_heads.max(1)) {
            return Err(FusedError::Widths { heads: self.heads, kv_heads: self.kv_heads, head_dim: self.head_dim });
        }
        Ok(())
    }

    fn check_layout(&self, layout: &Layout) -> Result<(), FusedError> {
        let mut expected = vec![self.vocab * self.hidden];
        for _ in 0..self.layers {
            let kv = self.kv_heads * self.head_dim * self.hidden;
            let square = self.attention() * self.hidden;
            let wide = self.feed_forward * self.hidden;
            expected.extend([self.hidden, square, kv, kv, square, self.hidden, wide, wide, wide]);
        }
        expected.push(self.hidden);
        expected.extend((!self.tied).then_some(self.vocab * self.hidden));
        let mut offset = 0;
        for (index, elements) in expected.iter().enumerate() {
            let tensor = layout.tensors.get(index);
            let found = tensor.map(|t| (t.offset, t.shape.iter().product::<usize>()));
            if found != Some((offset, *elements)) {
                let name = tensor.map_or_else(|| "missing".to_owned(), |t| t.name.clone());
                return Err(FusedError::Layout { index, name });
            }
            offset += elements;
        }
        if layout.tensors.len() != expected.len() || layout.elements != offset {
            return Err(FusedError::Layout { index: expected.len(), name: "excess".to_owned() });
        }
        Ok(())
    }

    /// Query heads that share one key and value head.
    pub(super) fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Width of the concatenated query heads.
    pub(super) fn attention(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of queries, keys and values together.
    pub(super) fn qkv(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    fn embedding_elements(&self) -> usize {
        self.vocab * self.hidden
    }

    fn layer_sizes(&self) -> [usize; 6] {
        let d = self.hidden;
        [d, self.qkv() * d, self.attention() * d, d, 2 * self.feed_forward * d, self.feed_forward * d]
    }

    fn layer_start(&self, layer: usize) -> usize {
        self.embedding_elements() + layer * self.layer_sizes().iter().sum::<usize>()
    }

    /// Token embeddings, [vocab, d].
    pub(super) fn embedding<'a>(&self, flat: &'a [f32]) -> &'a [f32] {
        &flat[..self.embedding_elements()]
    }

    /// The gain of the last norm, [d].
    pub(super) fn final_norm<'a>(&self, flat: &'a [f32]) -> &'a [f32] {
        let start = self.layer_start(self.layers);
        &flat[start..start + self.hidden]
    }

    /// The matrix of the logits, [vocab, d]; the embedding itself when tied.
    pub(super) fn head<'a>(&self, flat: &'a [f32]) -> &'a [f32] {
        if self.tied {
            return self.embedding(flat);
        }
        let start = self.layer_start(self.layers) + self.hidden;
        &flat[start..start + self.embedding_elements()]
    }

    /// The weights of one layer.
    pub(super) fn layer<'a>(&self, flat: &'a [f32], layer: usize) -> LayerWeights<'a> {
        let mut rest = &flat[self.layer_start(layer)..];
        let [input_norm, qkv, output, post_norm, gate_up, down] = self.layer_sizes().map(|size| {
            let (part, tail) = rest.split_at(size);
            rest = tail;
            part
        });
        LayerWeights { input_norm, qkv, output, post_norm, gate_up, down }
    }

    pub(super) fn layer_gradients<'a>(&self, flat: &'a mut [f32], layer: usize) -> LayerGradients<'a> {
        let mut rest = &mut flat[self.layer_start(layer)..];
        let [input_norm, qkv, output, post_norm, gate_up, down] = self.layer_sizes().map(|size| {
            let (part, tail) = std::mem::take(&mut rest).split_at_mut(size);
            rest = tail;
            part
        });
        LayerGradients { input_norm, qkv, output, post_norm, gate_up, down }
    }

    /// The gradients around the layers.
    pub(super) fn outer_gradients<'a>(&self, flat: &'a mut [f32]) -> OuterGradients<'a> {
        let after_layers = self.layer_start(self.layers);
        let (front, back) = flat.split_at_mut(after_layers);
        let (final_norm, head) = back.split_at_mut(self.hidden);
        OuterGradients { embedding: &mut front[..self.vocab * self.hidden], final_norm, head }
    }
}
