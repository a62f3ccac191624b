//! Reading a checkpoint, whoever wrote it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::weights::Loader;
use super::{CONFIG_FILE, CheckpointError, INDEX_FILE, WEIGHTS_FILE, config, damaged, read_error};
use crate::config::ModelConfig;
use crate::files::read_bounded;
use crate::layout::Layout;
use crate::tokenizer::Tokenizer;

/// Largest configuration read.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Largest index read: a hundred bytes for each of half a million tensors.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// Largest number of weights files.
const SHARDS_MAX: usize = 10_000;

/// A checkpoint's content.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The model's numbers.
    pub config: ModelConfig,
    /// The flat vector in the layout's order.
    pub parameters: Vec<f32>,
    /// The tokenizer, where the directory has one.
    pub tokenizer: Option<Tokenizer>,
}

/// The model's numbers of a checkpoint.
///
/// # Errors
///
/// A configuration that cannot be read, or means something else than this crate computes.
pub fn read_config(directory: &Path) -> Result<ModelConfig, CheckpointError> {
    let path = directory.join(CONFIG_FILE);
    config::from_json(&path, &read_json(&path, CONFIG_BYTES_MAX)?)
}

/// Reads a directory written by [`super::export`] or by transformers' `save_pretrained`.
///
/// f32, bf16 and f16 weights, in one file or several; with tied embeddings a copy of the head is ignored.
///
/// # Errors
///
/// A [`CheckpointError`] that names the file, and the key or tensor where it is one.
pub fn import(directory: &Path) -> Result<Imported, CheckpointError> {
    let config = read_config(directory)?;
    let layout = Layout::of(&config);
    let files = weight_files(directory)?;
    let mut loader = Loader::new(&layout, config.tie_word_embeddings);
    for file in &files {
        loader.read(file)?;
    }
    let parameters = loader.finish(directory)?;
    let tokenizer = load_tokenizer(directory)?;
    Ok(Imported { config, parameters, tokenizer })
}

fn weight_files(directory: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let single = directory.join(WEIGHTS_FILE);
    if single.is_file() {
        return Ok(vec![single]);
    }
    let index = directory.join(INDEX_FILE);
    if !index.is_file() {
        return Err(CheckpointError::NoWeights { path: directory.to_owned() });
    }
    let names = shard_names(&index, &read_json(&index, INDEX_BYTES_MAX)?)?;
    Ok(names.into_iter().map(|name| directory.join(name)).collect())
}

/// The files that an index names, each a plain name in the index's own directory.
fn shard_names(path: &Path, index: &Value) -> Result<BTreeSet<String>, CheckpointError> {
    let map = index["weight_map"].as_object().ok_or_else(|| damaged(path, "it has no weight_map"))?;
    let mut names = BTreeSet::new();
    for name in map.values() {
        let name = name.as_str().filter(|name| is_plain(name));
        names.insert(name.ok_or_else(|| damaged(path, "its weight_map names no plain file"))?.to_owned());
    }
    if names.is_empty() || names.len() > SHARDS_MAX {
        return Err(damaged(path, format!("it names {} files", names.len())));
    }
    Ok(names)
}

fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) && !name.contains(['/', '\\'])
}

fn load_tokenizer(directory: &Path) -> Result<Option<Tokenizer>, CheckpointError> {
    if !directory.join("tokenizer.json").is_file() {
        return Ok(None);
    }
    Ok(Some(Tokenizer::load(directory)?))
}

fn read_json(path: &Path, bytes_max: u64) -> Result<Value, CheckpointError> {
    let bytes = read_bounded(path, bytes_max).map_err(read_error(path))?;
    serde_json::from_slice(&bytes).map_err(|error| damaged(path, error))
}
