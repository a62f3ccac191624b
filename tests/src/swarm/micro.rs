//! Real training in a simulated session: a model of a few thousand parameters, the production learner, kernels and
//! measuring, on the CPU.

use std::sync::Arc;

use models::data::{self, Split};
use models::{ComputeDevice, Trainer};
use node::job::Job;
use node::learner::{Learner, LearnerParts, Snapshot, TrainingFacts, Write};
use node::learning::SessionFacts;
use node::measure::{self, Context};
use node::payloads::Payloads;
use node::performer::Blob;
use node::performer::leader;
use node::performer::member::{Applied, Trained};
use node::state::State;
use protocol::coordinator::{AggregateRequest, ScoreRequest, Scored};
use protocol::member::{ApplyRequest, Verification, VerifyRequest};
use protocol::message::Timings;
use protocol::{CommittedManifest, Hash, Head, Keypair, Parameters, Round, SessionId};
use tokio_util::sync::CancellationToken;

use super::body::Body;

/// Tokens that every session of this kind trains on.
const TOKENS: u32 = 4_000;

/// A session of small models.
pub struct Micro {
    facts: SessionFacts,
    genesis: State,
}

/// A worker's files.
#[derive(Default)]
pub struct Files {
    snapshot: Option<Snapshot>,
    payload: Option<(TrainingFacts, Blob)>,
}

/// A worker: the production learner, and what it serves from the start.
pub struct Worker {
    learner: Learner,
    served: Vec<Blob>,
}

/// The aggregator's trainer and state.
pub struct Leader {
    trainer: Trainer,
    state: State,
}

impl Micro {
    /// A session of three outer steps that waits for so many workers.
    ///
    /// # Panics
    /// When the job is none.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let hours = 36_000_000;
        let text = format!(
            "[model]\nhidden_size = 16\nintermediate_size = 32\nnum_hidden_layers = 1\nnum_attention_heads = 2\n\
             num_key_value_heads = 1\nvocab_size = 264\nmax_position_embeddings = 16\n\
             [train]\nouter_steps = 3\nsequence_length = 16\ninner_steps = 1\nwarmup_steps = 2\nbatch_sequences = 2\n\
             [codec]\nwarmup_rounds = 1\n\
             [round]\nworkers_min = {workers}\nround_deadline_ms = {hours}\nclose_deadline_ms = {hours}\n\
             reveal_deadline_ms = {hours}\nvote_deadline_ms = {hours}\njoin_deadline_ms = {hours}\n\
             reconnect_grace_ms = {hours}\nresend_ms = 1000\n"
        );
        let job = Job::parse(&text).expect("a small job").resolve(257).expect("a small job");
        let split = split(&job);
        let theta = models::initialize(&job.model.config().expect("a small model"), 1);
        let facts = SessionFacts::new(SessionId([0; 32]), job, split).expect("a small job");
        let genesis = facts.rule.initial(theta);
        Self { facts, genesis }
    }

    fn trainer(&self) -> Trainer {
        let device = ComputeDevice::cpu(Some(1));
        let config = self.facts.job.model.config().expect("a small model");
        Trainer::new(&config, &device, node::trainer_options(&self.facts.job, &device)).expect("a trainer")
    }

    fn context<'a>(&'a self, state: &'a State) -> Context<'a> {
        Context { job: &self.facts.job, rule: &self.facts.rule, split: &self.facts.split, state }
    }

    fn parse(&self, bytes: &[u8], head: &Head) -> Result<State, String> {
        self.facts.rule.parse_state(bytes, &head.state_hash, head.outer_steps).map_err(|error| error.to_string())
    }
}

impl Body for Micro {
    type Write = Write;
    type Files = Files;
    type Worker = Worker;
    type Leader = Leader;

    fn parameters(&self) -> &Parameters {
        &self.facts.parameters
    }

    fn elements(&self) -> u64 {
        self.genesis.elements() as u64
    }

    fn genesis(&self) -> Blob {
        Arc::new(self.genesis.to_bytes())
    }

    fn worker(&self, keypair: &Keypair, session: SessionId, files: &Files) -> Worker {
        let snapshot = files.snapshot.clone();
        let head = snapshot.as_ref().map(|snapshot| snapshot.head.clone());
        let state = match &snapshot {
            Some(snapshot) => self.parse(&snapshot.state, &snapshot.head).expect("its own snapshot"),
            None => self.genesis.clone(),
        };
        let mut served = vec![Arc::new(state.to_bytes())];
        let facts = SessionFacts { session, ..self.facts.clone() };
        let parts = LearnerParts { facts, worker: keypair.worker(), trainer: self.trainer(), state, head };
        let mut learner = Learner::new(parts).expect("a learner");
        snapshot.into_iter().for_each(|snapshot| learner.restore(snapshot).expect("its own snapshot"));
        if let Some((facts, file)) = files.payload.clone()
            && learner.announce(facts, file.clone())
        {
            served.push(file);
        }
        Worker { learner, served }
    }

