//! Checkpoints as Hugging Face's transformers reads and writes them.
//!
//! ```text
//! config.json                       LlamaForCausalLM with our numbers
//! generation_config.json
//! model.safetensors                 or model-00001-of-00003.safetensors … with model.safetensors.index.json
//! tokenizer.json, tokenizer_config.json
//! ```
//!
//! Names, shapes and row-major `[out, in]` layouts are those of the flat vector ([`crate::layout`]), so nothing is
//! transposed. Reading trusts nothing: sizes are bounded before they are read, and a configuration that means
//! something this crate does not compute is refused by the name of its key.

use std::io;
use std::path::{Path, PathBuf};

mod config;
mod export;
mod import;
pub mod tensors;
mod weights;

pub use export::{SHARD_BYTES_MAX, export};
pub use import::{Imported, import, read_config};

use crate::config::ConfigError;
use crate::tokenizer::TokenizerError;

/// The model's numbers.
const CONFIG_FILE: &str = "config.json";

/// Defaults for generation.
const GENERATION_FILE: &str = "generation_config.json";

/// All weights in one file.
const WEIGHTS_FILE: &str = "model.safetensors";

/// Which tensor lies in which file.
const INDEX_FILE: &str = "model.safetensors.index.json";

/// Why a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A file is not JSON, or its content has the wrong form.
    #[error("{} is damaged: {message}", path.display())]
    Damaged { path: PathBuf, message: String },
    /// A configuration that means something else than this crate computes.
    #[error("{}: {key} = {value} is not supported; {supported}", path.display())]
    Unsupported { path: PathBuf, key: &'static str, value: String, supported: &'static str },
    /// A configuration without a number that it needs.
    #[error("{}: {key} is missing or no number", path.display())]
    MissingKey { path: PathBuf, key: &'static str },
    /// Numbers that make no model.
    #[error("{}: {source}", path.display())]
    Config { path: PathBuf, source: ConfigError },
    /// No weights beside the configuration.
    #[error("{} has neither {WEIGHTS_FILE} nor {INDEX_FILE}", path.display())]
    NoWeights { path: PathBuf },
    /// A tensor of the model is in no file.
    #[error("{} lacks the tensor {name}", path.display())]
    MissingTensor {
        /// The directory or file.
        path: PathBuf,
        name: String,
    },
    /// A tensor that the model does not have.
    #[error("{} holds the tensor {name}, which this model does not have", path.display())]
    UnexpectedTensor { path: PathBuf, name: String },
    /// A tensor twice.
    #[error("{} holds the tensor {name} a second time", path.display())]
    RepeatedTensor { path: PathBuf, name: String },
    /// A tensor of another shape.
    #[error("{}: the tensor {name} has shape {found:?} instead of {expected:?}", path.display())]
    Shape { path: PathBuf, name: String, found: Vec<usize>, expected: Vec<usize> },
    /// A tensor of numbers that are not read.
    #[error("{}: the tensor {name} is {found}; f32, bf16 and f16 are read", path.display())]
    Numbers {
        path: PathBuf,
        name: String,
        /// Its numbers' type.
        found: String,
    },
    /// The flat vector is not this model's.
    #[error("the parameter vector holds {found} values, the model has {expected}")]
    Length { found: usize, expected: usize },
    /// The tokenizer's files.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

fn read_error(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError + '_ {
    move |source| CheckpointError::Read { path: path.to_owned(), source }
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError + '_ {
    move |source| CheckpointError::Write { path: path.to_owned(), source }
}

fn damaged(path: &Path, message: impl ToString) -> CheckpointError {
    CheckpointError::Damaged { path: path.to_owned(), message: message.to_string() }
}

#[cfg(test)]
mod tests;
