//! Writing a checkpoint that transformers opens.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{CONFIG_FILE, CheckpointError, GENERATION_FILE, INDEX_FILE, WEIGHTS_FILE, config, weights, write_error};
use crate::config::ModelConfig;
use crate::files::write_synced;
use crate::layout::{Layout, TensorSpec};
use crate::tokenizer::Tokenizer;

/// Bytes of tensors in one file before another is begun: what transformers uses by default.
pub const SHARD_BYTES_MAX: u64 = 5_000_000_000;

/// Writes the model into an existing directory; every file is synced, but the directory is not, nor is it swapped in
/// atomically: that is the caller's part.
///
/// One weights file when the tensors take at most `shard_bytes_max` bytes, otherwise several with an index; a tensor
/// is never split.
///
/// # Errors
///
/// [`CheckpointError::Length`] or [`CheckpointError::Write`] with the file's name.
pub fn export(
    directory: &Path,
    model: &ModelConfig,
    flat: &[f32],
    tokenizer: &Tokenizer,
    shard_bytes_max: u64,
) -> Result<(), CheckpointError> {
    let layout = Layout::of(model);
    if flat.len() != layout.elements {
        return Err(CheckpointError::Length { found: flat.len(), expected: layout.elements });
    }
    let end = tokenizer.end_of_text();
    write_json(&directory.join(CONFIG_FILE), &config::to_json(model, end))?;
    write_json(&directory.join(GENERATION_FILE), &json!({ "bos_token_id": null, "eos_token_id": end }))?;
    tokenizer.save(directory, model.max_position_embeddings)?;
    let shards = shards(&layout.tensors, shard_bytes_max);
    match shards[..] {
        [tensors] => weights::write(&directory.join(WEIGHTS_FILE), tensors, flat),
        _ => write_shards(directory, &shards, flat),
    }
}

fn write_shards(directory: &Path, shards: &[&[TensorSpec]], flat: &[f32]) -> Result<(), CheckpointError> {
    let mut map = Map::new();
    for (number, tensors) in shards.iter().enumerate() {
        let name = format!("model-{:05}-of-{:05}.safetensors", number + 1, shards.len());
        weights::write(&directory.join(&name), tensors, flat)?;
        map.extend(tensors.iter().map(|tensor| (tensor.name.clone(), Value::from(name.as_str()))));
    }
    let index = json!({ "metadata": { "total_size": 4 * flat.len() }, "weight_map": map });
    write_json(&directory.join(INDEX_FILE), &index)
}

/// Cuts the tensors into runs of at most `bytes_max`; one that is larger by itself stands alone.
fn shards(tensors: &[TensorSpec], bytes_max: u64) -> Vec<&[TensorSpec]> {
    let mut shards = Vec::new();
    let (mut first, mut bytes) = (0, 0);
    for (index, tensor) in tensors.iter().enumerate() {
        let more = 4 * tensor.elements() as u64;
        if index > first && bytes + more > bytes_max {
            shards.push(&tensors[first..index]);
            (first, bytes) = (index, 0);
        }
        bytes += more;
    }
    shards.push(&tensors[first..]);
    shards
}

fn write_json(path: &Path, value: &Value) -> Result<(), CheckpointError> {
    let mut text = format!("{value:#}");
    text.push('\n');
    write_synced(path, text.as_bytes()).map_err(write_error(path))
}
