//! The two roles of a swarm as processes: settings, events on standard output, the driver, the end.

use std::io;
use std::path::PathBuf;

use aggregator::driver::AggregatorConfig;
use aggregator::job::Job;
use tokio_util::sync::CancellationToken;

use crate::cli::{AggregatorArgs, OutputFormat, WorkerArgs};
use crate::exit;
use crate::inputs;
use crate::output::{Event, Events, Failed, Printer};
use crate::up::settings::new_run_directory;

/// Trains for the swarm that the invite names until the run is finished or `stop` is cancelled.
///
/// # Errors
/// Wrong use, or what the driver reports.
pub async fn worker(arguments: WorkerArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let output = arguments.output.output;
    play(output, stop, |events, stop| async move {
        let config = inputs::worker(&arguments)?;
        crate::driver::run(config, events, stop).await
    })
    .await
}

/// Leads a swarm until the run is finished or `stop` is cancelled.
///
/// # Errors
/// Wrong use, or what the driver reports.
pub async fn aggregator(arguments: AggregatorArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let output = arguments.output.output;
    play(output, stop, |events, stop| async move {
        let config = aggregator_config(&arguments)?;
        aggregator::driver::run(config, events, stop).await
    })
    .await
}

fn aggregator_config(arguments: &AggregatorArgs) -> anyhow::Result<AggregatorConfig> {
    let (job, run_dir) = job_and_directory(arguments)?;
    Ok(AggregatorConfig {
        run_dir,
        resume: arguments.run.resume.is_some(),
        job,
        data: arguments.run.data_paths(),
        init: arguments.run.init.clone(),
        listen: arguments.listen.clone(),
        announce: arguments.announce.clone(),
        ledger: arguments.ledger.config()?,
        device: arguments.device.device,
        require_gpu: arguments.device.require_gpu,
        threads: arguments.device.threads,
    })
}

fn job_and_directory(arguments: &AggregatorArgs) -> anyhow::Result<(Job, PathBuf)> {
    if let Some(run) = &arguments.run.resume {
        return Ok((arguments.job.resolve_resumed(run)?, std::path::absolute(run)?));
    }
    Ok((arguments.job.resolve()?, new_run_directory(arguments.run.run_dir.as_deref())?))
}

/// Runs a driver with its events going to standard output, and reports its error there too.
async fn play<F, R>(format: OutputFormat, stop: CancellationToken, driver: F) -> anyhow::Result<()>
where
    F: FnOnce(Events, CancellationToken) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    exit::end_within(exit::ROLE_STOP_MS_MAX, stop.clone())?;
    let printer = Printer::start(io::stdout(), format, stop.clone())?;
    let result = driver(printer.events(), stop).await;
    if let Err(error) = &result {
        let wrong_use = exit::code_of(error) == exit::WRONG_USE;
        printer.events().emit(Event::Failed(Failed { message: exit::describe(error), wrong_use }));
    }
    printer.close();
    if printer.is_broken() {
        return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
    }
    result
}
