//! What this machine does: the training step's tokens per second, the kernels beside a copy; what the codecs keep.

use models::ModelConfig;
use serde::Serialize;

use crate::cli::BenchTrainArgs;
use crate::exit::WrongUse;
use crate::output;
use crate::output::text::{bytes, count};

pub mod codecs;
pub mod kernels;

/// One row of `bench train --json`.
#[derive(Serialize)]
struct Row<'a> {
    model: &'a str,
    #[serde(flatten)]
    bench: &'a models::TrainBench,
}

/// Times the training step and prints a row.
///
/// # Errors
/// Wrong use for an unknown preset or a sequence longer than its context; what the device refuses.
pub fn train(arguments: &BenchTrainArgs) -> anyhow::Result<()> {
    let config = preset(&arguments.model)?;
    let device = &arguments.device;
    let chosen = models::survey(&device.device, device.require_gpu, device.threads)?.chosen;
    let estimate = models::memory_estimate(&config, arguments.batch, arguments.seq, !chosen.is_cpu());
    models::check_memory(&estimate, 1, models::available_bytes())?;
    let bench = models::bench_train(&config, &chosen, arguments.batch, arguments.seq, arguments.steps)?;
    if arguments.json {
        output::print_json(&Row { model: &arguments.model, bench: &bench })?;
    } else {
        output::print(&format!(
            "{} on {}: {} tokens/s (spread {:.0} %), batch {} of {} tokens, {} at most\n",
            arguments.model,
            bench.device,
            count(bench.tokens_per_s),
            100.0 * bench.spread,
            bench.batch,
            bench.seq,
            bytes(bench.peak_bytes as f64)
        ))?;
    }
    Ok(())
}

/// A preset by name.
fn preset(name: &str) -> anyhow::Result<ModelConfig> {
    ModelConfig::preset(name).ok_or_else(|| {
        let names = ModelConfig::preset_names();
        let near = |candidate: &&&str| (1000.0 * strsim::jaro_winkler(name, candidate)) as u64;
        let nearest = names.iter().max_by_key(near).copied().unwrap_or_default();
        WrongUse(format!("no model {name:?}; did you mean {nearest:?}? There are {}", names.join(", "))).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_model_suggests_the_nearest() {
        let message = preset("tyni").unwrap_err().to_string();
        assert!(message.contains("did you mean \"tiny\""), "{message}");
    }
}
