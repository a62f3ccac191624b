//! Checking and converting checkpoints.

use std::path::Path;

use anyhow::Context;
use models::huggingface;
use serde::Serialize;

use crate::cli::OutputFormat;
use crate::exit::WrongUse;
use crate::generate::{load, newest};
use crate::output;
use crate::output::text::{bytes, short};

/// What `checkpoint verify --output json` prints.
#[derive(Serialize)]
struct Verified {
    path: String,
    round: u64,
    state_hash: String,
    files: usize,
    bytes: u64,
}

/// Checks every file of a checkpoint against its manifest.
///
/// # Errors
/// With the name of the first file that is missing or damaged.
pub fn verify(directory: &Path, format: OutputFormat) -> anyhow::Result<()> {
    let directory = newest(directory)?;
    let manifest = aggregator::checkpoint::verify(&directory)?;
    let verified = Verified {
        path: directory.display().to_string(),
        round: manifest.round.0,
        state_hash: manifest.state_hash.to_string(),
        files: manifest.files.len(),
        bytes: manifest.files.iter().map(|file| file.bytes).sum(),
    };
    match format {
        OutputFormat::Json => output::print_json(&verified)?,
        OutputFormat::Text => output::print(&format!(
            "{}: {} files of {} as its manifest says, state {} after round {}\n",
            verified.path,
            verified.files,
            bytes(verified.bytes as f64),
            short(&verified.state_hash),
            verified.round
        ))?,
    }
    Ok(())
}

/// Writes model and tokenizer alone into a new directory, complete or not at all.
///
/// # Errors
/// A checkpoint that cannot be read, a directory that holds something already, a full disk.
pub fn export(directory: &Path, out: &Path, shard_bytes_max: u64) -> anyhow::Result<()> {
    if out.exists() {
        return Err(WrongUse(format!("{} exists already; name a directory to create", out.display())).into());
    }
    let directory = newest(directory)?;
    let imported = load(&directory)?;
    let tokenizer = imported.tokenizer.with_context(|| format!("{} has no tokenizer.json", directory.display()))?;
    let temporary = aggregator::files::temporary_name(out);
    std::fs::create_dir_all(&temporary).with_context(|| format!("cannot create {}", temporary.display()))?;
    let written = huggingface::export(&temporary, &imported.config, &imported.parameters, &tokenizer, shard_bytes_max)
        .map_err(anyhow::Error::from)
        .and_then(|()| std::fs::rename(&temporary, out).with_context(|| format!("cannot rename to {}", out.display())));
    if written.is_err() {
        // Best effort: the error that matters is the first.
        let _ = std::fs::remove_dir_all(&temporary);
        return written;
    }
    aggregator::files::sync_parent(out)?;
    output::print(&format!("{}\n", out.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::{WRONG_USE, code_of};
    use models::{ModelConfig, Tokenizer, initialize};

    #[test]
    fn an_export_reads_back_to_the_same_model() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source");
        std::fs::create_dir(&source).unwrap();
        let config = ModelConfig::preset("tiny").unwrap();
        let parameters = initialize(&config, 3);
        huggingface::export(&source, &config, &parameters, &Tokenizer::Bytes, u64::MAX).unwrap();
        let out = directory.path().join("out");
        // Small enough for several files.
        export(&source, &out, 1 << 20).unwrap();
        let imported = load(&out).unwrap();
        assert_eq!((imported.config, imported.parameters), (config, parameters));
        assert!(out.join("model.safetensors.index.json").is_file());
        assert_eq!(code_of(&export(&source, &out, 1 << 20).unwrap_err()), WRONG_USE);
    }

    #[test]
    fn a_damaged_checkpoint_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("config.json"), "{").unwrap();
        let out = directory.path().join("out");
        let message = format!("{:#}", export(&source, &out, 1 << 20).unwrap_err());
        assert!(message.contains("config.json"), "{message}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
