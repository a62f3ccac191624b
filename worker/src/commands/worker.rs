//! The worker as a process: which invite, which directory.

use std::path::{Path, PathBuf};

use anyhow::Context;
use protocol::Invite;
use tokio_util::sync::CancellationToken;

use super::role::play;
use crate::cli::WorkerArgs;
use crate::exit::wrong_use;
use crate::member::WorkerConfig;

/// Trains for the swarm that the invite names until the run is finished or `stop` is cancelled.
///
/// # Errors
/// Wrong use, or what the driver reports.
pub async fn run(arguments: WorkerArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let output = arguments.output.output;
    play(output, stop, |events, stop| async move {
        let config = config(&arguments)?;
        crate::member::run(config, events, stop).await
    })
    .await
}

/// The settings of a worker.
///
/// # Errors
/// Wrong use for a text that is no invite; no place for the worker's state.
fn config(arguments: &WorkerArgs) -> anyhow::Result<WorkerConfig> {
    let invite: Invite = arguments.invite.parse().map_err(wrong_use)?;
    let directory = match &arguments.directory {
        Some(directory) => directory.clone(),
        None => state_directory()?.join("workers").join(invite.session.to_string()),
    };
    let directory = absolute(&directory)?;
    let data_cache = match &arguments.data_cache {
        Some(cache) => absolute(cache)?,
        None => directory.join("data"),
    };
    Ok(WorkerConfig {
        invite,
        listen: arguments.listen.clone(),
        directory,
        device: arguments.device.device,
        require_gpu: arguments.device.require_gpu,
        threads: arguments.device.threads,
        data_cache,
    })
}

/// Where this user's programs keep state that outlives them.
fn state_directory() -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME")
        .or_else(|| set("LOCALAPPDATA"))
        .or_else(|| std::env::home_dir().map(|home| home.join(".local").join("state")));
    Ok(state
        .context("no home directory is known; name a place for the worker's state with --directory")?
        .join("cotrain"))
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))
}
