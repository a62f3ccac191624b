//! What a worker's compute thread owns: the trainer, the residual, the state and the data, and with them a worker's
//! part of a round.
//!
//! Invariants: nothing is written here; what must be on the disk is returned in the order in which it was made, and all
//! of it is to be there before what it comes with is announced. A training that is cut short leaves optimiser and
//! residual as they were. The same round trained again from the same state gives the same payload, since everything
//! that it depends on is in the snapshot before it.

use std::sync::Arc;
use std::time::Instant;

use kernels::{Codec, Compressor};
use models::{OptimizerState, Trainer};
use protocol::member::{ApplyRequest, Payload, Verification, VerifyRequest};
use protocol::message::Timings;
use protocol::{Hash, Head, Round, WorkerId};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::compute::Fault;
use crate::learning::{self, Progress, SessionFacts, Task};
use crate::measure::{self, Context};
use crate::payloads::Payloads;
use crate::performer::member::{Applied, Trained};
use crate::state::State;

/// What all rounds up to a head left: all that the next training starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The head.
    pub head: Head,
    /// The head's state, as peers fetch it.
    pub state: Arc<Vec<u8>>,
    /// The residual e. [elements], or empty when it is zero.
    pub residual: Vec<f32>,
    /// AdamW; empty with `exchange = "gradient"`.
    pub optimizer: OptimizerState,
    /// The newest payload whose verdict the residual has.
    pub judged: Option<Hash>,
}

/// The small facts of a training, kept with its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingFacts {
    /// The round.
    pub round: Round,
    /// The state that it was trained from.
    pub base: Hash,
    /// The codec's name.
    pub codec: String,
    /// What is announced.
    pub payload: Payload,
    /// Windows trained on, as a hash: the same work need not be done twice.
    pub work: Hash,
}

/// What a worker writes, in the order in which it was made; each replaces the one of its kind before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// What the next training starts from.
    Snapshot(Snapshot),
    /// The newest payload.
    Payload {
        /// How it was made.
        facts: TrainingFacts,
        /// The file.
        file: Arc<Vec<u8>>,
    },
}

/// What a learner is made of.
pub struct LearnerParts {
    /// The session.
    pub facts: SessionFacts,
    /// Who learns.
    pub worker: WorkerId,
    /// The model in training.
    pub trainer: Trainer,
    /// The state that it starts from.
    pub state: State,
    /// The head of that state, once it is known.
    pub head: Option<Head>,
}

/// The compute thread's own things.
pub struct Learner {
    facts: SessionFacts,
    worker: WorkerId,
    trainer: Trainer,
    compressor: Compressor,
    optimizer: OptimizerState,
    state: State,
    head: Option<Head>,
    /// The payload whose verdict is still to come.
    pending: Option<Pending>,
    /// The newest payload whose verdict came.
    judged: Option<Hash>,
    /// Whether the residual moved on from the newest snapshot, so that the next payload needs one before it.
    moved: bool,
    /// What the manifest that was verified last leads to, so that applying it computes nothing twice.
    next: Option<(Hash, State)>,
}

/// A payload that waits for its verdict.
struct Pending {
    facts: TrainingFacts,
    file: Arc<Vec<u8>>,
    /// Whether residual and optimiser are past this training: not so after a restart.
    trained: bool,
}

impl Learner {
    /// A learner that has learned nothing yet.
    ///
    /// # Errors
    /// When this build has no kernels for the trainer's device.
    pub fn new(parts: LearnerParts) -> Result<Self, Fault> {
        let LearnerParts { facts, worker, trainer, state, head } = parts;
        let compressor = learning::new_compressor(&facts.job, &trainer)?;
        let optimizer = learning::new_optimizer(&facts.job, state.elements());
        let (pending, judged, next) = (None, None, None);
        Ok(Self { facts, worker, trainer, compressor, optimizer, state, head, pending, judged, moved: false, next })
    }

    /// The facts of the session.
    #[must_use]
    pub fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    /// The state of the head.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Puts back what the rounds up to the snapshot of this state left.
    ///
    /// # Errors
    /// A residual of another length than the model's.
    pub fn restore(&mut self, snapshot: Snapshot) -> Result<(), Fault> {
        let Snapshot { residual, optimizer, judged, .. } = snapshot;
        if !residual.is_empty() {
            self.compressor.load(residual)?;
        }
        (self.optimizer, self.judged) = (optimizer, judged);
        Ok(())
    }

