//! What a job costs, before it is launched: parameters, memory, bytes per round, time per round.
//!
//! Invariants: sizes follow from the job alone, so that they are the same on every machine and equal what a run sends;
//! only the time is measured, by a few training steps on this device.

use std::fmt::Write as _;

use anyhow::Context;
use kernels::{Codec, HEADER_BYTES};
use models::{ComputeDevice, MemoryEstimate, ModelConfig};
use node::job::Job;
use serde::Serialize;

use crate::cli::{OutputFormat, PlanArgs};
use crate::exit::wrong_use;
use crate::output;
use crate::output::text::{bytes, count, duration};

/// Bytes of the signature under a contribution's commitment.
const SIGNATURE_BYTES: usize = 64;
/// Timed training steps of the probe.
const PROBE_STEPS: usize = 3;
/// The link that transfers are estimated for, in bits per second.
const LINK_BITS_PER_S: f64 = 100e6;

/// A plan, one JSON object.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The preset, or `explicit`.
    pub model: String,
    /// Parameters.
    pub parameters: usize,
    /// Workers of the first round.
    pub workers: usize,
    /// Rounds.
    pub rounds: u64,
    /// Tokens that all workers train on in a round.
    pub tokens_per_round: u64,
    /// Tokens of the whole run.
    pub tokens: u64,
    /// Memory of one worker.
    pub memory: Memory,
    /// Bytes of one contribution by codec.
    pub codecs: Vec<CodecBytes>,
    /// Time; absent when it was not measured.
    pub time: Option<Time>,
}

/// Memory of one worker.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Bytes in all.
    pub bytes: u64,
    /// How they add up.
    pub arithmetic: String,
    /// Bytes that this machine has available.
    pub available_bytes: u64,
}

/// What a worker sends in a round.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CodecBytes {
    /// The codec.
    pub codec: &'static str,
    /// Bytes of a contribution with header and signature.
    pub bytes: u64,
    /// How many times less than f32 that is.
    pub ratio: f64,
    /// Rounds of this job that use it.
    pub rounds: u64,
}

/// Expected time.
#[derive(Clone, Debug, Serialize)]
pub struct Time {
    /// The device that was measured.
    pub device: String,
    /// Tokens per second of one worker that has the device to itself.
    pub tokens_per_s: f64,
    /// Seconds of a round's inner steps for such a worker.
    pub inner_s: f64,
    /// The same when all workers share this device, as under `up`.
    pub inner_shared_s: f64,
    /// Seconds that a worker takes to fetch the others' contributions at 100 Mbit/s, with the job's last codec.
    pub fetch_s: f64,
}

/// Prints the plan of a job.
///
/// # Errors
/// Wrong use in the job; a model that this machine's memory cannot hold, with the arithmetic.
pub fn run(arguments: &PlanArgs) -> anyhow::Result<()> {
    let job = resolve(&arguments.job.resolve()?)?;
    let config = job.model.config().map_err(wrong_use)?;
    let device = &arguments.device;
    let device = models::survey(&device.device, device.require_gpu, device.threads)?.chosen;
    let mut plan = sizes(&job, &config, &device)?;
    let fits = models::check_memory(&estimate(&job, &config, &device, 1), 1, plan.memory.available_bytes);
    if fits.is_ok() && !arguments.no_probe {
        plan.time = Some(measure(&job, &config, &device, &plan)?);
    }
    match arguments.output.output {
        OutputFormat::Json => output::print_json(&plan)?,
        OutputFormat::Text => output::print(&plan.to_text())?,
    }
    Ok(fits?)
}

/// The job with the vocabulary of its tokenizer.
fn resolve(job: &Job) -> anyhow::Result<Job> {
    let tokenizer = node::corpus::tokenizer(job)?;
    job.resolve(tokenizer.vocab_size()).map_err(wrong_use)
}

/// The estimate for a micro-batch of `sequences`.
fn estimate(job: &Job, config: &ModelConfig, device: &ComputeDevice, sequences: usize) -> MemoryEstimate {
    models::memory_estimate(config, sequences, job.train.sequence_length, !device.is_cpu())
}

/// The largest micro-batch that fits into memory, or one sequence.
fn micro_batch(job: &Job, config: &ModelConfig, device: &ComputeDevice, available: u64) -> usize {
    let (sequences, length) = (job.train.batch_sequences, job.train.sequence_length);
    models::memory::micro_batch_that_fits(config, device, sequences, length, 1, available).unwrap_or(1)
}

