//! The flat vector's layout: which parameter lies where.
//!
//! The order is that of the checkpoint (Hugging Face names and row-major `[out, in]` shapes), without gaps. Two facts
//! follow that the fused operations rely on: the query, key and value matrices of a layer are adjacent and so form one
//! `[(heads + 2 · key-value heads) · head_dim, hidden]` matrix, and so do gate and up as one `[2 · intermediate,
//! hidden]`.

use std::ops::Range;

use crate::config::ModelConfig;

/// Prefixed to what [`Layout::hash`] hashes.
const HASH_DOMAIN: &[u8] = b"cotrain/layout/1";

/// One tensor's place in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Hugging Face's name.
    pub name: String,
    /// Row-major shape: `[out, in]` for matrices, `[width]` for norms.
    pub shape: Vec<usize>,
    /// Index of the first value in the flat vector.
    pub offset: usize,
}

impl TensorSpec {
    /// Values in the tensor.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The tensor's values in the flat vector.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.elements()
    }

    /// Whether weight decay applies: to matrices, not to norms.
    pub fn decays(&self) -> bool {
        self.shape.len() == 2
    }
}

/// Every tensor of a model in the order of the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The tensors, in order, without gaps.
    pub tensors: Vec<TensorSpec>,
    /// Length of the flat vector.
    pub elements: usize,
}

impl Layout {
    /// The layout of a valid configuration.
    pub fn of(config: &ModelConfig) -> Self {
        let mut builder = Builder::default();
        builder.push("model.embed_tokens.weight".into(), &[config.vocab_size, config.hidden_size]);
        for layer in 0..config.num_hidden_layers {
            builder.push_layer(config, layer);
        }
        builder.push("model.norm.weight".into(), &[config.hidden_size]);
        if !config.tie_word_embeddings {
            builder.push("lm_head.weight".into(), &[config.vocab_size, config.hidden_size]);
        }
        Self { tensors: builder.tensors, elements: builder.offset }
    }

    /// The layout of tensors one after the other; nothing when their values are more than can be counted.
    pub fn from_tensors(tensors: impl IntoIterator<Item = (String, Vec<usize>)>) -> Option<Self> {
        let mut layout = Self { tensors: Vec::new(), elements: 0 };
        for (name, shape) in tensors {
            let offset = layout.elements;
            let elements = shape.iter().try_fold(1_usize, |product, dimension| product.checked_mul(*dimension))?;
            layout.elements = offset.checked_add(elements)?;
            layout.tensors.push(TensorSpec { name, shape, offset });
        }
        Some(layout)
    }

    /// The tensor of this name.
    pub fn find(&self, name: &str) -> Option<&TensorSpec> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// BLAKE3 of a domain string and of each tensor's name and shape, lengths as little-endian `u64`: what payload
    /// headers carry so that differently shaped models never mix.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(HASH_DOMAIN);
        hasher.update(&(self.tensors.len() as u64).to_le_bytes());
        for tensor in &self.tensors {
            hasher.update(&(tensor.name.len() as u64).to_le_bytes());
            hasher.update(tensor.name.as_bytes());
            hasher.update(&(tensor.shape.len() as u64).to_le_bytes());
            for &dimension in &tensor.shape {
                hasher.update(&(dimension as u64).to_le_bytes());
            }
        }
        *hasher.finalize().as_bytes()
    }
}

#[derive(Default)]
struct Builder {
    tensors: Vec<TensorSpec>,
    offset: usize,
}

impl Builder {
    fn push(&mut self, name: String, shape: &[usize]) {
        let spec = TensorSpec { name, shape: shape.to_vec(), offset: self.offset };
        self.offset += spec.elements();
        self.tensors.push(spec);
    }

    fn push_layer(&mut self, config: &ModelConfig, layer: usize) {
        let d = config.hidden_size;
        let kv = config.key_value_size();
        let f = config.intermediate_size;
        let shapes: [(&str, &[usize]); 9] = [
            ("input_layernorm", &[d]),
            ("self_attn.q_proj", &[d, d]),
            ("self_attn.k_proj", &[kv, d]),
            ("self_attn.v_proj", &[kv, d]),
            ("self_attn.o_proj", &[d, d]),
            ("post_attention_layernorm", &[d]),
            ("mlp.gate_proj", &[f, d]),
            ("mlp.up_proj", &[f, d]),
            ("mlp.down_proj", &[d, f]),
        ];
        for (part, shape) in shapes {
            self.push(format!("model.layers.{layer}.{part}.weight"), shape);
        }
    }
}

#[cfg(test)]
mod tests;
