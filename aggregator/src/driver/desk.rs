//! What the compute thread owns: the trainer, the state, the data, and the work that needs them.

use std::sync::Arc;
use std::time::Instant;

use models::data::Split;
use models::{Batch, Tokenizer, Trainer};
use node::checkpoint::{self, Snapshot};
use node::compute::Fault;
use node::job::Job;
use node::measure::{self, Context as MeasureContext};
use node::performer::leader::{Applied, Ending};
use node::state::{OuterRule, State};
use node::{evaluate, payloads};
use protocol::coordinator::{AggregateRequest, ScoreRequest, Scored};
use protocol::{CommittedManifest, Hash, Head};
use record::{Genesis, RunDirectory};

/// The compute thread's own things.
pub(super) struct Desk {
    pub(super) run: RunDirectory,
    pub(super) genesis: Genesis,
    pub(super) job: Job,
    pub(super) rule: OuterRule,
    pub(super) tokenizer: Tokenizer,
    pub(super) trainer: Trainer,
    pub(super) state: State,
    pub(super) split: Split,
    pub(super) held_out: Batch,
    /// The state that the open round's aggregate led to, so that committing it computes nothing twice.
    pub(super) next: Option<(Hash, State)>,
}

impl Desk {
    /// The state of the head.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Measures the delivered payloads (PROTOCOL.md, "Gates and measuring").
    pub(super) fn score(&mut self, request: &ScoreRequest) -> Result<Scored, Fault> {
        let hashes: Vec<Hash> = request.candidates.iter().map(|candidate| candidate.payload_hash).collect();
        let payloads = payloads::load(&self.run, request.round, &hashes, self.rule.layout().elements)?;
        let context = MeasureContext { job: &self.job, rule: &self.rule, split: &self.split, state: &self.state };
        Ok(measure::score(&mut self.trainer, &context, request, &payloads)?)
    }

    /// The hash of the next state; the state stays as it is.
    pub(super) fn aggregate(&mut self, request: &AggregateRequest) -> Result<Hash, Fault> {
        let hashes: Vec<Hash> = request.summands.iter().map(|summand| summand.payload_hash).collect();
        let payloads = payloads::load(&self.run, request.round, &hashes, self.rule.layout().elements)?;
        let next = measure::next_state(&self.rule, &self.state, &request.codec, &request.summands, &payloads)?;
        let hash = next.hash();
        self.next = Some((hash, next));
        Ok(hash)
    }

    /// Makes the committed round's state the current one, evaluates and writes a checkpoint where the job says so.
    pub(super) fn commit(&mut self, committed: &CommittedManifest, head: &Head) -> Result<Applied, Fault> {
        match self.next.take() {
            Some((hash, next)) if hash == head.state_hash => self.state = next,
            _ => crate::recover::apply_committed(&self.run, &self.rule, &mut self.state, committed)?,
        }
        let last = head.outer_steps >= self.job.train.outer_steps;
        let started = Instant::now();
        let evaluated = last || head.outer_steps.is_multiple_of(self.job.evaluation.every);
        let eval_loss = evaluated.then(|| self.evaluate()).transpose()?;
        let evaluate_ms = started.elapsed().as_secs_f64() * 1e3;
        let kept = last || head.outer_steps.is_multiple_of(self.job.checkpoint.every);
        let checkpoint = kept.then(|| self.checkpoint(head)).transpose()?;
        Ok(Applied { state: Arc::new(self.state.to_bytes()), eval_loss, checkpoint, evaluate_ms })
    }

    /// Drops what was computed for a round that will not commit.
    pub(super) fn abandon(&mut self) {
        self.next = None;
    }

    /// The end of the run: its last checkpoint, which a crash after the last commit may have prevented, and its loss.
    pub(super) fn finish(&mut self, head: &Head) -> Result<Ending, Fault> {
        Ok(Ending { checkpoint: self.checkpoint(head)?, eval_loss: self.evaluate()? })
    }

    /// Held-out loss of the current state, in nats per token.
    pub(super) fn evaluate(&mut self) -> Result<f64, Fault> {
        Ok(evaluate::loss(&mut self.trainer, &self.state.theta, &self.held_out)?)
    }

    /// Its directory.
    fn checkpoint(&self, head: &Head) -> Result<String, Fault> {
        let snapshot = Snapshot {
            session: self.genesis.session,
            round: head.round,
            state: &self.state,
            head: Some(head),
            config: self.trainer.config(),
            tokenizer: &self.tokenizer,
            shard_bytes_max: self.job.checkpoint.shard_bytes_max,
        };
        let path = checkpoint::write(&self.run.checkpoints(), &snapshot)?;
        checkpoint::prune(&self.run.checkpoints(), self.job.checkpoint.keep)?;
        Ok(path.display().to_string())
    }
}