/// All that follows from the job alone.
///
/// # Errors
/// When the job's codecs are none, which its checks rule out.
pub fn sizes(job: &Job, config: &ModelConfig, device: &ComputeDevice) -> anyhow::Result<Plan> {
    let available_bytes = models::available_bytes();
    let memory = estimate(job, config, device, micro_batch(job, config, device, available_bytes));
    let train = &job.train;
    let workers = job.round.workers_min;
    let sequences = workers as u64 * train.batch_sequences as u64;
    let tokens_per_round = sequences.saturating_mul(train.inner_steps).saturating_mul(train.sequence_length as u64);
    Ok(Plan {
        model: job.model.preset.clone().unwrap_or_else(|| "explicit".to_owned()),
        parameters: config.parameters(),
        workers,
        rounds: train.outer_steps,
        tokens_per_round,
        tokens: tokens_per_round.saturating_mul(train.outer_steps),
        memory: Memory { bytes: memory.total_bytes, arithmetic: memory.to_string(), available_bytes },
        codecs: codec_bytes(job, config.parameters())?,
        time: None,
    })
}

fn codec_bytes(job: &Job, parameters: usize) -> anyhow::Result<Vec<CodecBytes>> {
    let rounds = rounds_by_codec(job)?;
    let row = |(codec, rounds): (Codec, u64)| {
        let bytes = (HEADER_BYTES + SIGNATURE_BYTES + codec.body_bytes(parameters)) as u64;
        CodecBytes { codec: codec.name(), bytes, ratio: 4.0 * parameters as f64 / bytes as f64, rounds }
    };
    Ok(rounds.into_iter().map(row).collect())
}

/// How many rounds of the job use each codec; all codecs are listed.
fn rounds_by_codec(job: &Job) -> anyhow::Result<Vec<(Codec, u64)>> {
    let total = job.train.outer_steps;
    let mut stages = vec![(job.codec.warmup.clone(), job.codec.warmup_rounds)];
    stages.extend(job.codec.schedule.iter().map(|stage| (stage.codec.clone(), stage.rounds)));
    stages.push((job.codec.name.clone(), total));
    let mut rounds: Vec<(Codec, u64)> = Codec::ALL.map(|codec| (codec, 0)).into();
    let mut left = total;
    for (name, wanted) in stages {
        let codec: Codec = name.parse().map_err(wrong_use)?;
        let used = wanted.min(left);
        left -= used;
        let row = rounds.iter_mut().find(|(listed, _)| *listed == codec).context("a codec that is not listed")?;
        row.1 += used;
    }
    Ok(rounds)
}

/// Times a few training steps.
fn measure(job: &Job, config: &ModelConfig, device: &ComputeDevice, plan: &Plan) -> anyhow::Result<Time> {
    let train = &job.train;
    let sequences = micro_batch(job, config, device, plan.memory.available_bytes);
    let bench = models::bench_train(config, device, sequences, train.sequence_length, PROBE_STEPS)?;
    let inner_s = plan.tokens_per_round as f64 / plan.workers.max(1) as f64 / bench.tokens_per_s;
    let last = job.codec.last().map_err(wrong_use)?;
    let others = plan.workers.saturating_sub(1) as f64;
    let sent = plan.codecs.iter().find(|row| row.codec == last.name()).map_or(0.0, |row| row.bytes as f64);
    Ok(Time {
        device: bench.device,
        tokens_per_s: bench.tokens_per_s,
        inner_s,
        inner_shared_s: inner_s * plan.workers as f64,
        fetch_s: others * sent * 8.0 / LINK_BITS_PER_S,
    })
}

impl Plan {
    /// The plan in words.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "model       {}: {} parameters\nrun         {} rounds, {} workers, {} tokens a round, {} in all\n",
            self.model,
            count(self.parameters as f64),
            self.rounds,
            self.workers,
            count(self.tokens_per_round as f64),
            count(self.tokens as f64)
        );
        let available = bytes(self.memory.available_bytes as f64);
        let _ = writeln!(text, "memory      per worker: {} ({available} available here)", self.memory.arithmetic);
        let _ = writeln!(text, "exchange    bytes of a worker's contribution, header and signature counted");
        for row in &self.codecs {
            let used = if row.rounds > 0 { format!("  {} rounds of this job", row.rounds) } else { String::new() };
            let (name, size) = (row.codec, bytes(row.bytes as f64));
            let line = format!("            {name:10} {size:>10} {:6.1} × less than f32{used}", row.ratio);
            let _ = writeln!(text, "{}", line.trim_end());
        }
        if let Some(time) = &self.time {
            text.push_str(&time.to_text(self.workers));
        }
        text
    }
}

impl Time {
    fn to_text(&self, workers: usize) -> String {
        format!(
            "time        {} on {}; a round's inner steps {}, or {} when {workers} workers share it; \
             fetching the others' contributions {} at 100 Mbit/s\n",
            format_args!("{} tokens/s", count(self.tokens_per_s)),
            self.device,
            duration(self.inner_s),
            duration(self.inner_shared_s),
            duration(self.fetch_s)
        )
    }
}

#[cfg(test)]
mod tests;
