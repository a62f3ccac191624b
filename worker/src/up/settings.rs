//! What `up` decides before it starts a process: the directory, the number of workers, each process's arguments.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ledger_client::Home;
use node::job::Job;
use record::RunDirectory;
use record::events::Listening;

use super::child::Recipe;
use super::create_directory;
use super::supervisor::Role;
use crate::cli::{DeviceArgs, UpArgs};
use crate::commands::new_run::new_run_directory;
use crate::exit::{WrongUse, wrong_use};

/// Where the aggregator of a swarm on one machine listens: nothing outside can connect.
const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";
/// What the processes write to their logs.
const PROCESS_LOG: &str = "info";

/// The settings of a swarm.
#[derive(Debug)]
pub struct Settings {
    /// The run directory, absolute.
    pub directory: RunDirectory,
    /// Workers to start.
    pub workers: usize,
    /// Restarts of one process.
    pub failures_max: u32,
    /// What all nodes agree on.
    pub job: Job,
    /// What the aggregator is told of the ledger.
    pub ledger: Vec<OsString>,
    program: PathBuf,
    /// What the aggregator of a new run is told.
    new_run: Vec<OsString>,
    device: DeviceArgs,
}

impl Settings {
    /// Checks the arguments and makes the run directory.
    ///
    /// # Errors
    /// Wrong use, or a directory that cannot be made.
    pub fn resolve(arguments: &UpArgs) -> anyhow::Result<Self> {
        let job = match &arguments.run.resume {
            Some(run) => arguments.job.resolve_resumed(run)?,
            None => arguments.job.resolve()?,
        };
        let directory = match &arguments.run.resume {
            Some(run) => open_run(&absolute(run)?)?,
            None => RunDirectory::create(&new_run_directory(arguments.run.run_dir.as_deref())?)?,
        };
        let workers = job.round.workers_min;
        // What is wrong with it is said here, and not by the aggregator's death.
        arguments.ledger.config()?;
        // The aggregator holds a model too.
        node::check_memory(&job, workers + 1)?;
        for ordinal in 0..workers {
            create_directory(&directory.worker(ordinal))?;
        }
        Ok(Self {
            directory,
            new_run: new_run_arguments(arguments),
            device: arguments.device.clone(),
            workers,
            failures_max: arguments.max_failures,
            job,
            ledger: arguments.ledger.to_arguments(),
            program: std::env::current_exe().context("cannot find this program's own file")?,
        })
    }

    /// Whether `up` itself has to keep a ledger: something is to be paid and no other is named.
    #[must_use]
    pub fn embeds_ledger(&self) -> bool {
        self.job.rewards.pool > 0 && self.ledger.is_empty()
    }

    /// How to start a process; a worker needs the invite of the aggregator, a restarted aggregator its addresses.
    pub fn recipe(&self, role: Role, listening: Option<&Listening>) -> Recipe {
        let mut environment = Vec::new();
        let arguments = match role {
            Role::Aggregator => self.aggregator(listening),
            Role::Worker(ordinal) => {
                // Not an argument, since other users of the machine can read those.
                let invite = listening.map(|listening| listening.invite.clone()).unwrap_or_default();
                environment.push(("COTRAIN_INVITE", OsString::from(invite)));
                self.worker(ordinal)
            }
        };
        let log = self.directory.logs().join(format!("{role}.log"));
        Recipe { program: self.program.clone(), arguments, environment, log }
    }

    /// A new run is made once; after a death it is resumed, where its workers look for it.
    fn aggregator(&self, listening: Option<&Listening>) -> Vec<OsString> {
        let mut line = role_arguments("aggregator");
        let root = self.directory.root().as_os_str().to_owned();
        if self.directory.genesis().is_file() {
            line.extend(["--resume".into(), root]);
        } else {
            line.extend(["--run-dir".into(), root]);
            line.extend(self.new_run.iter().cloned());
        }
        let addresses = listening.map_or_else(|| vec![LOOPBACK.to_owned()], |listening| listening.addresses.clone());
        for address in addresses {
            line.extend(["--listen".into(), without_peer(&address).into()]);
        }
        line.extend(self.ledger.iter().cloned());
        line.extend(device_arguments(&self.device));
        line
    }

    fn worker(&self, ordinal: usize) -> Vec<OsString> {
        let threads = self.device.threads.unwrap_or_else(|| threads_each(self.workers));
        let mut line = role_arguments("worker");
        line.extend(["--directory".into(), self.directory.worker(ordinal).into_os_string()]);
        line.extend(["--listen".into(), LOOPBACK.into()]);
        line.extend(device_arguments(&DeviceArgs { threads: Some(threads), ..self.device.clone() }));
        line
    }
}

/// How the aggregator finds an embedded ledger.
#[must_use]
pub fn ledger_arguments(home: &Home) -> Vec<OsString> {
    let Home { url, module, chain_id } = home;
    let (module, chain_id) = (module.to_string(), chain_id.to_string());
    let words = ["--ledger", url, "--ledger-module", &module, "--ledger-chain-id", &chain_id];
    words.map(OsString::from).to_vec()
}

/// Job, text and start of a new run.
fn new_run_arguments(arguments: &UpArgs) -> Vec<OsString> {
    let mut line = arguments.job.to_arguments();
    let data = arguments.run.data_paths();
    if !data.is_empty() {
        line.push("--data".into());
        line.extend(data.into_iter().map(PathBuf::into_os_string));
    }
    if let Some(init) = &arguments.run.init {
        line.extend(["--init".into(), init.clone().into_os_string()]);
    }
    line
}

/// An equal share of the cores for each worker, at least one.
fn threads_each(workers: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / workers.max(1)).max(1)
}

fn role_arguments(role: &str) -> Vec<OsString> {
    [role, "--output", "json", "--stop-on-stdin-end", "--log", PROCESS_LOG].map(OsString::from).to_vec()
}

fn device_arguments(device: &DeviceArgs) -> Vec<OsString> {
    let mut line = vec!["--device".into(), device.device.to_string().into()];
    if device.require_gpu {
        line.push("--require-gpu".into());
    }
    if let Some(threads) = device.threads {
        line.extend(["--threads".into(), threads.to_string().into()]);
    }
    line
}

/// A multiaddress without its `/p2p/…` end, which one cannot listen on.
fn without_peer(address: &str) -> String {
    address.split("/p2p/").next().unwrap_or(address).to_owned()
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))
}

/// Opens a run that got as far as its first state.
fn open_run(root: &Path) -> anyhow::Result<RunDirectory> {
    let directory = RunDirectory::open(root).map_err(wrong_use)?;
    if directory.genesis().is_file() {
        return Ok(directory);
    }
    let message = format!("{} was stopped before its first round: nothing to resume; start it anew", root.display());
    Err(WrongUse(message).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_to_listen_on_carry_no_peer() {
        assert_eq!(without_peer("/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW"), "/ip4/127.0.0.1/tcp/4001");
        assert_eq!(without_peer(LOOPBACK), LOOPBACK);
    }

    #[test]
    fn every_worker_has_a_thread_however_many_there_are() {
        assert_eq!(threads_each(10_000), 1);
        assert!(threads_each(1) >= 1);
        assert_eq!(threads_each(0), threads_each(1));
    }
}
