//! From the figures of a job to a model: a figure given beside a preset replaces the preset's.

use models::ModelConfig;

use super::{JobError, ModelSection};

/// The preset whose figures fill in what a job leaves open.
const PRESET_DEFAULT: &str = "tiny";

impl ModelSection {
    /// A preset as it is.
    #[must_use]
    pub fn preset(name: &str) -> Self {
        Self { preset: Some(name.to_owned()), ..Self::default() }
    }

    /// Every figure written out, for a resolved job and for a model that was read from a checkpoint.
    #[must_use]
    pub fn from_config(config: &ModelConfig, preset: Option<String>) -> Self {
        Self {
            preset,
            vocab_size: Some(config.vocab_size),
            hidden_size: Some(config.hidden_size),
            intermediate_size: Some(config.intermediate_size),
            num_hidden_layers: Some(config.num_hidden_layers),
            num_attention_heads: Some(config.num_attention_heads),
            num_key_value_heads: Some(config.num_key_value_heads),
            head_dim: Some(config.head_dim),
            max_position_embeddings: Some(config.max_position_embeddings),
            rope_theta: Some(shortest(config.rope_theta)),
            rms_norm_eps: Some(shortest(config.rms_norm_eps)),
            tie_word_embeddings: Some(config.tie_word_embeddings),
        }
    }

    /// The model's configuration.
    ///
    /// # Errors
    /// [`JobError::Value`] for an unknown preset, or figures that make no model.
    pub fn config(&self) -> Result<ModelConfig, JobError> {
        let config = self.merged()?;
        config.validate().map_err(|error| {
            let value = self.preset.clone().unwrap_or_else(|| "explicit".to_owned());
            JobError::value("model", "preset", value, error.to_string())
        })?;
        Ok(config)
    }

    /// Every figure written out, with a vocabulary that holds the tokenizer's.
    pub(super) fn resolve(&self, tokenizer_vocabulary: usize) -> Result<Self, JobError> {
        let config = self.config()?;
        let Some(vocabulary) = self.vocab_size else {
            let config = config.with_vocabulary(tokenizer_vocabulary);
            return Ok(Self::from_config(&config, self.preset.clone()));
        };
        if vocabulary < tokenizer_vocabulary {
            let expected =
                format!("the tokenizer has {tokenizer_vocabulary} entries; leave vocab_size out, or raise it");
            return Err(JobError::value("model", "vocab_size", vocabulary, expected));
        }
        Ok(Self::from_config(&config, self.preset.clone()))
    }

    fn merged(&self) -> Result<ModelConfig, JobError> {
        let name = self.preset.as_deref().unwrap_or(PRESET_DEFAULT);
        let base = ModelConfig::preset(name).ok_or_else(|| unknown_preset(name))?;
        let heads = self.num_attention_heads.unwrap_or(base.num_attention_heads);
        let hidden = self.hidden_size.unwrap_or(base.hidden_size);
        // Changed heads or width imply the head's width unless it is given; 0 heads are the model's to refuse.
        let same = heads == base.num_attention_heads && hidden == base.hidden_size;
        let head_dim = if same { base.head_dim } else { hidden.checked_div(heads).unwrap_or(0) };
        Ok(ModelConfig {
            vocab_size: self.vocab_size.unwrap_or(base.vocab_size),
            hidden_size: hidden,
            intermediate_size: self.intermediate_size.unwrap_or(base.intermediate_size),
            num_hidden_layers: self.num_hidden_layers.unwrap_or(base.num_hidden_layers),
            num_attention_heads: heads,
            num_key_value_heads: self.num_key_value_heads.unwrap_or(base.num_key_value_heads),
            head_dim: self.head_dim.unwrap_or(head_dim),
            max_position_embeddings: self.max_position_embeddings.unwrap_or(base.max_position_embeddings),
            rope_theta: self.rope_theta.map_or(base.rope_theta, |theta| theta as f32),
            rms_norm_eps: self.rms_norm_eps.map_or(base.rms_norm_eps, |epsilon| epsilon as f32),
            tie_word_embeddings: self.tie_word_embeddings.unwrap_or(base.tie_word_embeddings),
        })
    }
}

/// The decimal that people write for a binary32 figure, so that `1e-5` does not become 9.999999747378752e-6.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn unknown_preset(name: &str) -> JobError {
    let names = ModelConfig::preset_names();
    let near = names.iter().max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    let expected = match near {
        Some(near) => format!("no such preset; did you mean \"{near}\"? There are {}", names.join(", ")),
        None => "no such preset".to_owned(),
    };
    JobError::value("model", "preset", format!("\"{name}\""), expected)
}
