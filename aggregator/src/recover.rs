//! Opens a run after any kind of end: the newest valid checkpoint, then every committed round after it, replayed from
//! manifest and payloads.
//!
//! Invariants: every manifest follows the one before it, carries the signatures of a quorum of the roster that the one
//! before fixed, and its recorded state hash is the hash of the replayed state; so what comes out is the state that an
//! undisturbed run has.

use std::sync::Arc;

use disk::FileError;
use models::tokenizer::Tokenizer;
use node::checkpoint::{self, Checkpoint, CheckpointError};
use node::compute::Fault;
use node::job::{Job, JobError};
use node::state::{OuterRule, State};
use node::{measure, payloads};
use protocol::coordinator::Record;
use protocol::{CertificateError, CommittedManifest, Hash, Head, Round, SignatureError};
use record::{Genesis, RoundRecord, RoundsLog, RunDirectory, manifests};

use crate::journal::Journal;

/// A run as it was when its last process ended.
#[derive(Debug)]
pub struct Recovered {
    /// What all nodes agree on.
    pub job: Job,
    /// The session's fixed facts.
    pub genesis: Genesis,
    /// The first head, when the first round had begun.
    pub genesis_head: Option<Head>,
    /// The head of the last committed round, or the first head; none before the first round.
    pub head: Option<Head>,
    /// The state of that head.
    pub state: State,
    /// The model's tokenizer.
    pub tokenizer: Tokenizer,
    /// The journal, to go on with.
    pub journal: Journal,
    /// Its records, for the protocol's core.
    pub records: Vec<Record>,
    /// `rounds.jsonl`, to go on with.
    pub rounds_log: RoundsLog,
    /// Its lines.
    pub rounds: Vec<RoundRecord>,
    /// Committed rounds that have no line there yet.
    pub unlogged: Vec<CommittedManifest>,
    /// The last committed manifest.
    pub last: Option<CommittedManifest>,
    /// The round of the newest valid checkpoint.
    pub checkpoint_round: Round,
    /// What was refused or repaired, in words.
    pub notes: Vec<String>,
}

/// Why a run cannot be resumed.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// A file is missing or damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// `job.toml` is no job.
    #[error("job.toml: {0}")]
    Job(#[from] JobError),
    /// `job.toml` is not the one that the session was made from.
    #[error("job.toml was changed: its fingerprint is {found}, the session's is {expected}; start a new run instead")]
    Fingerprint {
        /// The session's.
        expected: Hash,
        /// The file's.
        found: Hash,
    },
    /// No checkpoint can be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The first head is not signed by the aggregator.
    #[error("the first head: {0}")]
    Genesis(#[from] SignatureError),
    /// A manifest without a quorum behind it.
    #[error("round {round}: {source}")]
    Certificate {
        /// The round.
        round: Round,
        /// What is wrong.
        source: CertificateError,
    },
    /// A manifest that does not follow from the one before.
    #[error("round {round} does not follow from round {before}: {what} is {found}, not {expected}")]
    Chain {
        /// The round.
        round: Round,
        /// The committed round before it.
        before: Round,
        /// What differs.
        what: &'static str,
        /// As it should be.
        expected: Hash,
        /// As it is.
        found: Hash,
    },
    /// A committed round that cannot be applied.
    #[error("round {round} cannot be replayed: {what}")]
    Replay {
        /// The round.
        round: Round,
        /// Why.
        what: String,
    },
}

impl From<RecoverError> for Fault {
    fn from(error: RecoverError) -> Self {
        match error {
            RecoverError::File(error) => error.into(),
            RecoverError::Job(error) => error.into(),
            RecoverError::Checkpoint(error) => error.into(),
            error => Self::Data(Arc::new(error)),
        }
    }
}

/// Recovers a run.
///
/// # Errors
/// [`RecoverError`] with the file or the round that stands in the way.
pub fn recover(run: &RunDirectory) -> Result<Recovered, RecoverError> {
    let job = Job::read(&run.job())?;
    let genesis = Genesis::read(&run.genesis())?;
    check_fingerprint(&job, &genesis)?;
    let rule = OuterRule::of(&job)?;
    let (journal, records) = Journal::open(run)?;
    let genesis_head = genesis_head(&records, &genesis)?;
    let (start, refused) = checkpoint::open_newest(&run.checkpoints(), &genesis.session, &rule)?;
    let (rounds_log, rounds) = RoundsLog::open(&run.rounds_log())?;
    let mut replay = Replay::new(run, &genesis, &rule, &start, genesis_head.clone());
    let checkpoint_round = start.manifest.round;
    let mut state = start.state;
    for round in run.committed_rounds()? {
        replay.step(round, &mut state, rounds_log.last_round())?;
    }
    let Replay { head, last, unlogged, .. } = replay;
    let notes = refused.iter().map(|error| format!("a checkpoint was refused: {error}")).collect();
    let tokenizer = start.tokenizer;
    Ok(Recovered {
        job,
        genesis,
        genesis_head,
        head,
        state,
        tokenizer,
        journal,
        records,
        rounds_log,
        rounds,
        unlogged,
        last,
        checkpoint_round,
        notes,
    })
}

/// Replays one committed manifest: checks the chain, applies the summands, checks the state hash.
///
/// # Errors
/// [`RecoverError`] with the round.
pub fn apply_committed(
    run: &RunDirectory,
    rule: &OuterRule,
    state: &mut State,
    committed: &CommittedManifest,
) -> Result<(), RecoverError> {
    let manifest = &committed.manifest.body;
    let refuse = |what: String| RecoverError::Replay { round: manifest.round, what };
    let summands = manifest.summands();
    let hashes: Vec<Hash> = summands.iter().map(|summand| summand.payload_hash).collect();
    let payloads = payloads::load(run, manifest.round, &hashes, state.elements())?;
    let next = measure::next_state(rule, state, &manifest.codec, &summands, &payloads);
    let next = next.map_err(|error| refuse(error.to_string()))?;
    let found = next.hash();
    if found != manifest.state_hash {
        return Err(refuse(format!("the state hashes to {found}, not to {}", manifest.state_hash)));
    }
    *state = next;
    Ok(())
}

struct Replay<'a> {
    run: &'a RunDirectory,
    genesis: &'a Genesis,
    rule: &'a OuterRule,
    from: Round,
    head: Option<Head>,
    last: Option<CommittedManifest>,
    unlogged: Vec<CommittedManifest>,
}

