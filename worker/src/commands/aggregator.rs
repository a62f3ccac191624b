//! The role that leads, as a process.

use std::path::PathBuf;

use aggregator::driver::AggregatorConfig;
use node::job::Job;
use tokio_util::sync::CancellationToken;

use super::new_run::new_run_directory;
use super::role::play;
use crate::cli::AggregatorArgs;

/// Leads a swarm until the run is finished or `stop` is cancelled.
///
/// # Errors
/// Wrong use, or what the driver reports.
pub async fn run(arguments: AggregatorArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let output = arguments.output.output;
    play(output, stop, |events, stop| async move {
        let config = config(&arguments)?;
        aggregator::driver::run(config, events, stop).await
    })
    .await
}

fn config(arguments: &AggregatorArgs) -> anyhow::Result<AggregatorConfig> {
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
