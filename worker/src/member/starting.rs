//! From what the welcome says and the disk holds to a core and a learner that go on together.

use std::sync::Arc;

use disk::RecordLog;
use models::{DeviceReport, Trainer};
use network::Network;
use node::job::Job;
use node::learner::{Learner, LearnerParts, Snapshot};
use node::learning::SessionFacts;
use node::payloads;
use node::state::{OuterRule, State};
use protocol::member::{MemberConfig, MemberResume};
use protocol::message::{LedgerConditions, Welcome};
use protocol::{Keypair, Member};

use super::Machine;
use super::directory::Directory;
use super::join::Joined;
use super::writer::Writer;

/// What the loop starts from.
pub(super) struct Started {
    pub(super) member: Member,
    pub(super) learner: Learner,
    pub(super) records: RecordLog,
    pub(super) writer: Writer,
    /// The longest payload of this model, in bytes.
    pub(super) limit: u64,
    /// The ledger that the session reports to.
    pub(super) ledger: Option<LedgerConditions>,
    /// What was found damaged and left aside, in words.
    pub(super) notes: Vec<String>,
}

/// Puts core and learner together.
pub(super) fn start(machine: &Machine, joined: Joined) -> anyhow::Result<Started> {
    let Machine { directory, network, .. } = machine;
    let Joined { welcome, job, split, state: fetched } = joined;
    let keypair = Keypair::from_secret(&machine.secret);
    node::check_memory(&job, 1)?;
    let trainer = trainer(directory, &job, &machine.report)?;
    let facts = SessionFacts::new(welcome.session, job, split)?;
    let mut notes = Vec::new();
    let (snapshot, state) = match kept(directory, &facts.rule, &welcome, &mut notes) {
        Some((snapshot, state)) => (Some(snapshot), state),
        None => (None, fetched_state(&facts.rule, &welcome, &fetched)?),
    };
    let head = snapshot.as_ref().map_or_else(|| welcome.head.clone(), |snapshot| Some(snapshot.head.clone()));
    network.blobs().insert(state.to_bytes())?;
    let (records, kept_records) = directory.records()?;
    let limit = payloads::bytes_max(facts.rule.layout().elements);
    let aggregator = machine.config.invite.aggregator;
    let ledger = welcome.ledger;
    let (session, parameters) = (facts.session, facts.parameters.clone());
    let mut learner =
        Learner::new(LearnerParts { facts, worker: keypair.worker(), trainer, state, head: head.clone() })?;
    let writer = Writer::spawn(directory.clone())?;
    match snapshot {
        Some(snapshot) => learner.restore(snapshot)?,
        None => writer.write(learner.snapshot()?)?,
    }
    serve_again(directory, &mut learner, network, &mut notes)?;
    let config = MemberConfig { session, keypair, aggregator, parameters };
    // A promise whose payload is gone cannot be kept; the worker then counts as one that missed the round.
    let member = Member::resume(config, MemberResume { head, records: kept_records });
    Ok(Started { member, learner, records, writer, limit, ledger, notes })
}

/// The trainer, with the micro-batch that this worker was found to take.
fn trainer(directory: &Directory, job: &Job, report: &DeviceReport) -> anyhow::Result<Trainer> {
    let (config, device) = (job.model.config()?, &report.chosen);
    let mut options = node::trainer_options(job, device);
    let (sequences, length) = (job.train.batch_sequences, job.train.sequence_length);
    let probe = || Ok(models::probe_micro_batch(&config, device, &options, sequences, length, 1)?);
    options.micro_batch = directory.micro_batch(probe)?;
    Ok(Trainer::new(&config, device, options)?)
}

/// Serves the payload on the disk again, when it is one that the learner takes up.
fn serve_again(
    directory: &Directory,
    learner: &mut Learner,
    network: &Network,
    notes: &mut Vec<String>,
) -> anyhow::Result<()> {
    let (facts, file) = match directory.load_payload() {
        Ok(Some((facts, file))) => (facts, Arc::new(file)),
        Ok(None) => return Ok(()),
        Err(error) => {
            notes.push(format!("{error}; the round is trained again"));
            return Ok(());
        }
    };
    if learner.announce(facts, file.clone()) {
        network.blobs().insert(file)?;
    }
    Ok(())
}

/// The snapshot on the disk, when it is there, whole and of this session.
fn kept(
    directory: &Directory,
    rule: &OuterRule,
    welcome: &Welcome,
    notes: &mut Vec<String>,
) -> Option<(Snapshot, State)> {
    let snapshot = match directory.load_snapshot() {
        Ok(kept) => kept?,
        Err(error) => {
            notes.push(format!("{error}; the state is fetched instead, residual and AdamW start from zero"));
            return None;
        }
    };
    let head = &snapshot.head;
    let known = welcome.head.as_ref().is_some_and(|current| current.round >= head.round);
    if head.session != welcome.session || !known {
        return None;
    }
    match rule.parse_state(&snapshot.state, &head.state_hash, head.outer_steps) {
        Ok(state) => Some((snapshot, state)),
        Err(error) => {
            notes.push(format!("{error}; the state is fetched instead, residual and AdamW start from zero"));
            None
        }
    }
}

fn fetched_state(rule: &OuterRule, welcome: &Welcome, bytes: &[u8]) -> anyhow::Result<State> {
    let outer_steps = welcome.head.as_ref().map_or(0, |head| head.outer_steps);
    Ok(rule.parse_state(bytes, &welcome.state_hash, outer_steps)?)
}
