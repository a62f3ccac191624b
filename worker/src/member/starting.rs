//! From what the welcome says and the disk holds to a core and a learner that go on together.

use std::sync::Arc;

use disk::RecordLog;
use models::data::Split;
use models::{DeviceReport, OptimizerState, Trainer};
use network::Network;
use node::job::Job;
use node::payloads;
use node::state::{OuterRule, State};
use protocol::member::{MemberConfig, MemberResume};
use protocol::message::Welcome;
use protocol::{Keypair, Member};

use super::directory::{Directory, Snapshot};
use super::learner::{Learner, Pending, new_compressor};
use super::writer::Writer;
use crate::member::WorkerConfig;

/// What the loop starts from.
pub(super) struct Started {
    pub(super) member: Member,
    pub(super) learner: Learner,
    pub(super) records: RecordLog,
    /// The longest payload of this model, in bytes.
    pub(super) limit: u64,
    /// What was found damaged and left aside, in words.
    pub(super) notes: Vec<String>,
}

/// Puts core and learner together.
#[allow(clippy::too_many_arguments, reason = "one caller; what it hands over was just fetched")]
pub(super) fn start(
    keepsake: Directory,
    secret: &[u8; 32],
    config: &WorkerConfig,
    welcome: &Welcome,
    job: Job,
    split: Split,
    fetched: Vec<u8>,
    report: &DeviceReport,
    network: &Network,
) -> anyhow::Result<Started> {
    let keypair = Keypair::from_secret(secret);
    node::check_memory(&job, 1)?;
    let (rule, parameters) = (OuterRule::of(&job)?, job.parameters());
    let trainer = trainer(&keepsake, &job, report)?;
    let mut notes = Vec::new();
    let kept = kept(&keepsake, &rule, welcome, &mut notes);
    let (snapshot, state) = match kept {
        Some((snapshot, state)) => (Some(snapshot), state),
        None => (None, fetched_state(&rule, welcome, &fetched)?),
    };
    let head = snapshot.as_ref().map_or_else(|| welcome.head.clone(), |snapshot| Some(snapshot.head.clone()));
    network.blobs().insert(state.to_bytes())?;
    let (records, kept_records) = keepsake.records()?;
    let announced = announced(&keepsake, &state, snapshot.as_ref(), &mut notes);
    let mut learner = Learner {
        worker: keypair.worker(),
        session: welcome.session,
        compressor: new_compressor(&job, &trainer),
        optimizer: fresh_optimizer(&job, state.elements()),
        parameters: parameters.clone(),
        job,
        rule,
        split,
        trainer,
        state,
        head: head.clone(),
        keeper: Writer::spawn(keepsake)?,
        pending: None,
        settled: None,
        next: None,
    };
    match snapshot {
        Some(snapshot) => restore(&mut learner, snapshot)?,
        None => learner.keep_state()?,
    }
    if let Some(pending) = announced {
        network.blobs().insert(pending.file.clone())?;
        learner.pending = Some(pending);
    }
    let limit = payloads::bytes_max(learner.rule.layout().elements);
    let member_config =
        MemberConfig { session: welcome.session, keypair, aggregator: config.invite.aggregator, parameters };
    // A promise whose payload is gone cannot be kept; the worker then counts as one that missed the round.
    let member = Member::resume(member_config, MemberResume { head, records: kept_records });
    Ok(Started { member, learner, records, limit, notes })
}

/// The trainer, with the micro-batch that this worker was found to take.
fn trainer(keepsake: &Directory, job: &Job, report: &DeviceReport) -> anyhow::Result<Trainer> {
    let (config, device) = (job.model.config()?, &report.chosen);
    let mut options = node::trainer_options(job, device);
    let (sequences, length) = (job.train.batch_sequences, job.train.sequence_length);
    let probe = || Ok(models::probe_micro_batch(&config, device, &options, sequences, length, 1)?);
    options.micro_batch = keepsake.micro_batch(probe)?;
    Ok(Trainer::new(&config, device, options)?)
}

/// Puts back what the rounds up to the snapshot left.
fn restore(learner: &mut Learner, snapshot: Snapshot) -> anyhow::Result<()> {
    let Snapshot { residual, optimizer, settled, .. } = snapshot;
    if !residual.is_empty() {
        learner.compressor.load(residual)?;
    }
    (learner.optimizer, learner.settled) = (optimizer, settled);
    Ok(())
}

/// The payload on the disk, when it was trained from this state and its verdict is still to come: it is served again.
fn announced(
    keepsake: &Directory,
    state: &State,
    snapshot: Option<&Snapshot>,
    notes: &mut Vec<String>,
) -> Option<Pending> {
    let (facts, file) = match keepsake.load_payload() {
        Ok(kept) => kept?,
        Err(error) => {
            notes.push(format!("{error}; the round is trained again"));
            return None;
        }
    };
    let settled = snapshot.and_then(|snapshot| snapshot.settled) == Some(facts.payload.hash);
    let waits = facts.base == state.hash() && !settled;
    waits.then(|| Pending { facts, file: Arc::new(file), trained: false })
}

/// The snapshot on the disk, when it is there, whole and of this session.
fn kept(
    keepsake: &Directory,
    rule: &OuterRule,
    welcome: &Welcome,
    notes: &mut Vec<String>,
) -> Option<(Snapshot, State)> {
    let snapshot = match keepsake.load_snapshot() {
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

/// AdamW of the inner steps; with `exchange = "gradient"` there are none.
fn fresh_optimizer(job: &Job, elements: usize) -> OptimizerState {
    match job.train.exchange {
        node::job::Exchange::PseudoGradient => OptimizerState::new(elements),
        node::job::Exchange::Gradient => OptimizerState::new(0),
    }
}
