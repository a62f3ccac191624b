//! Text from a checkpoint: of a run of ours, whose files are checked first, or any in Hugging Face's form.

use std::path::{Path, PathBuf};

use aggregator::checkpoint::{LATEST_FILE, MANIFEST_FILE};
use anyhow::Context;
use models::huggingface::{self, Imported};
use models::{GenerateOptions, Tokenizer, Trainer, TrainerOptions};
use serde::Serialize;

use crate::cli::{DeviceArgs, GenerateArgs, OutputFormat};
use crate::exit::WrongUse;
use crate::output;

/// The longest name in `latest`: a round's number.
const NAME_BYTES_MAX: usize = 64;

/// What to write and from which model.
#[derive(Clone, Debug)]
pub struct Sampling {
    /// The checkpoint's directory, or that of a run, whose newest it then is.
    pub checkpoint: PathBuf,
    /// The text to continue.
    pub prompt: String,
    /// Tokens to add at most.
    pub max_new_tokens: usize,
    /// 0 is greedy.
    pub temperature: f32,
    /// Seed of the choice among tokens.
    pub seed: u64,
    /// Where to compute.
    pub device: DeviceArgs,
}

/// What `generate --output json` prints.
#[derive(Serialize)]
struct Row<'a> {
    prompt: &'a str,
    text: &'a str,
}

/// Prints the prompt and its continuation.
///
/// # Errors
/// A checkpoint that cannot be used, with the file's name; a broken standard output.
pub fn run(arguments: &GenerateArgs) -> anyhow::Result<()> {
    let sampling = Sampling {
        checkpoint: arguments.checkpoint.clone(),
        prompt: arguments.prompt.clone(),
        max_new_tokens: arguments.max_new_tokens,
        temperature: arguments.temperature,
        seed: arguments.seed,
        device: arguments.device.clone(),
    };
    let text = continuation(&sampling)?;
    match arguments.output.output {
        OutputFormat::Json => output::print_json(&Row { prompt: &sampling.prompt, text: &text })?,
        OutputFormat::Text => output::print(&format!("{}{text}\n", sampling.prompt))?,
    }
    Ok(())
}

/// The prompt with its continuation.
///
/// # Errors
/// A checkpoint or device that cannot be used.
pub fn sample(sampling: &Sampling) -> anyhow::Result<String> {
    Ok(format!("{}{}", sampling.prompt.trim_start(), continuation(sampling)?))
}

fn continuation(sampling: &Sampling) -> anyhow::Result<String> {
    let directory = newest(&sampling.checkpoint)?;
    let Imported { config, parameters, tokenizer } = load(&directory)?;
    let tokenizer = tokenizer.with_context(|| {
        format!(
            "{} has no tokenizer.json, and its vocabulary of {} is not that of bytes",
            directory.display(),
            config.vocab_size
        )
    })?;
    let device = models::survey(&sampling.device.device, sampling.device.require_gpu, sampling.device.threads)?.chosen;
    let mut trainer = Trainer::new(&config, &device, TrainerOptions { micro_batch: 1, ..TrainerOptions::default() })?;
    let options = GenerateOptions {
        max_new_tokens: sampling.max_new_tokens,
        temperature: sampling.temperature,
        seed: sampling.seed,
    };
    Ok(models::generate(&mut trainer, &parameters, &tokenizer, &sampling.prompt, &options)?)
}

/// Reads a checkpoint, checking it against its manifest where it has one; a small vocabulary without a tokenizer is
/// that of bytes.
///
/// # Errors
/// With the name of the file that is missing, damaged or not understood.
pub fn load(directory: &Path) -> anyhow::Result<Imported> {
    if directory.join(MANIFEST_FILE).is_file() {
        aggregator::checkpoint::verify(directory)?;
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
