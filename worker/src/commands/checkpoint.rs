//! Checkpoints: finding the newest, reading, checking and converting them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use models::Tokenizer;
use models::huggingface::{self, Imported};
use node::checkpoint::{LATEST_FILE, MANIFEST_FILE};
use serde::Serialize;

use crate::cli::OutputFormat;
use crate::exit::WrongUse;
use crate::output;
use crate::output::text::{bytes, short};

/// The longest name in `latest`: a round's number.
const NAME_BYTES_MAX: usize = 64;

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
    let manifest = node::checkpoint::verify(&directory)?;
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
    let temporary = disk::temporary_name(out);
    std::fs::create_dir_all(&temporary).with_context(|| format!("cannot create {}", temporary.display()))?;
    let written = huggingface::export(&temporary, &imported.config, &imported.parameters, &tokenizer, shard_bytes_max)
        .map_err(anyhow::Error::from)
        .and_then(|()| std::fs::rename(&temporary, out).with_context(|| format!("cannot rename to {}", out.display())));
    if written.is_err() {
        // Best effort: the error that matters is the first.
        let _ = std::fs::remove_dir_all(&temporary);
        return written;
    }
    disk::sync_parent(out)?;
    output::print(&format!("{}\n", out.display()))?;
    Ok(())
}

/// Reads a checkpoint, checking it against its manifest where it has one; a small vocabulary without a tokenizer is
/// that of bytes.
///
/// # Errors
/// With the name of the file that is missing, damaged or not understood.
pub fn load(directory: &Path) -> anyhow::Result<Imported> {
    if directory.join(MANIFEST_FILE).is_file() {
        node::checkpoint::verify(directory)?;
    }
    let mut imported = huggingface::import(directory)?;
    let bytes = Tokenizer::Bytes.vocab_size();
    if imported.tokenizer.is_none() && (bytes..bytes + 8).contains(&imported.config.vocab_size) {
        imported.tokenizer = Some(Tokenizer::Bytes);
    }
    Ok(imported)
}

/// The checkpoint itself, or the newest one when the directory is that of a run or of its checkpoints.
///
/// # Errors
/// Wrong use when there is none.
pub fn newest(directory: &Path) -> anyhow::Result<PathBuf> {
    if directory.join("config.json").is_file() {
        return Ok(directory.to_path_buf());
    }
    for checkpoints in [directory.join("checkpoints"), directory.to_path_buf()] {
        let Ok(name) = std::fs::read_to_string(checkpoints.join(LATEST_FILE)) else { continue };
        let name = name.trim();
        // The name of a round, never a path.
        if name.len() <= NAME_BYTES_MAX && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(checkpoints.join(name));
        }
    }
    let message =
        format!("{} holds neither a checkpoint (no config.json) nor a run with checkpoints", directory.display());
    Err(WrongUse(message).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::{WRONG_USE, code_of};
    use models::{ModelConfig, initialize};

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

    #[test]
    fn a_run_stands_for_its_newest_checkpoint() {
        let run = tempfile::tempdir().unwrap();
        let checkpoint = run.path().join("checkpoints/000012");
        std::fs::create_dir_all(&checkpoint).unwrap();
        std::fs::write(checkpoint.join("config.json"), "{}").unwrap();
        std::fs::write(run.path().join("checkpoints/latest"), "000012\n").unwrap();
        for start in [run.path().to_path_buf(), run.path().join("checkpoints"), checkpoint.clone()] {
            assert_eq!(newest(&start).unwrap(), checkpoint, "{}", start.display());
        }
    }

    #[test]
    fn a_name_that_is_a_path_is_not_followed() {
        let run = tempfile::tempdir().unwrap();
        std::fs::write(run.path().join("latest"), "../../etc").unwrap();
        assert!(newest(run.path()).is_err());
    }

    #[test]
    fn a_directory_without_a_checkpoint_is_named() {
        let empty = tempfile::tempdir().unwrap();
        let message = newest(empty.path()).unwrap_err().to_string();
        assert!(message.contains(&empty.path().display().to_string()), "{message}");
    }
}