    fn served(&self, worker: &Worker) -> Vec<Blob> {
        worker.served.clone()
    }

    fn state_hash(&self, worker: &Worker) -> Hash {
        worker.learner.state().hash()
    }

    fn head(files: &Files) -> Option<Head> {
        files.snapshot.as_ref().map(|snapshot| snapshot.head.clone())
    }

    fn announces(&self, files: &Files, payload: &Hash) -> bool {
        let state = files.snapshot.as_ref().map_or_else(|| self.genesis.hash(), |snapshot| snapshot.head.state_hash);
        let judged = files.snapshot.as_ref().and_then(|snapshot| snapshot.judged);
        let kept =
            files.payload.as_ref().filter(|(facts, _)| facts.base == state && judged != Some(facts.payload.hash));
        kept.is_some_and(|(facts, _)| facts.payload.hash == *payload)
    }

    fn store(files: &mut Files, write: Write) {
        match write {
            Write::Snapshot(snapshot) => files.snapshot = Some(snapshot),
            Write::Payload { facts, file } => files.payload = Some((facts, file)),
        }
    }

    fn train(&self, worker: &mut Worker, round: Round, head: &Head, codec: &str) -> Trained<Write> {
        let trained = worker.learner.train(round, head, codec, &CancellationToken::new(), &mut |_| ());
        let mut trained = trained.expect("training").expect("nobody cuts it short");
        // What it took is by a real clock; in virtual time it took none.
        trained.payload.timings = Timings::default();
        for write in &mut trained.writes {
            if let Write::Payload { facts, .. } = write {
                facts.payload.timings = Timings::default();
            }
        }
        trained
    }

    fn verify(&self, worker: &mut Worker, request: &VerifyRequest, payloads: &Payloads) -> Verification {
        worker.learner.verify(request, payloads).expect("measuring")
    }

    fn apply(&self, worker: &mut Worker, request: &ApplyRequest, payloads: &Payloads) -> Applied<Write> {
        worker.learner.apply(request, payloads).expect("applying")
    }

    fn replace(&self, worker: &mut Worker, head: &Head, state: Blob) -> Result<Vec<Write>, String> {
        worker.learner.replace(head, state).map_err(|fault| fault.to_string())
    }

    fn leader(&self, rounds: &[(CommittedManifest, Payloads)]) -> Leader {
        let mut state = self.genesis.clone();
        for (committed, payloads) in rounds {
            let manifest = &committed.manifest.body;
            let next = measure::next_state(&self.facts.rule, &state, &manifest.codec, &manifest.summands(), payloads);
            state = next.expect("the payloads of a committed round are on the disk");
            assert_eq!(state.hash(), manifest.state_hash, "the replayed state");
        }
        Leader { trainer: self.trainer(), state }
    }

    fn leader_state(&self, leader: &Leader) -> Blob {
        Arc::new(leader.state.to_bytes())
    }

    fn score(&self, leader: &mut Leader, request: &ScoreRequest, payloads: &Payloads) -> Scored {
        let Leader { trainer, state } = leader;
        measure::score(trainer, &self.context(state), request, payloads).expect("measuring")
    }

    fn aggregate(&self, leader: &mut Leader, request: &AggregateRequest, payloads: &Payloads) -> Hash {
        assert_eq!(leader.state.hash(), request.base_hash, "the aggregator's state is not the round's base");
        let next = measure::next_state(&self.facts.rule, &leader.state, &request.codec, &request.summands, payloads);
        next.expect("the aggregate").hash()
    }

    fn commit(
        &self,
        leader: &mut Leader,
        committed: &CommittedManifest,
        head: &Head,
        payloads: &Payloads,
    ) -> leader::Applied {
        let manifest = &committed.manifest.body;
        let next =
            measure::next_state(&self.facts.rule, &leader.state, &manifest.codec, &manifest.summands(), payloads);
        leader.state = next.expect("the aggregate");
        assert_eq!(leader.state.hash(), head.state_hash, "the committed state");
        let state = Arc::new(leader.state.to_bytes());
        leader::Applied { state, eval_loss: None, checkpoint: None, evaluate_ms: 0.0 }
    }
}

fn split(job: &Job) -> Split {
    let tokens: Vec<u32> = (0..TOKENS).map(|i| (i * i / 7) % 64).collect();
    data::split(&tokens, job.train.sequence_length).expect("enough tokens")
}