    /// Takes up a payload that an earlier process left, when it was trained from this state and its verdict is still to
    /// come: whether it is to be served again. Its training is repeated when it is needed.
    pub fn announce(&mut self, facts: TrainingFacts, file: Arc<Vec<u8>>) -> bool {
        let waits = facts.base == self.state.hash() && self.judged != Some(facts.payload.hash);
        if waits {
            self.pending = Some(Pending { facts, file, trained: false });
        }
        waits
    }

    /// The worker's part of a round, up to the payload; nothing when `stop` came first.
    ///
    /// # Errors
    /// [`Fault`]; the training that failed has then changed neither optimiser nor residual.
    pub fn train(
        &mut self,
        round: Round,
        head: &Head,
        codec: &str,
        stop: &CancellationToken,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<Trained<Write>>, Fault> {
        let codec: Codec = codec.parse()?;
        if let Some(again) = self.sealed_again(round, head, codec)? {
            return Ok(Some(again));
        }
        // What waits for a verdict that will not come was left out. The next training starts from a residual that holds
        // it, and could not be repeated from an older one.
        self.moved |= self.judge(None)?;
        let task = Task::new(&self.facts, &self.state, head, round, self.worker);
        let started = Instant::now();
        let inner = learning::inner_steps(&mut self.trainer, &task, &self.optimizer, stop, progress)?;
        let Some(inner) = inner else { return Ok(None) };
        let inner_ms = millis(started);
        let encoding = Instant::now();
        let body = learning::encode(&mut self.compressor, &self.trainer, codec, &task, &inner)?;
        let timings = Timings { inner_ms, encode_ms: millis(encoding) };
        let pending = Pending::seal(&task, codec, inner.tokens, timings, &body);
        // The residual is still the one that this training started from, and so must the optimiser be.
        let mut writes = if self.moved { self.snapshot()? } else { Vec::new() };
        self.optimizer = inner.optimizer;
        writes.push(pending.write());
        let trained = Trained { payload: pending.facts.payload, file: pending.file.clone(), writes };
        self.pending = Some(pending);
        Ok(Some(trained))
    }

    /// Measures what a vote needs.
    ///
    /// # Errors
    /// [`Fault`]: also when the proposal leads to no state.
    pub fn verify(&mut self, request: &VerifyRequest, payloads: &Payloads) -> Result<Verification, Fault> {
        let SessionFacts { job, rule, split, .. } = &self.facts;
        let context = Context { job, rule, split, state: &self.state };
        let (verification, next) = measure::verify(&mut self.trainer, &context, request, payloads)?;
        self.next = Some((verification.state_hash, next));
        Ok(verification)
    }

    /// Applies a committed round and gives the own payload its verdict, when the state that follows is the head's.
    ///
    /// # Errors
    /// [`Fault`] when the round leads to no state, or a training that was announced cannot be repeated.
    pub fn apply(&mut self, request: &ApplyRequest, payloads: &Payloads) -> Result<Applied<Write>, Fault> {
        let verified = self.next.take().filter(|(hash, _)| *hash == request.head.state_hash);
        let (state_hash, next) = match verified {
            Some(verified) => verified,
            None => {
                let (rule, codec) = (&self.facts.rule, &request.committed.manifest.body.codec);
                let next = measure::next_state(rule, &self.state, codec, &request.summands, payloads)?;
                (next.hash(), next)
            }
        };
        let state = Arc::new(next.to_bytes());
        let mut writes = Vec::new();
        if state_hash == request.head.state_hash {
            self.judge(request.own.filter(|own| own.accepted).map(|own| own.payload_hash))?;
            (self.state, self.head) = (next, Some(request.head.clone()));
            writes = self.snapshot_with(state.clone())?;
        }
        Ok(Applied { state_hash, state, writes })
    }

    /// Takes a fetched state; what was learned from another one is forgotten, AdamW's state stays.
    ///
    /// # Errors
    /// Bytes that are not the head's state; a training that was announced and cannot be repeated.
    pub fn replace(&mut self, head: &Head, bytes: Arc<Vec<u8>>) -> Result<Vec<Write>, Fault> {
        let state = self.facts.rule.parse_state(&bytes, &head.state_hash, head.outer_steps)?;
        if state.hash() != self.state.hash() {
            self.compressor = learning::new_compressor(&self.facts.job, &self.trainer)?;
            self.pending = None;
        }
        if self.head.as_ref().is_some_and(|held| held.manifest_hash != head.manifest_hash) {
            // Which windows a payload was trained on hangs on the head that it was trained from.
            self.train_again()?;
        }
        (self.state, self.head) = (state, Some(head.clone()));
        // A payload that still waits for its verdict is repeated from the snapshot that it was trained from.
        if self.pending.is_none() { self.snapshot_with(bytes) } else { Ok(Vec::new()) }
    }

    /// Everything that the next training starts from, to be written: at the start by a worker whose disk does not hold
    /// it.
    ///
    /// # Errors
    /// A device that fails.
    pub fn snapshot(&mut self) -> Result<Vec<Write>, Fault> {
        self.snapshot_with(Arc::new(self.state.to_bytes()))
    }

    /// As [`Learner::snapshot`], with the bytes of the state.
    fn snapshot_with(&mut self, state: Arc<Vec<u8>>) -> Result<Vec<Write>, Fault> {
        let Some(head) = self.head.clone() else { return Ok(Vec::new()) };
        self.moved = false;
        let mut residual = self.compressor.save()?;
        if residual.iter().all(|value| value.to_bits() == 0) {
            residual.clear();
        }
        let optimizer = self.optimizer.clone();
        if residual.is_empty() && optimizer.m.is_empty() {
            return Ok(Vec::new()); // nothing that a fetched state would not bring back
        }
        Ok(vec![Write::Snapshot(Snapshot { head, state, residual, optimizer, judged: self.judged })])
    }

    /// The verdict on the pending payload, by the hash of the one that was accepted. Whether there was one.
    fn judge(&mut self, accepted: Option<Hash>) -> Result<bool, Fault> {
        self.train_again()?;
        let Some(Pending { facts, file, .. }) = self.pending.take() else { return Ok(false) };
        let payload = facts.payload.hash;
        let (_, body) = kernels::parse(&file)?;
        self.compressor.verdict(facts.codec.parse()?, body, accepted == Some(payload))?;
        self.judged = Some(payload);
        Ok(true)
    }

    /// After a restart: repeats the training of the payload that waits for its verdict, since only the payload was
    /// kept. An accelerator may round otherwise than it did; then what was announced counts and the residual takes the
    /// rest.
    fn train_again(&mut self) -> Result<(), Fault> {
        let (Some(pending), Some(head)) = (&mut self.pending, &self.head) else { return Ok(()) };
        if pending.trained {
            return Ok(());
        }
        let (round, codec) = (pending.facts.round, pending.facts.codec.parse()?);
        let task = Task::new(&self.facts, &self.state, head, round, self.worker);
        let never = CancellationToken::new();
        let inner = learning::inner_steps(&mut self.trainer, &task, &self.optimizer, &never, &mut |_| ())?;
        let inner = inner.ok_or_else(|| Fault::bug("a training that nobody stops was stopped"))?;
        let body = learning::encode(&mut self.compressor, &self.trainer, codec, &task, &inner)?;
        if body != kernels::parse(&pending.file)?.1 {
            tracing::warn!(%round, "the repeated training differs from the announced one");
        }
        self.optimizer = inner.optimizer;
        pending.trained = true;
        Ok(())
    }

    /// A payload of the same work from the same state, made for a round that was abandoned, under the new round's
    /// header.
    fn sealed_again(&mut self, round: Round, head: &Head, codec: Codec) -> Result<Option<Trained<Write>>, Fault> {
        let Some(pending) = &mut self.pending else { return Ok(None) };
        let task = Task::new(&self.facts, &self.state, head, round, self.worker);
        let facts = &pending.facts;
        if facts.base != head.state_hash || facts.codec != codec.name() || facts.work != task.work() {
            return Ok(None);
        }
        if facts.round != round {
            let (Payload { tokens, timings, .. }, trained) = (facts.payload, pending.trained);
            let body = kernels::parse(&pending.file)?.1;
            *pending = Pending { trained, ..Pending::seal(&task, codec, tokens, timings, body) };
        }
        // One of the same round may not be on the disk yet, if it is asked for again so soon.
        let writes = vec![pending.write()];
        Ok(Some(Trained { payload: pending.facts.payload, file: pending.file.clone(), writes }))
    }
}

impl Pending {
    /// The payload of a task that was just trained.
    fn seal(task: &Task<'_>, codec: Codec, tokens: u64, timings: Timings, body: &[u8]) -> Self {
        let file = Arc::new(learning::seal(task, codec, tokens, body));
        let payload = Payload { hash: Hash::of(&file), bytes: file.len() as u64, tokens, timings };
        let (round, base, codec) = (task.round, task.head.state_hash, codec.name().to_owned());
        Self { facts: TrainingFacts { round, base, codec, payload, work: task.work() }, file, trained: true }
    }

    fn write(&self) -> Write {
        Write::Payload { facts: self.facts.clone(), file: self.file.clone() }
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
