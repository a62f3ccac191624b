//! The shape of a model: the Llama architecture's numbers under Hugging Face's names.
//!
//! A [`ModelConfig`] that passed [`ModelConfig::validate`] can be laid out, initialised and trained without any
//! further check: every product of its fields fits in `usize` and every division is exact.

use serde::{Deserialize, Serialize};

mod presets;

pub use presets::{PRESET_NAMES, Preset};

/// The largest model that a flat vector may describe, in parameters: far above what fits one machine, far below
/// where an index computation could overflow.
pub const PARAMETERS_MAX: usize = 1 << 40;

/// The largest value of any single dimension.
pub const DIMENSION_MAX: usize = 1 << 24;

/// The numbers of a decoder-only transformer of the Llama architecture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Tokens that the embedding and the head know.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the SwiGLU feed-forward.
    pub intermediate_size: usize,
    /// Transformer blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; several query heads share one.
    pub num_key_value_heads: usize,
    /// Width of one head: `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// Added to the mean square before its root.
    pub rms_norm_eps: f32,
    /// Whether the head uses the embedding's matrix.
    pub tie_word_embeddings: bool,
}

impl ModelConfig {
    /// A complete configuration by name; `None` for a name that [`ModelConfig::preset_names`] does not list.
    pub fn preset(name: &str) -> Option<Self> {
        presets::find(name).map(Preset::config)
    }

    /// The presets, smallest first.
    pub fn preset_names() -> &'static [&'static str] {
        &PRESET_NAMES
    }

    /// The same model for a tokenizer of `vocabulary` tokens, rounded up to a multiple of eight.
    #[must_use]
    pub fn with_vocabulary(mut self, vocabulary: usize) -> Self {
        self.vocab_size = vocabulary.div_ceil(8).saturating_mul(8);
        self
    }

    /// Checks every field against the others.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] that names the field and its value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.check_ranges()?;
        self.check_heads()?;
        check_positive("rope_theta", self.rope_theta)?;
        check_positive("rms_norm_eps", self.rms_norm_eps)?;
        match self.parameters_checked() {
            Some(count) if count <= PARAMETERS_MAX => Ok(()),
            _ => Err(ConfigError::TooManyParameters { maximum: PARAMETERS_MAX }),
        }
    }

    /// Parameters in the flat vector; a tied head counts once. Saturates where [`ModelConfig::validate`] refuses.
    pub fn parameters(&self) -> usize {
        self.parameters_checked().unwrap_or(usize::MAX)
    }

    /// Width of the keys of all heads: `num_key_value_heads · head_dim`.
    pub fn key_value_size(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    fn parameters_checked(&self) -> Option<usize> {
        let d = self.hidden_size;
        let embedding = self.vocab_size.checked_mul(d)?;
        let attention =
            d.checked_mul(d.checked_add(self.num_key_value_heads.checked_mul(self.head_dim)?)?)?.checked_mul(2)?;
        let feed_forward = self.intermediate_size.checked_mul(d)?.checked_mul(3)?;
        let layer = attention.checked_add(feed_forward)?.checked_add(2 * d)?;
        let heads = if self.tie_word_embeddings { 1 } else { 2 };
        layer.checked_mul(self.num_hidden_layers)?.checked_add(embedding.checked_mul(heads)?)?.checked_add(d)
    }

    fn check_ranges(&self) -> Result<(), ConfigError> {
        let fields = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        match fields.into_iter().find(|&(_, value)| value == 0 || value > DIMENSION_MAX) {
            None => Ok(()),
            Some((field, value)) => Err(ConfigError::OutOfRange { field, value, maximum: DIMENSION_MAX }),
        }
    }

    fn check_heads(&self) -> Result<(), ConfigError> {
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return Err(ConfigError::Heads {
                heads: self.num_attention_heads,
                key_value_heads: self.num_key_value_heads,
            });
        }
        if self.head_dim * self.num_attention_heads != self.hidden_size {
            return Err(ConfigError::HeadDim {
                head_dim: self.head_dim,
                heads: self.num_attention_heads,
                hidden: self.hidden_size,
            });
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(ConfigError::OddHeadDim { head_dim: self.head_dim });
        }
        Ok(())
    }
}

fn check_positive(field: &'static str, value: f32) -> Result<(), ConfigError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(ConfigError::NotPositive { field, value })
}

/// Why a configuration describes no model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A dimension is zero or absurd.
    #[error("{field} is {value}; it must lie between 1 and {maximum}")]
    OutOfRange {
        field: &'static str,
        value: usize,
        /// The largest value allowed.
        maximum: usize,
    },
    /// Query heads do not share key-value heads evenly.
    #[error("num_attention_heads {heads} is not a multiple of num_key_value_heads {key_value_heads}")]
    Heads {
        /// Query heads.
        heads: usize,
        key_value_heads: usize,
    },
    /// The heads do not fill the hidden size.
    #[error("head_dim {head_dim} times num_attention_heads {heads} is not hidden_size {hidden}")]
    HeadDim {
        head_dim: usize,
        /// Query heads.
        heads: usize,
        hidden: usize,
    },
    /// Rotary embedding rotates halves.
    #[error("head_dim {head_dim} is odd; rotary embedding needs two equal halves")]
    OddHeadDim { head_dim: usize },
    /// A number that must be finite and above zero is not.
    #[error("{field} is {value}; it must be finite and above zero")]
    NotPositive { field: &'static str, value: f32 },
    /// The flat vector would be too long.
    #[error("the model has more than {maximum} parameters")]
    TooManyParameters { maximum: usize },
}

#[cfg(test)]
mod tests;
