//! The tools' arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kernels::Codec;
use models::huggingface::SHARD_BYTES_MAX;

use super::{DeviceArgs, JobArgs, OutputArgs, positive};

/// Arguments of `generate`.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// A checkpoint: of a run or any in Hugging Face's form.
    #[arg(long, value_name = "DIR")]
    pub checkpoint: PathBuf,
    /// The text to continue.
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,
    /// Tokens to add at most.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub max_new_tokens: usize,
    /// 0 always takes the likeliest token; higher is more varied.
    #[arg(long, value_name = "T", default_value_t = 0.8, value_parser = temperature)]
    pub temperature: f32,
    /// Seed of the choice among tokens.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `plan`.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Leave out the time per round, which takes a few training steps to measure.
    #[arg(long)]
    pub no_probe: bool,
}

/// What `bench` can measure.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Tokens per second of the training step.
    Train(BenchTrainArgs),
    /// The kernels: compress, aggregate and apply, scan, AdamW, hash, beside a copy.
    Kernels(BenchKernelsArgs),
    /// What each codec keeps of real pseudo-gradients, and its size.
    Codecs(BenchCodecsArgs),
    /// Set the rows of two runs of `bench kernels --json` beside each other.
    Compare {
        /// The earlier run's rows.
        #[arg(value_name = "A.json")]
        before: PathBuf,
        /// The later run's rows.
        #[arg(value_name = "B.json")]
        after: PathBuf,
    },
}

/// Arguments of `bench kernels`.
#[derive(Args, Clone, Debug)]
pub struct BenchKernelsArgs {
    /// Lengths of the vectors in elements.
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_values_t = [1 << 16, 1 << 20, 1 << 24, 1 << 26],
        value_parser = positive,
    )]
    pub elements: Vec<usize>,
    /// Timed runs of each row, after one that warms up.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = positive)]
    pub samples: usize,
    /// MiB that each vector is taken from in turn, so that no cache holds them.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = positive)]
    pub arena_mib: usize,
    /// The device; the CPU has rows that a device has not.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// One JSON row a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bench codecs`.
#[derive(Args, Clone, Debug)]
pub struct BenchCodecsArgs {
    /// Payloads of codec `none`, which a run keeps in RUN/rounds, or safetensors files of f32, f16 or bf16.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Take the files as one worker's rounds in order: what a codec leaves of one is part of the next.
    #[arg(long)]
    pub feedback: bool,
    /// How much of it is kept from round to round, 0 to 1.
    #[arg(long, value_name = "B", default_value_t = 0.95, value_parser = share, requires = "feedback")]
    pub beta: f32,
    /// One JSON row a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bench train`.
#[derive(Args, Clone, Debug)]
pub struct BenchTrainArgs {
    /// Model preset.
    #[arg(long, value_name = "NAME", default_value = "bench")]
    pub model: String,
    /// Sequences of a step.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = positive)]
    pub batch: usize,
    /// Tokens of a sequence.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = positive)]
    pub seq: usize,
    /// Timed steps, after one that warms up.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = positive)]
    pub steps: usize,
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// One JSON row a line.
    #[arg(long)]
    pub json: bool,
}

/// What can be done with checkpoints.
#[derive(Debug, Subcommand)]
pub enum CheckpointCommand {
    /// Check every file of a checkpoint against its manifest.
    Verify {
        /// The checkpoint's directory.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The form of the output.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Write a checkpoint's model and tokenizer alone, as Hugging Face lays them out.
    Export {
        /// The checkpoint's directory.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The directory to create.
        #[arg(value_name = "OUT")]
        out: PathBuf,
        /// Largest file; a larger model is written as shards with an index.
        #[arg(long, value_name = "BYTES", default_value_t = SHARD_BYTES_MAX)]
        shard_bytes_max: u64,
    },
}

/// What can be done with payload files.
#[derive(Debug, Subcommand)]
pub enum CodecCommand {
    /// Encode the tensors of a safetensors file.
    Encode(CodecEncodeArgs),
    /// Decode a payload file into a safetensors file.
    Decode(CodecDecodeArgs),
    /// Keep a payload in fewer bytes, to be restored bit for bit.
    Archive(CodecArchiveArgs),
    /// Restore a payload from its archive.
    Restore(CodecRestoreArgs),
    /// Say what a payload file or its archive holds.
    Inspect(CodecInspectArgs),
}

/// Arguments of `codec encode`.
#[derive(Args, Clone, Debug)]
pub struct CodecEncodeArgs {
    /// The safetensors file: tensors of f32, f16 or bf16, all finite.
    #[arg(value_name = "FILE.safetensors")]
    pub input: PathBuf,
    /// The payload file to write.
    #[arg(long, value_name = "FILE.ctg")]
    pub out: PathBuf,
    /// The codec.
    #[arg(long, value_name = "NAME", default_value = "topk64-q2")]
    pub codec: Codec,
    /// A checkpoint whose tensors, in its order, the file's are; otherwise they go by their names.
    #[arg(long, value_name = "DIR")]
    pub like: Option<PathBuf>,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codec decode`.
#[derive(Args, Clone, Debug)]
pub struct CodecDecodeArgs {
    /// The payload file.
    #[arg(value_name = "FILE.ctg")]
    pub input: PathBuf,
    /// The safetensors file to write.
    #[arg(long, value_name = "FILE.safetensors")]
    pub out: PathBuf,
    /// A checkpoint's directory or a safetensors file with the names and shapes; otherwise one tensor `values` is
    /// written.
    #[arg(long, value_name = "DIR|FILE")]
    pub like: Option<PathBuf>,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codec archive`.
#[derive(Args, Clone, Debug)]
pub struct CodecArchiveArgs {
    /// The payload file.
    #[arg(value_name = "FILE.ctg")]
    pub input: PathBuf,
    /// The archive to write.
    #[arg(long, value_name = "FILE.cta")]
    pub out: PathBuf,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codec restore`.
#[derive(Args, Clone, Debug)]
pub struct CodecRestoreArgs {
    /// The archive.
    #[arg(value_name = "FILE.cta")]
    pub input: PathBuf,
    /// The payload file to write.
    #[arg(long, value_name = "FILE.ctg")]
    pub out: PathBuf,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `codec inspect`.
#[derive(Args, Clone, Debug)]
pub struct CodecInspectArgs {
    /// The payload file or its archive.
    #[arg(value_name = "FILE.ctg|FILE.cta")]
    pub input: PathBuf,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What can be asked about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show each value and where it came from.
    Explain(ExplainArgs),
    /// Print the reference page of all keys of a job, as Markdown.
    Keys,
}

/// Arguments of `config explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Parses a number from 0 to 1.
fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        Ok(_) => Err("must be a number from 0 to 1".to_owned()),
        Err(error) => Err(format!("{error}")),
    }
}

/// Parses a finite temperature of at least zero.
fn temperature(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        Ok(_) => Err("must be a finite number, 0 or more".to_owned()),
        Err(error) => Err(format!("{error}")),
    }
}
