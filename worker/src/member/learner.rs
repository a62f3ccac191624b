//! What the compute thread owns: the trainer, the residual, the state and the data, and a worker's part of a round.
//!
//! Invariants: what a message will announce is on the disk before it is returned from here; a training that is cut
//! short leaves optimiser and residual as they were; the same round trained again from the same state gives the same
//! payload, since everything that it depends on is kept.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use kernels::{Codec, Compressor, Header};
use models::data::Split;
use models::{OptimizerState, Trainer};
use node::job::{Exchange, Job};
use node::measure::{self, Context};
use node::payloads::Payloads;
use node::state::{OuterRule, State};
use protocol::member::{ApplyRequest, Payload, Verification, VerifyRequest};
use protocol::message::Timings;
use protocol::{Assignment, Hash, Head, Parameters, Round, SessionId, WorkerId};
use tokio_util::sync::CancellationToken;

use super::directory::{Snapshot, TrainingFacts};
use super::writer::Writer;

/// The compute thread's own things.
pub(super) struct Learner {
    pub(super) worker: WorkerId,
    pub(super) session: SessionId,
    pub(super) job: Job,
    pub(super) parameters: Parameters,
    pub(super) rule: OuterRule,
    pub(super) split: Split,
    pub(super) trainer: Trainer,
    pub(super) compressor: Compressor,
    pub(super) optimizer: OptimizerState,
    pub(super) state: State,
    /// The head of that state, once it is known.
    pub(super) head: Option<Head>,
    pub(super) keeper: Writer,
    /// The payload whose verdict is still to come.
    pub(super) pending: Option<Pending>,
    /// The newest payload whose verdict came.
    pub(super) settled: Option<Hash>,
    /// What the manifest that was verified last leads to, so that applying it computes nothing twice.
    pub(super) next: Option<(Hash, State)>,
}

/// A payload that waits for its verdict.
pub(super) struct Pending {
    pub(super) facts: TrainingFacts,
    pub(super) file: Arc<Vec<u8>>,
    /// Whether residual and optimiser are past this training: not so after a restart.
    pub(super) trained: bool,
}

/// Progress of the inner steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) step: u64,
    pub(super) steps: u64,
    pub(super) loss: f64,
    pub(super) tokens_per_s: f64,
}

/// A finished training: what to announce, and the file.
pub(super) type Trained = (Payload, Arc<Vec<u8>>);

