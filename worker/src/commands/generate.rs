//! Text from a checkpoint: of a run of ours, whose files are checked first, or any in Hugging Face's form.

use std::path::PathBuf;

use anyhow::Context;
use models::huggingface::Imported;
use models::{GenerateOptions, Trainer, TrainerOptions};
use serde::Serialize;

use crate::cli::{DeviceArgs, GenerateArgs, OutputFormat};
use crate::commands::checkpoint::{load, newest};
use crate::output;

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
