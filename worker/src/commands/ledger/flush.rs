//! `ledger flush`: sends what a run still has to report, after an outage that outlasted it.

use std::time::Duration;

use ledger_client::{Account, Reporter};
use record::RunDirectory;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use crate::cli::LedgerFlushArgs;
use crate::output;

/// Sends until nothing waits, the time is over or `stop` is cancelled.
///
/// # Errors
/// When something still waits: the reason, and what would do.
pub async fn run(arguments: LedgerFlushArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let run = RunDirectory::open(&arguments.run_dir)?;
    let _lock = run.lock("aggregator")?;
    let access = Access::open(&arguments.ledger, Some(&run)).await?;
    let account = match arguments.ledger.account()? {
        Some(account) => account,
        None => Account::from_secret(&disk::read_secret(&run.state().join("identity.secret"))?),
    };
    let ceilings = arguments.ledger.ceilings();
    let reporter = Reporter::start(access.home.clone(), account, ceilings, &run.ledger(), stop.child_token())?;
    let within = Duration::from_secs(arguments.timeout_s);
    let drained = tokio::select! {
        drained = reporter.drained(within) => drained,
        () = stop.cancelled() => false,
    };
    let status = reporter.status().borrow().clone();
    access.end().await;
    let flushed = Flushed { waiting: status.waiting, landed: status.landed };
    output::show(arguments.output.output, &flushed, || {
        format!("{} reports landed, {} wait\n", flushed.landed, flushed.waiting)
    })?;
    let why = status.last_error.unwrap_or_else(|| "the time was over".to_owned());
    anyhow::ensure!(drained, "{} reports still wait for the ledger: {why}", status.waiting);
    Ok(())
}

#[derive(serde::Serialize)]
struct Flushed {
    waiting: usize,
    landed: u64,
}