impl Learner {
    /// The worker's part of a round, up to the payload on the disk; nothing when `stop` came first.
    pub(super) fn train(
        &mut self,
        round: Round,
        head: &Head,
        codec: &str,
        stop: &CancellationToken,
        progress: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Option<Trained>> {
        let codec: Codec = codec.parse()?;
        let assignment = self.assignment(head, round);
        let work = self.work(&assignment, head);
        if let Some(again) = self.sealed_again(round, head, codec, work)? {
            return Ok(Some(again));
        }
        if self.settle(None)? {
            // The next training starts from a residual that holds this one: without it it could not be repeated.
            self.keep_state()?;
        }
        let started = Instant::now();
        let Some(inner) = self.inner(&assignment, head, stop, progress)? else { return Ok(None) };
        let inner_ms = millis(started);
        let encoding = Instant::now();
        let body = self.encode(codec, &inner)?;
        let timings = Timings { inner_ms, encode_ms: millis(encoding) };
        self.optimizer = inner.optimizer;
        self.seal(round, head, codec, work, inner.tokens, timings, &body).map(Some)
    }

    /// Measures what a vote needs.
    pub(super) fn verify(&mut self, request: &VerifyRequest, payloads: &Payloads) -> anyhow::Result<Verification> {
        let context = Context { job: &self.job, rule: &self.rule, split: &self.split, state: &self.state };
        let (verification, next) = measure::verify(&mut self.trainer, &context, request, payloads)?;
        self.next = Some((verification.state_hash, next));
        Ok(verification)
    }

    /// Applies a committed round and settles the own payload; the hash of the state and its bytes. Both will be on the
    /// disk before the next payload is.
    pub(super) fn apply(
        &mut self,
        request: &ApplyRequest,
        payloads: &Payloads,
    ) -> anyhow::Result<(Hash, Arc<Vec<u8>>)> {
        let verified = self.next.take().filter(|(hash, _)| *hash == request.head.state_hash);
        let (hash, next) = match verified {
            Some(verified) => verified,
            None => {
                let manifest = &request.committed.manifest.body;
                let next = measure::next_state(&self.rule, &self.state, &manifest.codec, &request.summands, payloads)?;
                (next.hash(), next)
            }
        };
        let bytes = Arc::new(next.to_bytes());
        if hash == request.head.state_hash {
            self.settle(request.own.filter(|own| own.accepted).map(|own| own.payload_hash))?;
            (self.state, self.head) = (next, Some(request.head.clone()));
            self.keep(bytes.clone())?;
        }
        Ok((hash, bytes))
    }

    /// Takes a fetched state; what was learned from another one is forgotten, AdamW's state stays.
    pub(super) fn replace(&mut self, head: &Head, bytes: Arc<Vec<u8>>) -> anyhow::Result<()> {
        let state = self.rule.parse_state(&bytes, &head.state_hash, head.outer_steps)?;
        if state.hash() != self.state.hash() {
            self.compressor = new_compressor(&self.job, &self.trainer);
            self.pending = None;
        }
        if self.head.as_ref().is_some_and(|held| held.manifest_hash != head.manifest_hash) {
            // Which windows a payload was trained on hangs on the head that it was trained from.
            self.train_again()?;
        }
        (self.state, self.head) = (state, Some(head.clone()));
        // A payload that still waits for its verdict is repeated from the snapshot that it was trained from.
        if self.pending.is_none() { self.keep(bytes) } else { Ok(()) }
    }

    /// Has the state that this worker starts from written to the disk, with all that belongs to it.
    pub(super) fn keep_state(&mut self) -> anyhow::Result<()> {
        self.keep(Arc::new(self.state.to_bytes()))
    }

    /// Has everything that the next training starts from written to the disk.
    fn keep(&mut self, state: Arc<Vec<u8>>) -> anyhow::Result<()> {
        let Some(head) = self.head.clone() else { return Ok(()) };
        let mut residual = self.compressor.save()?;
        if residual.iter().all(|value| value.to_bits() == 0) {
            residual.clear();
        }
        let optimizer = self.optimizer.clone();
        if residual.is_empty() && optimizer.m.is_empty() {
            return Ok(()); // nothing that a fetched state would not bring back
        }
        let last = head.outer_steps >= self.job.train.outer_steps;
        self.keeper.snapshot(Snapshot { head, state, residual, optimizer, settled: self.settled })?;
        // The aggregator ends once everybody has said that they hold the last state.
        if last { self.keeper.settle() } else { Ok(()) }
    }

    /// The verdict on the pending payload, by the hash of the one that was accepted; what waits for a verdict that will
    /// not come was left out. Whether there was one.
    fn settle(&mut self, accepted: Option<Hash>) -> anyhow::Result<bool> {
        self.train_again()?;
        let Some(Pending { facts, file, .. }) = self.pending.take() else { return Ok(false) };
        let payload = facts.payload.hash;
        let codec: Codec = facts.codec.parse()?;
        let (_, body) = kernels::parse(&file)?;
        self.compressor.verdict(codec, body, accepted == Some(payload))?;
        self.settled = Some(payload);
        Ok(true)
    }

    /// After a restart: repeats the training of the payload that waits for its verdict, since only the payload was kept.
    /// An accelerator may round otherwise than it did; then what was announced counts and the residual takes the rest.
    fn train_again(&mut self) -> anyhow::Result<()> {
        let (Some(Pending { facts, file, trained: false }), Some(head)) = (&self.pending, self.head.clone()) else {
            return Ok(());
        };
        let (round, codec, file) = (facts.round, facts.codec.parse()?, file.clone());
        let assignment = self.assignment(&head, round);
        let inner = self.inner(&assignment, &head, &CancellationToken::new(), &mut |_| ())?;
        let inner = inner.context("the training that was announced could not be repeated")?;
        let body = self.encode(codec, &inner)?;
        if body != kernels::parse(&file)?.1 {
            tracing::warn!(%round, "the repeated training differs from the announced one");
        }
        self.optimizer = inner.optimizer;
        self.pending.iter_mut().for_each(|pending| pending.trained = true);
        Ok(())
    }

    /// A payload of the same work from the same state, made for a round that was abandoned, under the new round's header.
    fn sealed_again(&mut self, round: Round, head: &Head, codec: Codec, work: Hash) -> anyhow::Result<Option<Trained>> {
        let Some(Pending { facts, file, trained }) = &self.pending else { return Ok(None) };
        if facts.base != head.state_hash || facts.codec != codec.name() || facts.work != work {
            return Ok(None);
        }
        if facts.round == round {
            return Ok(Some((facts.payload, file.clone())));
        }
        let (tokens, timings, trained) = (facts.payload.tokens, facts.payload.timings, *trained);
        let body = kernels::parse(file)?.1.to_vec();
        let sealed = self.seal(round, head, codec, work, tokens, timings, &body)?;
        self.pending.iter_mut().for_each(|pending| pending.trained = trained);
        Ok(Some(sealed))
    }

    /// Puts the header before a body and keeps the result.
    #[allow(clippy::too_many_arguments, reason = "the header's fields, each of another origin")]
    fn seal(
        &mut self,
        round: Round,
        head: &Head,
        codec: Codec,
        work: Hash,
        tokens: u64,
        timings: Timings,
        body: &[u8],
    ) -> anyhow::Result<Trained> {
        let header = Header {
            version: kernels::VERSION,
            codec,
            stage: 0,
            stages: 1,
            layout_hash: self.rule.layout().hash(),
            base_hash: head.state_hash.0,
            session: self.session.0,
            round: round.0,
            worker: self.worker.0,
            tokens,
            elements: self.rule.layout().elements as u64,
        };
        let file = Arc::new(kernels::seal(&header, body));
        let payload = Payload { hash: Hash::of(&file), bytes: file.len() as u64, tokens, timings };
        let (base, codec) = (head.state_hash, codec.name().to_owned());
        let facts = TrainingFacts { round, base, codec, payload, work };
        self.keeper.payload(facts.clone(), &file)?;
        self.pending = Some(Pending { facts, file: file.clone(), trained: true });
        Ok((payload, file))
    }

    fn assignment(&self, head: &Head, round: Round) -> Assignment {
        head.assignment(round, &self.parameters, self.split.training.len() as u64)
    }

    /// The work of a round as a hash: every window of every inner step, and where the schedule stands.
    fn work(&self, assignment: &Assignment, head: &Head) -> Hash {
        let windows = (0..self.parameters.inner_steps).map(|step| assignment.windows_of(&self.worker, step));
        Hash::of_value("cotrain/work/1", &(head.outer_steps, windows.collect::<Vec<_>>()))
    }

    fn inner(
        &mut self,
        assignment: &Assignment,
        head: &Head,
        stop: &CancellationToken,
        progress: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Option<Inner>> {
        self.trainer.set_parameters(&self.state.theta)?;
        match self.job.train.exchange {
            Exchange::Gradient => self.one_gradient(assignment, progress).map(Some),
            Exchange::PseudoGradient => self.inner_steps(assignment, head, stop, progress),
        }
    }

    fn inner_steps(
        &mut self,
        assignment: &Assignment,
        head: &Head,
        stop: &CancellationToken,
        progress: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Option<Inner>> {
        self.trainer.set_optimizer_state(self.optimizer.clone())?;
        let schedule = self.job.schedule();
        let steps = u64::from(self.parameters.inner_steps);
        let (started, mut tokens) = (Instant::now(), 0);
        for step in 0..self.parameters.inner_steps {
            if stop.is_cancelled() {
                return Ok(None);
            }
            let batch = self.split.training.batch(&indices(assignment.windows_of(&self.worker, step)))?;
            let rate = schedule.learning_rate(head.outer_steps * steps + u64::from(step));
            let report = self.trainer.inner_step(&batch, rate)?;
            tokens += batch.predicted() as u64;
            let tokens_per_s = tokens as f64 / started.elapsed().as_secs_f64().max(1e-9);
            progress(Progress { step: u64::from(step) + 1, steps, loss: report.loss, tokens_per_s });
        }
        // On an accelerator the parameters stay where they are.
        let local = if self.trainer.flat_tensor().is_some() { None } else { Some(self.trainer.parameters()?) };
        Ok(Some(Inner { base: None, local, tokens, optimizer: self.trainer.optimizer_state()? }))
    }

    /// With `exchange = "gradient"` what is exchanged is the gradient itself.
    fn one_gradient(&mut self, assignment: &Assignment, progress: &mut dyn FnMut(Progress)) -> anyhow::Result<Inner> {
        let started = Instant::now();
        let batch = self.split.training.batch(&indices(assignment.windows_of(&self.worker, 0)))?;
        let (loss, gradient) = self.trainer.gradient(&batch)?;
        let tokens = batch.predicted() as u64;
        let tokens_per_s = tokens as f64 / started.elapsed().as_secs_f64().max(1e-9);
        progress(Progress { step: 1, steps: 1, loss, tokens_per_s });
        let local = Some(vec![0.0; gradient.len()]);
        Ok(Inner { base: Some(gradient), local, tokens, optimizer: self.optimizer.clone() })
    }

    fn encode(&mut self, codec: Codec, inner: &Inner) -> anyhow::Result<Vec<u8>> {
        let base = inner.base.as_deref().unwrap_or(&self.state.theta);
        match &inner.local {
            Some(local) => Ok(self.compressor.encode(codec, base, local)?),
            None => self.encode_on_device(codec),
        }
    }

    /// Encodes what the accelerator holds against the state, without bringing it to the host.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    fn encode_on_device(&mut self, codec: Codec) -> anyhow::Result<Vec<u8>> {
        let local = self.trainer.flat_tensor().context("the parameters are not on a device")?;
        let base = kernels::cube::upload(self.state.theta.clone(), &local.device());
        Ok(self.compressor.encode_tensors(codec, base, local)?)
    }

    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    fn encode_on_device(&mut self, _: Codec) -> anyhow::Result<Vec<u8>> {
        anyhow::bail!("this build has no device but the CPU")
    }
}

/// What the inner steps lead to: the contribution is base − local.
struct Inner {
    /// The base, where it is not the state.
    base: Option<Vec<f32>>,
    /// The parameters after the inner steps, unless they are on a device.
    local: Option<Vec<f32>>,
    tokens: u64,
    optimizer: OptimizerState,
}

/// A compressor that has learned nothing yet, where the trainer's parameters are.
pub(super) fn new_compressor(job: &Job, trainer: &Trainer) -> Compressor {
    let (elements, beta) = (trainer.layout().elements, job.codec.error_feedback as f32);
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if let Some(parameters) = trainer.flat_tensor() {
        return Compressor::on_device(elements, beta, &parameters.device());
    }
    Compressor::new(elements, beta)
}

fn indices(windows: Vec<u64>) -> Vec<usize> {
    windows.into_iter().map(|window| window as usize).collect()
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
