//! The named models, from one that trains in two minutes on two cores to one of a billion parameters.

use super::ModelConfig;

/// The names, smallest first.
pub const PRESET_NAMES: [&str; 5] = ["tiny", "bench", "small", "medium", "large"];

/// Vocabulary of the byte presets: 256 bytes and end-of-text, padded to a multiple of eight.
const BYTE_VOCABULARY: usize = 264;

/// Vocabulary of the larger presets: that of GPT-2's tokenizer, padded; `ModelConfig::with_vocabulary` replaces it.
const WORD_VOCABULARY: usize = 50_304;

/// One row of the table below.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    name: &'static str,
    vocabulary: usize,
    hidden: usize,
    intermediate: usize,
    layers: usize,
    heads: usize,
    key_value_heads: usize,
    context: usize,
    tied: bool,
}

impl Preset {
    /// The row as a full configuration.
    pub fn config(&self) -> ModelConfig {
        ModelConfig {
            vocab_size: self.vocabulary,
            hidden_size: self.hidden,
            intermediate_size: self.intermediate,
            num_hidden_layers: self.layers,
            num_attention_heads: self.heads,
            num_key_value_heads: self.key_value_heads,
            head_dim: self.hidden / self.heads,
            max_position_embeddings: self.context,
            rope_theta: 10_000.0,
            rms_norm_eps: 1e-5,
            tie_word_embeddings: self.tied,
        }
    }
}

#[rustfmt::skip]
static PRESETS: [Preset; 5] = [
    // 0.92 M: the default job of `up`.
    Preset {
        name: "tiny", vocabulary: BYTE_VOCABULARY, hidden: 128, intermediate: 448, layers: 4,
        heads: 4, key_value_heads: 2, context: 256, tied: true,
    },
    // 3.3 M: what training steps are timed on.
    Preset {
        name: "bench", vocabulary: BYTE_VOCABULARY, hidden: 256, intermediate: 684, layers: 4,
        heads: 8, key_value_heads: 8, context: 256, tied: false,
    },
    // 124 M: the size of GPT-2.
    Preset {
        name: "small", vocabulary: WORD_VOCABULARY, hidden: 768, intermediate: 2048, layers: 12,
        heads: 12, key_value_heads: 12, context: 1024, tied: true,
    },
    // 360 M.
    Preset {
        name: "medium", vocabulary: WORD_VOCABULARY, hidden: 1024, intermediate: 2816, layers: 24,
        heads: 16, key_value_heads: 16, context: 1024, tied: true,
    },
    // 1.0 B.
    Preset {
        name: "large", vocabulary: WORD_VOCABULARY, hidden: 2048, intermediate: 5632, layers: 20,
        heads: 32, key_value_heads: 8, context: 2048, tied: true,
    },
];

pub(super) fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}
