//! From what the welcome says and the disk holds to a core and a learner that go on together.

use aggregator::job::Job;
use aggregator::payloads;
use aggregator::records::RecordLog;
use aggregator::state::{OuterRule, State};
use models::data::Split;
use models::{DeviceReport, OptimizerState, Trainer};
use network::Network;
use protocol::member::{MemberConfig, MemberRecord, MemberResume};
use protocol::message::Welcome;
use protocol::{Head, Keypair, Member};

use super::keepsake::Keepsake;
use super::learner::{Learner, new_compressor};
use crate::config::WorkerConfig;

/// What the loop starts from.
pub(super) struct Started {
    pub(super) member: Member,
    pub(super) learner: Learner,
    pub(super) records: RecordLog<MemberRecord>,
    /// The longest payload of this model, in bytes.
    pub(super) limit: u64,
    /// What was found damaged and left aside, in words.
    pub(super) notes: Vec<String>,
}

/// Puts core and learner together.
#[allow(clippy::too_many_arguments, reason = "one caller; what it hands over was just fetched")]
pub(super) fn start(
    keepsake: Keepsake,
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
    aggregator::check_memory(&job, 1)?;
    let (rule, parameters) = (OuterRule::of(&job)?, job.parameters()?);
    let trainer = trainer(&keepsake, &job, report)?;
    let mut notes = Vec::new();
    let kept = kept_state(&keepsake, &rule, welcome, &mut notes);
    let resumed = kept.is_some();
    let (head, state) = match kept {
        Some((head, state)) => (Some(head), state),
        None => (welcome.head.clone(), fetched_state(&rule, welcome, &fetched)?),
    };
    network.blobs().insert(state.to_bytes())?;
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
        keepsake,
        pending: None,
    };
    if let (false, Some(head)) = (resumed, &head) {
        learner.keepsake.save_state(head, &learner.state.to_bytes())?;
    }
    let (records, kept_records) = learner.keepsake.records()?;
    if resumed {
        restore(&mut learner, network, &mut notes)?;
    }
    let limit = payloads::bytes_max(learner.rule.layout().elements);
    let member_config =
        MemberConfig { session: welcome.session, keypair, aggregator: config.invite.aggregator, parameters };
    // A promise whose payload is gone cannot be kept; the worker then counts as one that missed the round.
    let member = Member::resume(member_config, MemberResume { head, records: kept_records });
    Ok(Started { member, learner, records, limit, notes })
}

/// The trainer, with the micro-batch that this worker was found to take.
fn trainer(keepsake: &Keepsake, job: &Job, report: &DeviceReport) -> anyhow::Result<Trainer> {
    let (config, device) = (job.model.config()?, &report.chosen);
    let mut options = aggregator::trainer_options(job, device);
    let (sequences, length) = (job.train.batch_sequences, job.train.sequence_length);
    let probe = || Ok(models::probe_micro_batch(&config, device, &options, sequences, length, 1)?);
    options.micro_batch = keepsake.micro_batch(probe)?;
    Ok(Trainer::new(&config, device, options)?)
}

/// Puts back the last training; its payload is served again while its verdict is to come.
fn restore(learner: &mut Learner, network: &Network, notes: &mut Vec<String>) -> anyhow::Result<()> {
    let training = learner.keepsake.load_training();
    let settled = learner.keepsake.load_verdict();
    match (training, settled) {
        (Ok(Some(training)), Ok(settled)) => {
            if let Some(payload) = learner.restore(training, settled)? {
                network.blobs().insert(payload)?;
            }
        }
        (Ok(None), _) => {}
        (Err(error), _) | (_, Err(error)) => notes.push(format!("{error}; the residual and AdamW start from zero")),
    }
    Ok(())
}

/// The state on the disk, when it is there, whole and of this session.
fn kept_state(
    keepsake: &Keepsake,
    rule: &OuterRule,
    welcome: &Welcome,
    notes: &mut Vec<String>,
) -> Option<(Head, State)> {
    let (head, bytes) = match keepsake.load_state() {
        Ok(kept) => kept?,
        Err(error) => {
            notes.push(format!("{error}; the state is fetched instead"));
            return None;
        }
    };
    let known = welcome.head.as_ref().is_some_and(|current| current.round >= head.round);
    if head.session != welcome.session || !known {
        return None;
    }
    match rule.parse_state(&bytes, &head.state_hash, head.outer_steps) {
        Ok(state) => Some((head, state)),
        Err(error) => {
            notes.push(format!("{error}; the state is fetched instead"));
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
        aggregator::job::Exchange::PseudoGradient => OptimizerState::new(elements),
        aggregator::job::Exchange::Gradient => OptimizerState::new(0),
    }
}