impl<'a> Replay<'a> {
    fn new(
        run: &'a RunDirectory,
        genesis: &'a Genesis,
        rule: &'a OuterRule,
        start: &Checkpoint,
        genesis_head: Option<Head>,
    ) -> Self {
        let head = start.manifest.head.clone().or(genesis_head);
        Self { run, genesis, rule, from: start.manifest.round, head, last: None, unlogged: Vec::new() }
    }

    fn step(&mut self, round: Round, state: &mut State, logged: Round) -> Result<(), RecoverError> {
        // The checkpoint's own round is read too: it may be the last manifest that there is.
        if round < self.from && round <= logged {
            return Ok(());
        }
        let committed = manifests::read(self.run, round)?;
        if round > self.from {
            self.check(&committed)?;
            apply_committed(self.run, self.rule, state, &committed)?;
            self.head = Some(Head::of(&committed.manifest.body));
        }
        if round > logged {
            self.unlogged.push(committed.clone());
        }
        self.last = Some(committed);
        Ok(())
    }

    fn check(&self, committed: &CommittedManifest) -> Result<(), RecoverError> {
        let manifest = &committed.manifest.body;
        let round = manifest.round;
        let Some(head) = &self.head else {
            let what = "the journal has no first head, whose roster its signatures are checked against".to_owned();
            return Err(RecoverError::Replay { round, what });
        };
        let chain = |what, expected: Hash, found: Hash| {
            let before = head.round;
            let error = RecoverError::Chain { round, before, what, expected, found };
            if expected == found { Ok(()) } else { Err(error) }
        };
        chain("the session", Hash(head.session.0), Hash(manifest.session.0))?;
        chain("the manifest before", head.manifest_hash, manifest.parent_hash)?;
        chain("the base state", head.state_hash, manifest.base_hash)?;
        let verified = committed.verify(&self.genesis.aggregator, &head.roster);
        verified.map_err(|source| RecoverError::Certificate { round, source })
    }
}

fn genesis_head(records: &[Record], genesis: &Genesis) -> Result<Option<Head>, RecoverError> {
    let signed = records.iter().find_map(|record| if let Record::Genesis(head) = record { Some(head) } else { None });
    let Some(signed) = signed else { return Ok(None) };
    signed.verify()?;
    let what = |what| RecoverError::Replay { round: Round(0), what };
    if signed.signer != genesis.aggregator || signed.body.session != genesis.session {
        return Err(what("the first head is of another aggregator or session".to_owned()));
    }
    Ok(Some(signed.body.clone()))
}

fn check_fingerprint(job: &Job, genesis: &Genesis) -> Result<(), RecoverError> {
    let (expected, found) = (Hash(genesis.network.0), Hash(job.fingerprint()?));
    if expected == found { Ok(()) } else { Err(RecoverError::Fingerprint { expected, found }) }
}

#[cfg(test)]
mod tests;
