//! The arguments of what concerns the ledger: rewards, claims, wallets, and the ledger of a machine itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::OutputArgs;

/// The ledger that a process reports to: an embedded one, or an Aptos network.
#[derive(Args, Clone, Debug, Default)]
pub struct LedgerArgs {
    /// Address of the ledger's REST interface, as http://127.0.0.1:8090 or https://…/v1.
    #[arg(long = "ledger", env = "COTRAIN_LEDGER", value_name = "URL")]
    pub url: Option<String>,
    /// Address of the account that holds the contract.
    #[arg(long, env = "COTRAIN_LEDGER_MODULE", value_name = "ADDRESS", id = "ledger_module")]
    pub ledger_module: Option<String>,
    /// Number of the chain: 4 for an embedded ledger, 2 for Aptos testnet, 1 for mainnet.
    #[arg(long, env = "COTRAIN_LEDGER_CHAIN_ID", value_name = "N", default_value_t = 4)]
    pub ledger_chain_id: u8,
    /// File with the key that signs and pays, 64 hexadecimal digits; COTRAIN_LEDGER_KEY may hold the key itself
    /// [default: the identity of this run].
    #[arg(long, env = "COTRAIN_LEDGER_KEY_FILE", value_name = "FILE")]
    pub ledger_key_file: Option<PathBuf>,
    /// The most gas units that one transaction may use.
    #[arg(long, env = "COTRAIN_LEDGER_GAS_MAX", value_name = "UNITS", default_value_t = 2_000_000)]
    pub ledger_gas_max: u64,
    /// The highest price of a unit that is paid, in octas.
    #[arg(long, env = "COTRAIN_LEDGER_GAS_PRICE_MAX", value_name = "OCTAS", default_value_t = 500)]
    pub ledger_gas_price_max: u64,
}

/// Arguments of `rewards`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct RewardsArgs {
    /// What to do instead of the table.
    #[command(subcommand)]
    pub command: Option<RewardsCommand>,
    /// The run.
    #[arg(long, value_name = "RUN", required = true)]
    pub run_dir: Option<PathBuf>,
    /// Explain one worker's reward, round by round and to the last unit; the id may be shortened.
    #[arg(long, value_name = "WORKER")]
    pub explain: Option<String>,
    /// What each worker would have at the planned end of the run, with a range.
    #[arg(long, conflicts_with = "explain")]
    pub project: bool,
    /// The same as `--output json`.
    #[arg(long)]
    pub json: bool,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What `rewards` can do besides its table.
#[derive(Debug, Subcommand)]
pub enum RewardsCommand {
    /// Recompute every settlement, the rewards and the Merkle proofs from the run directory alone.
    Verify {
        /// The run.
        #[arg(long, value_name = "RUN")]
        run_dir: PathBuf,
        /// The same as `--output json`.
        #[arg(long)]
        json: bool,
        /// The form of the output.
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// What can be done with a ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Run the embedded ledger alone, for a machine or a private swarm.
    Serve(LedgerServeArgs),
    /// Send what a run still has to report, after an outage that outlasted it.
    Flush(LedgerFlushArgs),
}

/// Arguments of `ledger serve`.
#[derive(Args, Clone, Debug)]
pub struct LedgerServeArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,
    /// Where the ledger is kept.
    #[arg(long, value_name = "DIR", default_value = "ledger")]
    pub directory: PathBuf,
    /// The number of the chain, which every transaction names.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub chain_id: u8,
    /// Give no coins away; without it programs of this machine may have some.
    #[arg(long)]
    pub no_faucet: bool,
    /// Let other machines connect: whoever reaches the port may read and submit.
    #[arg(long)]
    pub remote: bool,
    /// The same as `--output json`.
    #[arg(long)]
    pub json: bool,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `ledger flush`.
#[derive(Args, Clone, Debug)]
pub struct LedgerFlushArgs {
    /// The run.
    #[arg(long, value_name = "RUN")]
    pub run_dir: PathBuf,
    /// The ledger, where it is not the one that the run reported to.
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// How long to try, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout_s: u64,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What can be done with a worker's wallet.
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Have a worker paid to the account of a key of yours instead of one of its own.
    Link(WalletLinkArgs),
    /// Show the account that a worker is paid to.
    Show(WalletShowArgs),
}

/// Arguments of `wallet link`.
#[derive(Args, Clone, Debug)]
pub struct WalletLinkArgs {
    /// The worker's directory.
    #[arg(long, env = "COTRAIN_WORKER_DIR", value_name = "DIR")]
    pub directory: PathBuf,
    /// File with the account's Ed25519 private key, 64 hexadecimal digits [default: the variable COTRAIN_WALLET_KEY, or
    /// the first line of standard input].
    #[arg(long, env = "COTRAIN_WALLET_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `wallet show`.
#[derive(Args, Clone, Debug)]
pub struct WalletShowArgs {
    /// The worker's directory.
    #[arg(long, env = "COTRAIN_WORKER_DIR", value_name = "DIR")]
    pub directory: PathBuf,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `claim`.
#[derive(Args, Clone, Debug)]
pub struct ClaimArgs {
    /// The worker's directory, with its key or its linked wallet.
    #[arg(long, env = "COTRAIN_WORKER_DIR", value_name = "DIR")]
    pub directory: PathBuf,
    /// The run, where it lies on this machine: its ledger, and the proof of what was earned in it.
    #[arg(long, value_name = "RUN")]
    pub run_dir: Option<PathBuf>,
    /// The run's `ledger/payout.json`, from whoever led it: the proof where a session is paid by a root.
    #[arg(long, value_name = "FILE", conflicts_with = "run_dir")]
    pub payout: Option<PathBuf>,
    /// The ledger, where it is not the one that the run on this machine reported to; a key given here pays the fee.
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}
