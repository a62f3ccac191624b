//! `config.json` of a `LlamaForCausalLM`, written and read.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{CheckpointError, damaged};
use crate::config::ModelConfig;

/// Llama's default where a configuration has no `rope_theta`.
const ROPE_THETA_DEFAULT: f64 = 10_000.0;

/// The configuration's JSON. Both spellings of the rotary base are written: the older flat one and the one of
/// transformers 5.
pub(super) fn to_json(config: &ModelConfig, end_of_text: Option<u32>) -> Value {
    let theta = shortest(config.rope_theta);
    json!({
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": false,
        "attention_dropout": 0.0,
        "bos_token_id": null,
        "dtype": "float32",
        "eos_token_id": end_of_text,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "hidden_size": config.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_position_embeddings,
        "mlp_bias": false,
        "model_type": "llama",
        "num_attention_heads": config.num_attention_heads,
        "num_hidden_layers": config.num_hidden_layers,
        "num_key_value_heads": config.num_key_value_heads,
        "pretraining_tp": 1,
        "rms_norm_eps": shortest(config.rms_norm_eps),
        "rope_parameters": { "rope_theta": theta, "rope_type": "default" },
        "rope_theta": theta,
        "tie_word_embeddings": config.tie_word_embeddings,
        "torch_dtype": "float32",
        "use_cache": true,
        "vocab_size": config.vocab_size,
    })
}

/// Reads a configuration; refuses what would change the computation.
pub(super) fn from_json(path: &Path, value: &Value) -> Result<ModelConfig, CheckpointError> {
    let keys = value.as_object().ok_or_else(|| damaged(path, "it is no JSON object"))?;
    let reader = Reader { path, keys };
    reader.check_supported()?;
    let hidden_size = reader.number("hidden_size")?;
    let num_attention_heads = reader.number("num_attention_heads")?;
    let head_dim = hidden_size.checked_div(num_attention_heads).unwrap_or_default();
    reader.check_head_dim(head_dim)?;
    let config = ModelConfig {
        vocab_size: reader.number("vocab_size")?,
        hidden_size,
        intermediate_size: reader.number("intermediate_size")?,
        num_hidden_layers: reader.number("num_hidden_layers")?,
        num_attention_heads,
        num_key_value_heads: reader.number_or("num_key_value_heads", num_attention_heads)?,
        head_dim,
        max_position_embeddings: reader.number_or("max_position_embeddings", 2048)?,
        rope_theta: reader.rope_theta() as f32,
        rms_norm_eps: reader.float("rms_norm_eps").unwrap_or(1e-6) as f32,
        tie_word_embeddings: reader.flag("tie_word_embeddings"),
    };
    config.validate().map_err(|source| CheckpointError::Config { path: path.to_owned(), source })?;
    Ok(config)
}

struct Reader<'a> {
    path: &'a Path,
    keys: &'a Map<String, Value>,
}

impl Reader<'_> {
    /// A key's value; `null` counts as absent.
    fn get(&self, key: &str) -> Option<&Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    fn number(&self, key: &'static str) -> Result<usize, CheckpointError> {
        let number = self.get(key).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| CheckpointError::MissingKey { path: self.path.to_owned(), key })
    }

    fn number_or(&self, key: &'static str, default: usize) -> Result<usize, CheckpointError> {
        if self.get(key).is_none() { Ok(default) } else { self.number(key) }
    }

    fn float(&self, key: &str) -> Option<f64> {
        self.get(key).and_then(Value::as_f64)
    }

    fn flag(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    fn rope_theta(&self) -> f64 {
        let nested = self.get("rope_parameters").and_then(|rope| rope["rope_theta"].as_f64());
        nested.or_else(|| self.float("rope_theta")).unwrap_or(ROPE_THETA_DEFAULT)
    }

    fn check_supported(&self) -> Result<(), CheckpointError> {
        self.check("model_type", "only \"llama\" is", |value| value == "llama")?;
        let is_llama =
            |value: &Value| value.as_array().is_some_and(|names| names.iter().any(|name| name == "LlamaForCausalLM"));
        self.check("architectures", "only [\"LlamaForCausalLM\"] is", is_llama)?;
        self.check("hidden_act", "only \"silu\" is", |value| value == "silu")?;
        self.check("attention_bias", "only false is", |value| *value == false)?;
        self.check("mlp_bias", "only false is", |value| *value == false)?;
        self.check("rope_scaling", "only plain rotary embedding is", is_plain_rope)?;
        self.check("rope_parameters", "only plain rotary embedding is", is_plain_rope)?;
        self.check("partial_rotary_factor", "only 1.0 is", |value| value.as_f64() == Some(1.0))?;
        self.check("quantization_config", "only unquantised weights are", |_| false)
    }

    fn check_head_dim(&self, head_dim: usize) -> Result<(), CheckpointError> {
        let supported = "only hidden_size / num_attention_heads is";
        self.check("head_dim", supported, |value| value.as_u64() == Some(head_dim as u64))
    }

    /// Refuses a key that is there with a value that `accept` does not take.
    fn check(
        &self,
        key: &'static str,
        supported: &'static str,
        accept: impl Fn(&Value) -> bool,
    ) -> Result<(), CheckpointError> {
        match self.get(key) {
            Some(value) if !accept(value) => {
                Err(CheckpointError::Unsupported { path: self.path.to_owned(), key, value: shown(value), supported })
            }
            _ => Ok(()),
        }
    }
}

/// A value in an error message, cut where a file holds a long one.
fn shown(value: &Value) -> String {
    /// Characters shown.
    const SHOWN: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn is_plain_rope(value: &Value) -> bool {
    let kind = value.get("rope_type").or_else(|| value.get("type"));
    value.is_object() && kind.is_none_or(|kind| kind == "default")
}

/// The f64 that prints like the f32: 1e-5 and not 9.999999747378752e-6.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}
