//! The command line: what can be asked of the program, and nothing of how it is done.
//!
//! Every flag that settles a run has a variable `COTRAIN_…` of the same meaning; a flag wins over its variable, the
//! variable over the job file, the file over the default. Wrong use ends with code 2 and names what would do.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use models::DeviceChoice;

pub mod job;
mod ledger;
mod tools;

pub use job::JobArgs;
pub use ledger::{
    ClaimArgs, LedgerArgs, LedgerCommand, LedgerFlushArgs, LedgerServeArgs, RewardsArgs, RewardsCommand, WalletCommand,
    WalletLinkArgs, WalletShowArgs,
};
pub use tools::{
    BenchCodecsArgs, BenchCommand, BenchKernelsArgs, BenchTrainArgs, CheckpointCommand, CodecArchiveArgs, CodecCommand,
    CodecDecodeArgs, CodecEncodeArgs, CodecInspectArgs, CodecRestoreArgs, ConfigCommand, DoctorArgs, ExplainArgs,
    GenerateArgs, PlanArgs,
};

/// Train a transformer together: a swarm of workers and an aggregator that scores what they send.
#[derive(Debug, Parser)]
#[command(name = "cotrain", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What goes to the log on standard error, as `warn`, `info` or `target=level,…`.
    #[arg(long, global = true, env = "COTRAIN_LOG", value_name = "FILTER", default_value = "warn")]
    pub log: String,
    /// End when standard input does: how the processes of `up` notice that it died.
    #[arg(long, global = true, hide = true)]
    pub stop_on_stdin_end: bool,
}

/// The roles and tools of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train with a whole swarm on this machine: one aggregator and several workers as processes of their own.
    Up(UpArgs),
    /// Join a swarm with the invite that its aggregator printed.
    Worker(WorkerArgs),
    /// Lead a swarm: print an invite, score what the workers send, keep the run directory.
    Aggregator(AggregatorArgs),
    /// Show what the workers of a run contributed and earned.
    Rewards(RewardsArgs),
    /// Have what a worker earned paid out to its account.
    Claim(ClaimArgs),
    /// Choose the account that a worker is paid to.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Run the embedded ledger, or send what waits for one.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Write text from a checkpoint.
    Generate(GenerateArgs),
    /// Say before a launch what a job costs: parameters, memory, bytes per round, time per round.
    Plan(PlanArgs),
    /// Measure this machine.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Check or convert checkpoints.
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// Turn tensors into payload files and back, or look into a payload file.
    #[command(subcommand)]
    Codec(CodecCommand),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show the devices, memory and text that a run here would use.
    Doctor(DoctorArgs),
    /// Print what makes a shell complete this program's commands and flags.
    Completions {
        /// The shell.
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Print the manual page of this program, or write a page for every command.
    Man {
        /// The directory that the pages are written to, such as a `man1` that `man` looks into.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// How results and progress are written to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where a run's text and state come from and go to.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
    /// Text to train on: files (txt, md, sources, jsonl with a "text" field) or directories. Without it: the sources
    /// of well-known crates in the cargo registry.
    /// The variable COTRAIN_DATA holds paths separated as in PATH.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Start from a checkpoint in Hugging Face's form instead of fresh parameters.
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub init: Option<PathBuf>,
    /// The run directory to create [default: runs/DATE-TIME].
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub run_dir: Option<PathBuf>,
    /// Continue the run in this directory.
    #[arg(long, value_name = "RUN")]
    pub resume: Option<PathBuf>,
}

impl RunArgs {
    /// The paths of `--data`, or of the variable `COTRAIN_DATA`; empty for the default text.
    pub fn data_paths(&self) -> Vec<PathBuf> {
        if !self.data.is_empty() {
            return self.data.clone();
        }
        let variable = std::env::var_os("COTRAIN_DATA").unwrap_or_default();
        std::env::split_paths(&variable).filter(|path| !path.as_os_str().is_empty()).collect()
    }
}

/// Which device computes.
#[derive(Args, Clone, Debug)]
pub struct DeviceArgs {
    /// auto, cpu, wgpu, wgpu:N, cuda or cuda:N. `auto` takes a GPU when there is one and never a software adapter.
    #[arg(long, env = "COTRAIN_DEVICE", value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// Fail rather than compute on the CPU.
    #[arg(long, env = "COTRAIN_REQUIRE_GPU")]
    pub require_gpu: bool,
    /// CPU threads [default: all cores; under `up` an equal share of them for each worker].
    #[arg(long, env = "COTRAIN_THREADS", value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
}

/// The form of the output.
#[derive(Args, Clone, Copy, Debug)]
pub struct OutputArgs {
    /// For people or for programs.
    #[arg(long, env = "COTRAIN_OUTPUT", value_enum, default_value_t = OutputFormat::Text)]
    pub output: OutputFormat,
}

/// Arguments of `up`.
#[derive(Args, Clone, Debug)]
pub struct UpArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// Text and directories.
    #[command(flatten)]
    pub run: RunArgs,
    /// The ledger that the session is reported to, instead of one of its own.
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Seconds before what was earned may be claimed from the swarm's own ledger: the time in which it can be
    /// contested.
    #[arg(long, env = "COTRAIN_CLAIM_DELAY_S", value_name = "SECONDS", default_value_t = 86_400)]
    pub claim_delay_s: u64,
    /// Deaths of one process that are answered by starting it again.
    #[arg(long, env = "MAX_FAILURES_PER_NODE", value_name = "N", default_value_t = 3)]
    pub max_failures: u32,
    /// Tokens of sample text at the end; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 160)]
    pub sample_tokens: usize,
}

