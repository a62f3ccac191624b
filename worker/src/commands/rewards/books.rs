//! What a run directory holds of a session's rewards.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use disk::{read_json, read_json_lines_if_any};
use ledger_client::Landed;
use node::job::Job;
use record::pay::{self, session_number};
use record::{Genesis, RoundRecord, RunDirectory};
use rewards::payout::Payout;
use rewards::session::{Accounts, Address, Conditions, Outcome, Round, Settlement};

use crate::exit::wrong_use;

/// The longest payout that is read: ten thousand accounts with their proofs take a tenth of it.
pub const PAYOUT_BYTES_MAX: u64 = 256 << 20;

/// The records of one run.
pub struct Books {
    pub run: RunDirectory,
    /// Its fixed facts.
    pub genesis: Genesis,
    pub job: Job,
    /// What rewards depend on besides the rounds.
    pub conditions: Conditions,
    /// Which account is paid for which worker.
    pub accounts: Accounts,
    /// The committed rounds as the log has them.
    pub lines: Vec<RoundRecord>,
    /// The same as the accounting takes them.
    pub rounds: Vec<Round>,
    /// What was settled.
    pub settlements: Vec<Settlement>,
    /// What is paid, once the session is over.
    pub payout: Option<Payout>,
    /// What landed on the ledger.
    pub landed: Vec<Landed>,
}

impl Books {
    /// Reads a run; nothing in it is changed.
    ///
    /// # Errors
    /// Wrong use when there is no run; a file that is damaged.
    pub fn read(directory: &Path) -> anyhow::Result<Self> {
        let run = RunDirectory::at(directory);
        let missing = || format!("{} holds no run", directory.display());
        let genesis = Genesis::read(&run.genesis()).with_context(missing).map_err(wrong_use)?;
        let job = Job::read(&run.job()).with_context(missing).map_err(wrong_use)?;
        let conditions = job.reward_conditions(genesis.elements)?;
        let lines: Vec<RoundRecord> = read_json_lines_if_any(&run.rounds_log())?;
        let rounds = lines.iter().map(pay::counted).collect();
        let accounts = pay::read_accounts(&run)?;
        let settlements = read_json_lines_if_any(&run.settlements())?;
        let payout = run.payout().is_file().then(|| read_json(&run.payout(), PAYOUT_BYTES_MAX)).transpose()?;
        let landed = read_json_lines_if_any(&run.ledger().join("receipts.jsonl"))?;
        Ok(Self { run, genesis, job, conditions, accounts, lines, rounds, settlements, payout, landed })
    }

    /// The session's number on the ledger.
    pub fn session_number(&self) -> u64 {
        session_number(&self.genesis.session)
    }

    /// What follows from the rounds.
    ///
    /// # Errors
    /// When they are not the log of a session.
    pub fn outcome(&self) -> anyhow::Result<Outcome> {
        Ok(Outcome::of_rounds(&self.conditions, &self.accounts, &self.rounds)?)
    }

    /// The transaction by which each account was paid or may claim: that of the whole session.
    pub fn transactions(&self, outcome: &Outcome) -> BTreeMap<Address, String> {
        let paid = self.landed.iter().rev().find(|landed| is_payment(&landed.call));
        let Some(hash) = paid.and_then(|paid| paid.hash) else { return BTreeMap::new() };
        outcome.participants.iter().map(|participant| (participant.address, hash.to_string())).collect()
    }
}

fn is_payment(call: &str) -> bool {
    call == "distribute_rewards" || call == "publish_root"
}
