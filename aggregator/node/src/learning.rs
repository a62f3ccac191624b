//! A worker's part of a round as functions: the inner steps, the encoding, the payload.
//!
//! Invariants: what comes out depends on the arguments alone, so the same task from the same optimiser and residual
//! gives the same payload; a training that is cut short changes neither of the two. Nothing here has an owner or a
//! disk: a worker, its successor, a simulated node and whoever replays a worker's steps call the same functions.

use std::time::Instant;

use kernels::{Codec, Compressor, CompressorError, Header, Local};
use models::data::Split;
use models::{Live, OptimizerState, Trainer};
use protocol::{Assignment, Hash, Head, Parameters, Round, SessionId, Stage, WorkerId};
use tokio_util::sync::CancellationToken;

use crate::compute::Fault;
use crate::job::{Exchange, Job, JobError};
use crate::state::{OuterRule, State};

/// The facts of a session that never change, as everybody who computes in it holds them.
#[derive(Clone, Debug)]
pub struct SessionFacts {
    /// The session.
    pub session: SessionId,
    /// The job.
    pub job: Job,
    /// The parameters that follow from it.
    pub parameters: Parameters,
    /// The layout and the outer step.
    pub rule: OuterRule,
    /// The windows.
    pub split: Split,
}

impl SessionFacts {
    /// The facts of a session of a job.
    ///
    /// # Errors
    /// [`JobError`] when the job makes no model or no parameters.
    pub fn new(session: SessionId, job: Job, split: Split) -> Result<Self, JobError> {
        let (parameters, rule) = (job.parameters(), OuterRule::of(&job)?);
        Ok(Self { session, job, parameters, rule, split })
    }
}

/// A worker's part of a round, and what it starts from.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    /// The session.
    pub facts: &'a SessionFacts,
    /// The state of the head.
    pub state: &'a State,
    /// The head that the round builds on.
    pub head: &'a Head,
    /// The round.
    pub round: Round,
    /// Whose part.
    pub worker: WorkerId,
    assignment: Assignment,
}

impl<'a> Task<'a> {
    /// The part of `worker` in a round on top of `head`, whose state is `state`.
    #[must_use]
    pub fn new(facts: &'a SessionFacts, state: &'a State, head: &'a Head, round: Round, worker: WorkerId) -> Self {
        let assignment = head.assignment(round, &facts.parameters, facts.split.training.len() as u64);
        Self { facts, state, head, round, worker, assignment }
    }

    /// The work as a hash: every window of every inner step, and where the schedule stands. Rounds of the same work
    /// from the same state give the same payload but for its header.
    #[must_use]
    pub fn work(&self) -> Hash {
        let windows = (0..self.facts.parameters.inner_steps).map(|step| self.windows(step));
        Hash::of_value("cotrain/work/1", &(self.head.outer_steps, windows.collect::<Vec<_>>()))
    }

    fn windows(&self, step: u32) -> Vec<u64> {
        self.assignment.windows_of(&self.worker, step)
    }

    fn batch(&self, step: u32) -> Result<models::Batch, Fault> {
        let indices: Vec<usize> = self.windows(step).into_iter().map(|window| window as usize).collect();
        Ok(self.facts.split.training.batch(&indices)?)
    }
}

/// Progress of the inner steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps made.
    pub step: u64,
    /// Steps of the round.
    pub steps: u64,
    /// Loss before the last of them, in nats per token.
    pub loss: f64,
    /// Tokens a second since the first.
    pub tokens_per_s: f64,
}

/// What the inner steps lead to.
#[derive(Clone, Debug)]
pub struct Inner {
    /// What is to be encoded.
    pub learned: Learned,
    /// Tokens trained on.
    pub tokens: u64,
    /// The optimiser's state after the steps.
    pub optimizer: OptimizerState,
}

/// What was learned, and where it is.
#[derive(Clone, Debug)]
pub enum Learned {
    /// The trainer's parameters, wherever its engine holds them: what is sent is state − parameters.
    Parameters,
    /// With `exchange = "gradient"`, the gradient itself. [elements]
    Gradient(Vec<f32>),
}

/// A compressor that has learned nothing yet, where the trainer's parameters are.
///
/// # Errors
/// When this build has no kernels for the trainer's device.
pub fn new_compressor(job: &Job, trainer: &Trainer) -> Result<Compressor, Fault> {
    Ok(Compressor::new(&local(trainer)?, job.codec.error_feedback as f32))
}