/// Arguments of `worker`.
#[derive(Args, Clone, Debug)]
pub struct WorkerArgs {
    /// The string that the aggregator printed.
    #[arg(env = "COTRAIN_INVITE", value_name = "INVITE")]
    pub invite: String,
    /// Where this worker keeps its key and its state between restarts [default: one per session under the user's
    /// state directory].
    #[arg(long, env = "COTRAIN_WORKER_DIR", value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Where fetched text is kept [default: in the worker's directory].
    #[arg(long, env = "COTRAIN_DATA_CACHE", value_name = "DIR")]
    pub data_cache: Option<PathBuf>,
    /// Where to listen for peers that fetch from here, as ADDRESS:PORT or a multiaddress; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:0", value_parser = listen_address)]
    pub listen: Vec<String>,
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `aggregator`.
#[derive(Args, Clone, Debug)]
pub struct AggregatorArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// Text and directories.
    #[command(flatten)]
    pub run: RunArgs,
    /// Where to listen, as ADDRESS:PORT or a multiaddress; port 0 takes a free one. May be given several times.
    #[arg(long, env = "COTRAIN_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:0")]
    #[arg(value_parser = listen_address)]
    pub listen: Vec<String>,
    /// Multiaddresses to put into the invite instead of those listened on (behind a router).
    #[arg(long, env = "LIBP2P_ANNOUNCE_ADDR", value_name = "MULTIADDR", value_delimiter = ',')]
    pub announce: Vec<String>,
    /// The ledger that the session is reported to.
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// The device.
    #[command(flatten)]
    pub device: DeviceArgs,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Parses a number of at least one.
fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

/// Takes a multiaddress as it is and turns `ADDRESS:PORT` into one.
fn listen_address(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    let address: std::net::SocketAddr = text.parse().map_err(|_| {
        format!(
            "{text:?} is neither ADDRESS:PORT, such as 0.0.0.0:4001, nor a multiaddress, such as /ip4/0.0.0.0/tcp/4001"
        )
    })?;
    let family = if address.is_ipv4() { "ip4" } else { "ip6" };
    Ok(format!("/{family}/{}/tcp/{}", address.ip(), address.port()))
}

#[cfg(test)]
mod tests;
