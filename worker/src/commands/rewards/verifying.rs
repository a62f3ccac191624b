//! `rewards verify`: whether what a run recorded of its rewards follows from what its voters signed.

use std::path::Path;

use protocol::{Hash, Roster};
use record::RoundRecord;
use record::{chained_log, manifests};
use rewards::verify;
use serde::Serialize;

use super::books::Books;
use crate::cli::OutputFormat;
use crate::output;

/// The result, for people and programs.
#[derive(Serialize)]
struct Verified {
    /// Whether nothing differs.
    ok: bool,
    /// Committed rounds whose manifests were checked.
    rounds: usize,
    /// Settlements that were recomputed.
    settlements: usize,
    /// Accounts whose amount and proof were checked; none before the session's end.
    proofs: Option<usize>,
    /// Units that are paid in all.
    total: Option<u64>,
    /// Everything that differs, in words.
    differences: Vec<String>,
}

/// Verifies a run and prints what was found.
///
/// # Errors
/// When something differs, or a file cannot be read at all.
pub(super) fn run(directory: &Path, format: OutputFormat) -> anyhow::Result<()> {
    let record = Books::read(directory)?;
    let mut differences = signed_rounds(&record);
    differences.extend(chained_log(&record));
    let recorded = verify::Record {
        session_number: record.session_number(),
        settlements: &record.settlements,
        payout: record.payout.as_ref(),
    };
    let found = verify::verify(&record.conditions, &record.accounts, &record.rounds, recorded)?;
    differences.extend(found.iter().map(ToString::to_string));
    let verified = Verified {
        ok: differences.is_empty(),
        rounds: record.rounds.len(),
        settlements: record.settlements.len(),
        proofs: record.payout.as_ref().map(|payout| payout.amounts.len()),
        total: record.payout.as_ref().map(|payout| payout.total),
        differences,
    };
    output::show(format, &verified, || verified.to_text())?;
    anyhow::ensure!(verified.ok, "{} of the recorded facts do not follow from the rounds", verified.differences.len());
    Ok(())
}

impl Verified {
    fn to_text(&self) -> String {
        let mut text: String = self.differences.iter().map(|difference| format!("{difference}\n")).collect();
        let paid = match (self.proofs, self.total) {
            (Some(proofs), Some(total)) => format!(", {proofs} proofs for {total} units"),
            _ => ", no payout yet".to_owned(),
        };
        let verdict = if self.ok { "verified" } else { "NOT verified" };
        let Self { rounds, settlements, .. } = self;
        text.push_str(&format!("{verdict}: {rounds} signed rounds, {settlements} settlements{paid}\n"));
        text
    }
}

/// In what the log of rounds differs from the manifests, which the aggregator and a quorum of voters signed.
fn signed_rounds(record: &Books) -> Vec<String> {
    let mut differences = Vec::new();
    let mut before: Option<(Hash, Roster)> = None;
    for line in &record.lines {
        match signed_round(record, line, before.as_ref()) {
            Ok(next) => before = Some(next),
            Err(why) => differences.push(format!("round {}: {why:#}", line.round)),
        }
    }
    differences
}

/// Checks one round; the hash of its manifest and the roster that votes on the next.
fn signed_round(record: &Books, line: &RoundRecord, before: Option<&(Hash, Roster)>) -> anyhow::Result<(Hash, Roster)> {
    let committed = manifests::read(&record.run, line.round)?;
    let manifest = &committed.manifest.body;
    anyhow::ensure!(manifest.session == record.genesis.session, "the manifest is of another session");
    match before {
        Some((parent, roster)) => {
            anyhow::ensure!(manifest.parent_hash == *parent, "the manifest does not follow the one before");
            committed.verify(&record.genesis.aggregator, roster)?;
        }
        // Who voted on the first round is known to the aggregator's journal alone; its proposer's signature stands
        // here.
        None => {
            anyhow::ensure!(committed.manifest.signer == record.genesis.aggregator, "another aggregator proposed it");
            committed.manifest.verify()?;
        }
    }
    let signed = RoundRecord { eval_loss: line.eval_loss, timings_ms: line.timings_ms, ..RoundRecord::of(&committed) };
    anyhow::ensure!(*line == signed, "rounds.jsonl says otherwise than the signed manifest");
    Ok((manifest.hash(), manifest.next_roster.clone()))
}

fn chained_log(record: &Books) -> Option<String> {
    let signed = match chained_log::verify(&record.run.audit_log(), &record.run.audit_head()) {
        Ok(signed) => signed,
        Err(error) => return Some(error.to_string()),
    };
    let signer = signed.signer;
    (signer != record.genesis.aggregator)
        .then(|| format!("the chained log's head is signed by {signer}, not by the aggregator"))
}