/// AdamW of the inner steps before the first; with `exchange = "gradient"` there is none.
#[must_use]
pub fn new_optimizer(job: &Job, elements: usize) -> OptimizerState {
    match job.train.exchange {
        Exchange::PseudoGradient => OptimizerState::new(elements),
        Exchange::Gradient => OptimizerState::new(0),
    }
}

/// Makes the inner steps of a task, and says so after each; nothing when `stop` came first.
///
/// # Errors
/// A device that fails, data that do not serve, a loss that is not finite.
pub fn inner_steps(
    trainer: &mut Trainer,
    task: &Task<'_>,
    optimizer: &OptimizerState,
    stop: &CancellationToken,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<Inner>, Fault> {
    trainer.set_parameters(&task.state.theta)?;
    match task.facts.job.train.exchange {
        Exchange::Gradient => one_gradient(trainer, task, optimizer, progress).map(Some),
        Exchange::PseudoGradient => local_steps(trainer, task, optimizer, stop, progress),
    }
}

fn local_steps(
    trainer: &mut Trainer,
    task: &Task<'_>,
    optimizer: &OptimizerState,
    stop: &CancellationToken,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<Inner>, Fault> {
    trainer.set_optimizer_state(optimizer.clone())?;
    let (schedule, inner_steps) = (task.facts.job.schedule(), task.facts.parameters.inner_steps);
    let steps = u64::from(inner_steps);
    let (started, mut tokens) = (Instant::now(), 0);
    for step in 0..inner_steps {
        if stop.is_cancelled() {
            return Ok(None);
        }
        let batch = task.batch(step)?;
        let rate = schedule.learning_rate(task.head.outer_steps * steps + u64::from(step));
        let report = trainer.inner_step(&batch, rate)?;
        tokens += batch.predicted() as u64;
        let tokens_per_s = rate_of(tokens, started);
        progress(Progress { step: u64::from(step) + 1, steps, loss: report.loss, tokens_per_s });
    }
    Ok(Some(Inner { learned: Learned::Parameters, tokens, optimizer: trainer.optimizer_state()? }))
}

/// With `exchange = "gradient"` what is exchanged is the gradient itself.
fn one_gradient(
    trainer: &mut Trainer,
    task: &Task<'_>,
    optimizer: &OptimizerState,
    progress: &mut dyn FnMut(Progress),
) -> Result<Inner, Fault> {
    let started = Instant::now();
    let batch = task.batch(0)?;
    let (loss, gradient) = trainer.gradient(&batch)?;
    let tokens = batch.predicted() as u64;
    progress(Progress { step: 1, steps: 1, loss, tokens_per_s: rate_of(tokens, started) });
    Ok(Inner { learned: Learned::Gradient(gradient), tokens, optimizer: optimizer.clone() })
}

/// Encodes what the inner steps of a task led to, before anything else is asked of the trainer; the residual waits for
/// the verdict. → the body
///
/// # Errors
/// A device that fails; numbers that are not finite.
pub fn encode(
    compressor: &mut Compressor,
    trainer: &Trainer,
    codec: Codec,
    task: &Task<'_>,
    inner: &Inner,
) -> Result<Vec<u8>, Fault> {
    match &inner.learned {
        Learned::Parameters => Ok(compressor.encode(codec, &task.state.theta, local(trainer)?)?),
        Learned::Gradient(gradient) => {
            let zeros = vec![0.0; gradient.len()];
            Ok(compressor.encode(codec, gradient, Local::Host(&zeros))?)
        }
    }
}

/// The payload of a task: a body after its header.
#[must_use]
pub fn seal(task: &Task<'_>, codec: Codec, tokens: u64, body: &[u8]) -> Vec<u8> {
    let layout = task.facts.rule.layout();
    let header = Header {
        version: kernels::VERSION,
        codec,
        stage: Stage::WHOLE.index,
        stages: Stage::WHOLE.of,
        layout_hash: layout.hash(),
        base_hash: task.head.state_hash.0,
        session: task.facts.session.0,
        round: task.round.0,
        worker: task.worker.0,
        tokens,
        elements: layout.elements as u64,
    };
    kernels::seal(&header, body)
}

/// The trainer's parameters as a compressor takes them.
fn local(trainer: &Trainer) -> Result<Local<'_>, CompressorError> {
    match trainer.live() {
        Live::Host(values) => Ok(Local::Host(values)),
        Live::Device(tensor) => Local::device(tensor),
    }
}

fn rate_of(tokens: u64, started: Instant) -> f64 {
    tokens as f64 / started.elapsed().as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests;
