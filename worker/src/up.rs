//! A whole swarm on this machine: nothing but the same roles as processes of their own, watched and summed up.
//!
//! Invariants: everything that the run needs is in its directory, so that `--resume` goes on from whatever instant
//! all processes died at; however `up` ends, it ends its processes with it, within five seconds of a signal.

use std::io;
use std::path::Path;

use anyhow::Context;
use disk::read_json_lines;
use record::events::RunStart;
use record::{RoundRecord, RunDirectory};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::cli::{OutputFormat, UpArgs};
use crate::commands::generate::{Sampling, sample};
use crate::exit::{self, Interrupted};
use crate::output;

pub mod child;
pub mod ledger;
pub mod lines;
pub mod progress;
pub mod report;
pub mod settings;
pub mod supervisor;
pub mod swarm;

use ledger::SwarmLedger;
use progress::Progress;
use report::Report;
use settings::{Settings, ledger_arguments};
use swarm::Swarm;

/// What is said when a run stops before its end.
#[derive(Serialize)]
struct Stopped<'a> {
    event: &'static str,
    run_dir: &'a Path,
    resumable: bool,
    reason: &'a str,
}

/// Trains with a swarm until the run is finished or `stop` is cancelled, and reports.
///
/// # Errors
/// Wrong use; a run that failed, with the reason and where the logs are; [`Interrupted`] after `stop`.
pub async fn run(arguments: UpArgs, stop: CancellationToken) -> anyhow::Result<()> {
    exit::end_within(exit::UP_STOP_MS_MAX, stop.clone())?;
    let mut settings = Settings::resolve(&arguments)?;
    let _lock = settings.directory.lock("up")?;
    let ledger = if settings.embeds_ledger() {
        let ledger = SwarmLedger::start(&settings.directory, &settings.job, arguments.claim_delay_s).await?;
        settings.ledger = ledger_arguments(&ledger.home());
        Some(ledger)
    } else {
        None
    };
    let result = train(&arguments, &settings, &stop).await;
    if let Some(ledger) = ledger {
        ledger.end().await;
    }
    result
}

async fn train(arguments: &UpArgs, settings: &Settings, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut progress = Progress::new(io::stdout(), arguments.output.output);
    progress.say(&format!("run directory {}", settings.directory.root().display()))?;
    let mut swarm = Swarm::new(settings, progress);
    let outcome = swarm.run(stop).await;
    swarm.end().await;
    match outcome {
        Ok(run) => finish(arguments, settings, &run, stop).await,
        Err(error) => Err(stopped(arguments, settings, error)),
    }
}

/// Prints the report of a finished run.
async fn finish(
    arguments: &UpArgs,
    settings: &Settings,
    run: &RunStart,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let directory = &settings.directory;
    let rounds: Vec<RoundRecord> = read_json_lines(&directory.rounds_log())?;
    let mut report = Report::new(directory.root(), run, &rounds);
    if directory.payout().is_file() {
        report.rewards = Some(crate::commands::rewards::report(directory)?);
    }
    if let Some(checkpoint) = newest_checkpoint(directory) {
        report.sample = sample_text(arguments, &checkpoint, stop).await;
        report.checkpoint = Some(checkpoint.display().to_string());
    }
    match arguments.output.output {
        OutputFormat::Json => output::print_json(&report)?,
        OutputFormat::Text => output::print(&report.to_text())?,
    }
    Ok(())
}

/// The checkpoint that `latest` names.
fn newest_checkpoint(directory: &RunDirectory) -> Option<std::path::PathBuf> {
    let name = std::fs::read_to_string(directory.checkpoints().join("latest")).ok()?;
    let path = directory.checkpoints().join(name.trim());
    path.is_dir().then_some(path)
}

/// A sample of text; a run is not worth less when there is none.
async fn sample_text(arguments: &UpArgs, checkpoint: &Path, stop: &CancellationToken) -> Option<String> {
    if arguments.sample_tokens == 0 {
        return None;
    }
    let sampling = Sampling {
        checkpoint: checkpoint.to_path_buf(),
        // Documentation is what most Rust files begin with; other texts have lines too.
        prompt: if arguments.run.data_paths().is_empty() { "/// Returns the" } else { "\n" }.to_owned(),
        max_new_tokens: arguments.sample_tokens,
        temperature: 0.7,
        seed: 0,
        device: arguments.device.clone(),
    };
    let work = tokio::task::spawn_blocking(move || sample(&sampling));
    let text = tokio::select! {
        result = work => result.map_err(anyhow::Error::from).and_then(|text| text),
        () = stop.cancelled() => return None,
    };
    text.inspect_err(|error| tracing::warn!("no sample of text: {}", exit::describe(error))).ok()
}

/// Says how to go on, and passes the error along.
fn stopped(arguments: &UpArgs, settings: &Settings, error: anyhow::Error) -> anyhow::Error {
    if output::is_broken_pipe(&error) {
        return error;
    }
    let run_dir = settings.directory.root();
    let resumable = settings.directory.genesis().is_file();
    let interrupted = error.is::<Interrupted>();
    let said = match arguments.output.output {
        OutputFormat::Json => {
            let reason = if interrupted { "interrupted".to_owned() } else { exit::describe(&error) };
            output::print_json(&Stopped { event: "stopped", run_dir, resumable, reason: &reason })
        }
        OutputFormat::Text => output::print(&stopped_text(run_dir, resumable)),
    };
    if let Err(error) = said {
        return error.into();
    }
    if interrupted || exit::code_of(&error) == exit::WRONG_USE {
        return error;
    }
    error.context(format!("the run failed; logs are in {}", settings.directory.logs().display()))
}

fn stopped_text(run_dir: &Path, resumable: bool) -> String {
    if !resumable {
        return "\nstopped before training began\n".to_owned();
    }
    let program = std::env::args().next().unwrap_or_else(|| "cotrain".to_owned());
    format!("\nstopped; to go on: {program} up --resume {}\n", run_dir.display())
}

/// Makes the directories that processes write their logs and state to.
///
/// # Errors
/// When one cannot be made.
fn create_directory(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))
}
