//! Opening a run: everything between the settings and the first message, for a new run and for one that goes on.
//!
//! Invariant: `genesis.json` is written last, so a run without it is begun anew and one with it is resumed.

use anyhow::{Context, bail};
use disk::DirectoryLock;
use models::data::Split;
use models::huggingface::Imported;
use models::{DeviceReport, Layout, ModelConfig, Tokenizer, Trainer, huggingface};
use network::Network;
use node::job::{Job, ModelSection};
use node::performer::leader::ROUNDS_SERVED;
use node::state::{OuterRule, State};
use node::{checkpoint, corpus, evaluate};
use protocol::coordinator::{Record, Resume};
use protocol::limits::TOKEN_BYTES;
use protocol::{Hash, Keypair, NetworkId, Parameters, Round};
use record::events::{Event, Events, RunStart, Warning};
use record::{
    Genesis, RoundRecord, RoundsLog, RunDirectory, ShardDescription, Start, numbered_directories, round_name,
};

use super::AggregatorConfig;
use super::desk::Desk;
use crate::journal::Journal;
use crate::recover::{self, Recovered};

/// The run directory and the facts that never change.
pub(super) struct Place {
    pub(super) run: RunDirectory,
    pub(super) genesis: Genesis,
    pub(super) job: Job,
    pub(super) parameters: Parameters,
    pub(super) keypair: Keypair,
    pub(super) secret: [u8; 32],
    pub(super) token: [u8; TOKEN_BYTES],
    pub(super) journal: Journal,
    pub(super) rounds_log: RoundsLog,
    /// Held for as long as the aggregator runs.
    _lock: DirectoryLock,
}

/// What the loop starts from.
pub(super) struct Opened {
    pub(super) place: Place,
    pub(super) desk: Desk,
    pub(super) resume: Resume,
    pub(super) start: RunStart,
    /// The lines of the rounds that are committed.
    pub(super) rounds: Vec<RoundRecord>,
}

/// Opens or begins the run that `config` names.
pub(super) fn open(config: &AggregatorConfig, report: &DeviceReport, events: &Events) -> anyhow::Result<Opened> {
    let run = if config.resume { RunDirectory::open(&config.run_dir)? } else { RunDirectory::create(&config.run_dir)? };
    let lock = run.lock("aggregator")?;
    let secret = run.random_secret("identity")?;
    let token = secret_token(&run)?;
    if !config.resume {
        refuse_existing(&run)?;
        begin(&run, config, &secret, events)?;
    }
    let recovered = recover::recover(&run)?;
    warn(events, &recovered.notes);
    let split = corpus::load(&run, &recovered.genesis.data_shards, &recovered.job)?;
    assemble(run, lock, secret, token, recovered, split, report)
}

impl Place {
    /// Makes the blobs that a joiner needs available; those that are let go of once later rounds are committed.
    pub(super) fn serve(&self, network: &Network, state: &State) -> anyhow::Result<Vec<Hash>> {
        for shard in &self.genesis.data_shards {
            network.blobs().insert_file(self.run.shard(&shard.hash))?;
        }
        let mut served = vec![network.blobs().insert(state.to_bytes())?];
        // The newest rounds' payloads: members that were restarted too have lost what they had fetched, and verify the
        // open round's proposal or apply the last manifest with them.
        let rounds = numbered_directories(&self.run.rounds())?;
        for round in rounds.iter().rev().take(ROUNDS_SERVED) {
            for entry in std::fs::read_dir(self.run.round(Round(*round)))?.flatten() {
                if entry.path().extension().is_some_and(|extension| extension == "ctg") {
                    served.push(network.blobs().insert_file(entry.path())?);
                }
            }
        }
        Ok(served)
    }
}

fn assemble(
    run: RunDirectory,
    lock: DirectoryLock,
    secret: [u8; 32],
    token: [u8; TOKEN_BYTES],
    recovered: Recovered,
    split: Split,
    report: &DeviceReport,
) -> anyhow::Result<Opened> {
    let Recovered {
        job,
        genesis,
        head,
        state,
        tokenizer,
        journal,
        mut records,
        mut rounds_log,
        mut rounds,
        unlogged,
        last,
        ..
    } = recovered;
    // Members that were stopped before they applied it ask for it.
    records.extend(last.map(Record::Committed));
    for line in unlogged.iter().map(RoundRecord::of) {
        rounds_log.append(&line)?;
        rounds.push(line);
    }
    let parameters = job.parameters();
    let config = job.model.config()?;
    let mut trainer = Trainer::new(&config, &report.chosen, node::trainer_options(&job, &report.chosen))?;
    let held_out = evaluate::held_out(&split, job.evaluation.sequences)?;
    let initial_loss = evaluate::loss(&mut trainer, &initial_parameters(&run, &state)?, &held_out)?;
    let start = RunStart {
        session: genesis.session.to_string(),
        parameters: genesis.elements,
        outer_steps_planned: parameters.outer_steps,
        outer_steps: state.outer_steps,
        workers: job.round.workers_min,
        inner_steps: job.train.inner_steps,
        codec: job.codec.name.clone(),
        initial_loss,
        unigram_loss: corpus::unigram_loss(&split, config.vocab_size)?,
    };
    let rule = OuterRule::of(&job)?;
    let desk = Desk {
        run: run.clone(),
        genesis: genesis.clone(),
        job: job.clone(),
        rule,
        tokenizer,
        trainer,
        state,
        split,
        held_out,
        next: None,
    };
    let keypair = Keypair::from_secret(&secret);
    let place = Place { run, genesis, job, parameters, keypair, secret, token, journal, rounds_log, _lock: lock };
    Ok(Opened { place, desk, resume: Resume { head, records }, start, rounds })
}

