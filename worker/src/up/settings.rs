//! What `up` decides before it starts a process: the directory, the number of workers, each process's arguments.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aggregator::job::Job;
use aggregator::run_directory::RunDirectory;
use anyhow::Context;
use chain::Home;

use super::child::Recipe;
use super::create_directory;
use super::supervisor::Role;
use crate::cli::{DeviceArgs, UpArgs};
use crate::exit::{WrongUse, wrong_use};
use crate::output::Listening;

/// Where the aggregator of a swarm on one machine listens: nothing outside can connect.
const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";
/// What the processes write to their logs.
const PROCESS_LOG: &str = "info";
/// Directories tried for a new run before giving up: more runs do not begin within one second.
const ATTEMPTS_MAX: usize = 100;

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
        aggregator::check_memory(&job, workers + 1)?;
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

/// The directory of a new run: the one asked for, which must hold no run yet, or one named after the time.
///
/// # Errors
/// Wrong use when there is a run already; or when the directory cannot be made.
pub fn new_run_directory(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = asked {
        let path = absolute(path)?;
        if path.join("genesis.json").exists() {
            let shown = path.display();
            let message = format!("{shown} holds a run already: continue it with --resume {shown}, or name another");
            return Err(WrongUse(message).into());
        }
        return Ok(path);
    }
    let runs = absolute(Path::new("runs"))?;
    create_directory(&runs)?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for attempt in 0..ATTEMPTS_MAX {
        let name = if attempt == 0 { stamp(seconds) } else { format!("{}-{attempt}", stamp(seconds)) };
        match std::fs::create_dir(runs.join(&name)) {
            Ok(()) => return Ok(runs.join(name)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot create {}", runs.join(name).display())),
        }
    }
    Err(wrong_use(anyhow::anyhow!("too many runs begin at once; name a directory with --run-dir")))
}

/// Seconds since 1970 as `20261123-054501`, UTC; the calendar is Howard Hinnant's `civil_from_days`.
fn stamp(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_follow_the_calendar() {
        // From `date -u -d @N +%Y%m%d-%H%M%S`.
        for (seconds, expected) in [
            (0, "19700101-000000"),
            (951_782_399, "20000228-235959"),
            (951_782_400, "20000229-000000"),
            (1_709_251_200, "20240301-000000"),
            (1_795_412_701, "20261123-054501"),
            (4_107_542_400, "21000301-000000"),
        ] {
            assert_eq!(stamp(seconds), expected);
        }
    }

    #[test]
    fn addresses_to_listen_on_carry_no_peer() {
        assert_eq!(without_peer("/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW"), "/ip4/127.0.0.1/tcp/4001");
        assert_eq!(without_peer(LOOPBACK), LOOPBACK);
    }

    #[test]
    fn a_directory_with_a_run_is_not_begun_again() {
        let directory = tempfile::tempdir().unwrap();
        assert!(new_run_directory(Some(directory.path())).is_ok());
        std::fs::write(directory.path().join("genesis.json"), "").unwrap();
        let message = new_run_directory(Some(directory.path())).unwrap_err().to_string();
        assert!(message.contains("--resume"), "{message}");
    }

    #[test]
    fn every_worker_has_a_thread_however_many_there_are() {
        assert_eq!(threads_each(10_000), 1);
        assert!(threads_each(1) >= 1);
        assert_eq!(threads_each(0), threads_each(1));
    }
}
