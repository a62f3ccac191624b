//! What the workers of a run contributed and earned: tables, explanations, projections, and the check of all of it.

use anyhow::Context;
use protocol::WorkerId;
use rewards::explain::explain;
use rewards::projection::{Projection, project};
use rewards::report::Report;

use crate::cli::{OutputFormat, RewardsArgs, RewardsCommand};
use crate::exit::WrongUse;
use crate::output;
use record::RunDirectory;

pub mod books;
mod verifying;

use books::Books;

/// Prints what was asked for.
///
/// # Errors
/// Wrong use; a run whose records are damaged; a record that does not follow from its rounds.
pub fn run(arguments: &RewardsArgs) -> anyhow::Result<()> {
    if let Some(RewardsCommand::Verify { run_dir, json, output }) = &arguments.command {
        return verifying::run(run_dir, format(*json, output.output));
    }
    let Some(directory) = &arguments.run_dir else {
        return Err(WrongUse("name the run with --run-dir RUN".to_owned()).into());
    };
    let record = Books::read(directory)?;
    let format = format(arguments.json, arguments.output.output);
    match &arguments.explain {
        Some(worker) => print_explanation(&record, worker, format),
        None if arguments.project => print_projections(&record, format),
        None => {
            let report = report_of(&record)?;
            Ok(output::show(format, &report, || report.to_text())?)
        }
    }
}

/// The report of a run.
///
/// # Errors
/// When its records are damaged.
pub fn report(run: &RunDirectory) -> anyhow::Result<Report> {
    report_of(&Books::read(run.root())?)
}

fn report_of(record: &Books) -> anyhow::Result<Report> {
    let outcome = record.outcome()?;
    let session = record.session_number().to_string();
    Ok(Report::new(session, &record.conditions, &outcome, &record.transactions(&outcome)))
}

fn print_explanation(record: &Books, worker: &str, format: OutputFormat) -> anyhow::Result<()> {
    let worker = find_worker(record, worker)?;
    let explanation = explain(&record.conditions, &record.accounts, &record.rounds, &worker.0)?;
    let explanation = explanation.context("the worker contributed to no round")?;
    Ok(output::show(format, &explanation, || explanation.to_text())?)
}

fn print_projections(record: &Books, format: OutputFormat) -> anyhow::Result<()> {
    let outcome = record.outcome()?;
    let report = Report::new("", &record.conditions, &outcome, &Default::default());
    let planned = record.job.train.outer_steps;
    let projections: Vec<Projection> = report
        .workers
        .iter()
        .map(|row| project(&record.conditions, &record.accounts, &record.rounds, planned, &row.worker))
        .collect::<Result<_, _>>()?;
    Ok(output::show(format, &projections, || table(&projections))?)
}

fn table(projections: &[Projection]) -> String {
    let head = format!("{:8}  {:>14}  {:>14}  {:>14}\n", "worker", "low", "expected", "high");
    let rows = projections.iter().map(|of| {
        let short = WorkerId(of.worker).short();
        format!("{short:8}  {:>14}  {:>14}  {:>14}\n", of.low, of.expected, of.high)
    });
    let rounds = projections.first().map(|of| format!("after {} of {} rounds\n", of.rounds, of.planned_rounds));
    std::iter::once(head).chain(rows).chain(rounds).collect()
}

/// The worker whose id begins so.
fn find_worker(record: &Books, text: &str) -> anyhow::Result<WorkerId> {
    let ids = record.rounds.iter().flat_map(|round| &round.contributions).map(|contribution| contribution.worker);
    let ids: std::collections::BTreeSet<[u8; 32]> = ids.collect();
    let begins = |id: &&[u8; 32]| WorkerId(**id).to_string().starts_with(text);
    let mut found = ids.iter().filter(begins);
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(WorkerId(*id)),
        (Some(_), Some(_)) => {
            Err(WrongUse(format!("several workers' ids begin with {text:?}: give more digits")).into())
        }
        (None, _) => {
            let known: Vec<String> = ids.iter().map(|id| WorkerId(*id).short()).collect();
            let message =
                format!("no worker of this run has an id that begins with {text:?}; there are {}", known.join(", "));
            Err(WrongUse(message).into())
        }
    }
}

fn format(json: bool, output: OutputFormat) -> OutputFormat {
    if json { OutputFormat::Json } else { output }
}