/// The parameters that the run started from, for a resumed one those of its first checkpoint.
fn initial_parameters(run: &RunDirectory, state: &State) -> anyhow::Result<Vec<f32>> {
    if state.outer_steps == 0 {
        return Ok(state.theta.clone());
    }
    let start = run.checkpoints().join(round_name(Round(0)));
    Ok(huggingface::import(&start)?.parameters)
}

/// Writes all that a new run consists of.
fn begin(run: &RunDirectory, config: &AggregatorConfig, secret: &[u8; 32], events: &Events) -> anyhow::Result<()> {
    let (model, theta, tokenizer) = initial(config)?;
    let mut job = config.job.clone();
    if let Some(model) = model {
        job.model = model;
    }
    let job = job.resolve(tokenizer.vocab_size())?;
    node::check_memory(&job, 1)?;
    let prepared = corpus::prepare(run, &job, &config.data, &tokenizer)?;
    events.emit(Event::Corpus(prepared.summary.clone()));
    warn(events, &prepared.notes);
    let model = job.model.config()?;
    let theta = theta.unwrap_or_else(|| models::initialize(&model, job.train.seed));
    let state = OuterRule::of(&job)?.initial(theta);
    let genesis = genesis(&job, secret, &model, &state, prepared.shards)?;
    disk::write_atomic(&run.job(), job.to_toml()?.as_bytes())?;
    let snapshot = checkpoint::Snapshot {
        session: genesis.session,
        round: Round(0),
        state: &state,
        head: None,
        config: &model,
        tokenizer: &tokenizer,
        shard_bytes_max: job.checkpoint.shard_bytes_max,
    };
    checkpoint::write(&run.checkpoints(), &snapshot)?;
    genesis.write(&run.genesis())?;
    Ok(())
}

/// Model, parameters and tokenizer of the checkpoint to start from, or none and the job's tokenizer.
fn initial(config: &AggregatorConfig) -> anyhow::Result<(Option<ModelSection>, Option<Vec<f32>>, Tokenizer)> {
    let Some(directory) = &config.init else {
        return Ok((None, None, corpus::tokenizer(&config.job)?));
    };
    let Imported { config: model, parameters: theta, tokenizer, .. } = huggingface::import(directory)
        .with_context(|| format!("cannot start from the checkpoint {}", directory.display()))?;
    let tokenizer = tokenizer.map_or_else(|| corpus::tokenizer(&config.job), Ok)?;
    Ok((Some(ModelSection::from_config(&model, None)), Some(theta), tokenizer))
}

fn genesis(
    job: &Job,
    secret: &[u8; 32],
    model: &ModelConfig,
    state: &State,
    shards: Vec<ShardDescription>,
) -> anyhow::Result<Genesis> {
    let layout = Layout::of(model);
    let layout_hash = Hash(layout.hash());
    let start = Start { state_hash: state.hash(), elements: layout.elements as u64, layout_hash };
    let nonce = disk::random_bytes()?;
    let aggregator = Keypair::from_secret(secret).worker();
    let network = NetworkId(job.fingerprint()?);
    Ok(Genesis::new(network, aggregator, Hash(nonce), &start, shards))
}

fn refuse_existing(run: &RunDirectory) -> anyhow::Result<()> {
    if run.genesis().exists() {
        let path = run.root().display();
        bail!("{path} holds a run already; continue it with --resume {path}, or name another --run-dir");
    }
    Ok(())
}

fn secret_token(run: &RunDirectory) -> anyhow::Result<[u8; TOKEN_BYTES]> {
    let mut token = [0; TOKEN_BYTES];
    token.copy_from_slice(&run.random_secret("admission")?[..TOKEN_BYTES]);
    Ok(token)
}

fn warn(events: &Events, notes: &[String]) {
    for message in notes {
        events.emit(Event::Warning(Warning { message: message.clone() }));
    }
}
