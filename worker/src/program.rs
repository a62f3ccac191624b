//! From the command line to an exit code.

use clap::{ArgMatches, CommandFactory, FromArgMatches};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::cli::{BenchCommand, CheckpointCommand, Cli, CodecCommand, Command, ConfigCommand, LedgerCommand};
use crate::commands::{
    aggregator, bench, checkpoint, claim, codec, completions, config, doctor, generate, ledger, man, plan, rewards,
    wallet, worker,
};
use crate::{exit, up};

/// Threads of the runtime that drives network, disk and children; computing has its own.
const RUNTIME_THREADS: usize = 2;

/// Runs the program and returns its exit code.
pub fn run() -> u8 {
    let parsed = Cli::command().try_get_matches().and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return refused(&error),
    };
    let result = start_log(&cli.log).and_then(|()| execute(cli, &matches));
    match result {
        Ok(()) => exit::DONE,
        Err(error) => {
            if !exit::is_quiet(&error) {
                complain(&format!("error: {}", exit::describe(&error)));
            }
            exit::code_of(&error)
        }
    }
}

/// Prints what clap has to say: help and version are answers, all else is wrong use.
fn refused(error: &clap::Error) -> u8 {
    // A reader that has gone needs no help.
    let _ = error.print();
    if error.use_stderr() { exit::WRONG_USE } else { exit::DONE }
}

/// Writes to standard error, wherever that leads.
fn complain(message: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "{message}");
}

fn start_log(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        exit::wrong_use(anyhow::anyhow!("--log {filter:?}: {error}; levels are error, warn, info, debug, trace"))
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A closed standard error is no reason to panic over a line of the log.
    let log = log.log_internal_errors(false).with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    log.try_init().map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

fn execute(cli: Cli, matches: &ArgMatches) -> anyhow::Result<()> {
    let stdin = cli.stop_on_stdin_end;
    match cli.command {
        Command::Up(arguments) => drive(stdin, |stop| up::run(arguments, stop)),
        Command::Worker(arguments) => drive(stdin, |stop| worker::run(arguments, stop)),
        Command::Aggregator(arguments) => drive(stdin, |stop| aggregator::run(arguments, stop)),
        Command::Rewards(arguments) => rewards::run(&arguments),
        Command::Claim(arguments) => drive(stdin, |_| claim::run(arguments)),
        Command::Wallet(command) => wallet::run(&command),
        Command::Ledger(LedgerCommand::Serve(arguments)) => drive(stdin, |stop| ledger::serve(arguments, stop)),
        Command::Ledger(LedgerCommand::Flush(arguments)) => drive(stdin, |stop| ledger::flush::run(arguments, stop)),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Bench(BenchCommand::Train(arguments)) => bench::train(&arguments),
        Command::Bench(BenchCommand::Kernels(arguments)) => bench::kernels::run(&arguments),
        Command::Bench(BenchCommand::Codecs(arguments)) => bench::codecs::run(&arguments),
        Command::Bench(BenchCommand::Compare { before, after }) => bench::kernels::compare(&before, &after),
        Command::Checkpoint(CheckpointCommand::Verify { directory, output }) => {
            checkpoint::verify(&directory, output.output)
        }
        Command::Checkpoint(CheckpointCommand::Export { directory, out, shard_bytes_max }) => {
            checkpoint::export(&directory, &out, shard_bytes_max)
        }
        Command::Codec(CodecCommand::Encode(arguments)) => codec::encode(&arguments),
        Command::Codec(CodecCommand::Decode(arguments)) => codec::decode(&arguments),
        Command::Codec(CodecCommand::Archive(arguments)) => codec::archive(&arguments),
        Command::Codec(CodecCommand::Restore(arguments)) => codec::restore(&arguments),
        Command::Codec(CodecCommand::Inspect(arguments)) => codec::inspect(&arguments),
        Command::Config(ConfigCommand::Explain(arguments)) => config::explain(&arguments, matches),
        Command::Config(ConfigCommand::Keys) => config::keys(),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Completions { shell } => completions::run(shell),
        Command::Man { out } => man::run(out.as_deref()),
    }
}

/// Runs a role on the runtime, with a token that signals and, if asked, the end of standard input cancel.
fn drive<F, R>(stop_on_stdin_end: bool, role: F) -> anyhow::Result<()>
where
    F: FnOnce(CancellationToken) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build()?;
    let result = runtime.block_on(async {
        let stop = CancellationToken::new();
        exit::stop_on_signals(stop.clone());
        if stop_on_stdin_end {
            exit::stop_on_stdin_end(stop.clone())?;
        }
        role(stop).await
    });
    // Work that computes on a thread of its own ends with the process; nothing of it is needed any more.
    runtime.shutdown_background();
    result
}
