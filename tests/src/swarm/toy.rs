//! A deterministic "training" without tensors: states, payloads and residuals are hashes, measurements follow from
//! them.
//!
//! A blob is the text whose BLAKE3 is the hash: "toy state" and what the state follows from, "toy payload" and what the
//! payload was made of.

use std::sync::Arc;

use node::job::Job;
use node::payloads::Payloads;
use node::performer::Blob;
use node::performer::leader;
use node::performer::member::{Applied, Trained};
use protocol::coordinator::{AggregateRequest, ScoreRequest, Scored};
use protocol::manifest::Summand;
use protocol::member::{ApplyRequest, Payload, Remeasured, Verification, VerifyRequest};
use protocol::message::Timings;
use protocol::score::Measured;
use protocol::{CommittedManifest, Hash, Head, Keypair, Parameters, Round, ScorePolicy, SessionId, WorkerId};

use super::body::Body;

/// A session of toys.
pub struct Toy {
    parameters: Parameters,
}

impl Toy {
    #[must_use]
    pub fn new(job: &Job) -> Self {
        Self { parameters: job.parameters() }
    }
}

/// A worker of toys.
pub struct Worker {
    me: WorkerId,
    head: Option<Head>,
    state: Blob,
    residual: Hash,
    announced: Option<Announced>,
    next: Option<(Hash, Blob)>,
}

/// A payload and the state that it was trained from.
#[derive(Clone)]
struct Announced {
    base: Hash,
    file: Blob,
}

#[derive(Clone)]
struct Snapshot {
    head: Head,
    state: Blob,
    residual: Hash,
}

/// What a worker has written.
pub enum Write {
    Snapshot { head: Box<Head>, state: Blob, residual: Hash },
    Payload { base: Hash, file: Blob },
}

/// A worker's files.
#[derive(Default)]
pub struct Files {
    snapshot: Option<Snapshot>,
    payload: Option<Announced>,
}

/// The aggregator of toys.
pub struct Leader {
    state: Blob,
}

impl Worker {
    fn write(&self) -> Vec<Write> {
        let head = self.head.clone().into_iter();
        head.map(|head| Write::Snapshot { head: Box::new(head), state: self.state.clone(), residual: self.residual })
            .collect()
    }
}

impl Body for Toy {
    type Write = Write;
    type Files = Files;
    type Worker = Worker;
    type Leader = Leader;

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn elements(&self) -> u64 {
        1_000
    }

    fn genesis(&self) -> Blob {
        genesis()
    }

    fn worker(&self, keypair: &Keypair, _: SessionId, files: &Files) -> Worker {
        let (head, state, residual) = match files.snapshot.clone() {
            Some(Snapshot { head, state, residual }) => (Some(head), state, residual),
            None => (None, genesis(), Hash::ZERO),
        };
        let announced = files.payload.clone().filter(|payload| payload.base == Hash::of(&state));
        Worker { me: keypair.worker(), head, state, residual, announced, next: None }
    }

    fn served(&self, worker: &Worker) -> Vec<Blob> {
        let payload = worker.announced.iter().map(|payload| payload.file.clone());
        payload.chain([worker.state.clone()]).collect()
    }

    fn state_hash(&self, worker: &Worker) -> Hash {
        Hash::of(&worker.state)
    }

    fn head(files: &Files) -> Option<Head> {
        files.snapshot.as_ref().map(|snapshot| snapshot.head.clone())
    }

    fn announces(&self, files: &Files, payload: &Hash) -> bool {
        let state = files.snapshot.as_ref().map_or_else(genesis, |snapshot| snapshot.state.clone());
        let kept = files.payload.as_ref().filter(|kept| kept.base == Hash::of(&state));
        kept.is_some_and(|kept| Hash::of(&kept.file) == *payload)
    }

    fn store(files: &mut Files, write: Write) {
        match write {
            Write::Snapshot { head, state, residual } => {
                files.snapshot = Some(Snapshot { head: *head, state, residual });
            }
            Write::Payload { base, file } => files.payload = Some(Announced { base, file }),
        }
    }

    fn train(&self, worker: &mut Worker, _: Round, head: &Head, _: &str) -> Trained<Write> {
        let base = head.state_hash;
        let file = text("toy payload", &[&worker.me.0, &base.0, &worker.residual.0]);
        let payload =
            Payload { hash: Hash::of(&file), bytes: file.len() as u64, tokens: 1_000, timings: Timings::default() };
        let known = worker.announced.as_ref().is_some_and(|announced| announced.file == file);
        worker.announced = Some(Announced { base, file: file.clone() });
        let writes = if known { Vec::new() } else { vec![Write::Payload { base, file: file.clone() }] };
        Trained { payload, file, writes }
    }

    fn verify(&self, worker: &mut Worker, request: &VerifyRequest, _: &Payloads) -> Verification {
        let next = next_state(&worker.state, &request.summands);
        let state_hash = Hash::of(&next);
        worker.next = Some((state_hash, next));
        verify(request, state_hash)
    }

    fn apply(&self, worker: &mut Worker, request: &ApplyRequest, _: &Payloads) -> Applied<Write> {
        let verified = worker.next.take().filter(|(hash, _)| *hash == request.head.state_hash);
        let state = verified.map_or_else(|| next_state(&worker.state, &request.summands), |(_, state)| state);
        let state_hash = Hash::of(&state);
        if state_hash != request.head.state_hash {
            return Applied { state_hash, state, writes: Vec::new() };
        }
        if let Some(own) = request.own.filter(|own| own.accepted) {
            worker.residual = Hash::of_parts("toy residual", &[&worker.residual.0, &own.payload_hash.0]);
        }
        (worker.state, worker.head, worker.announced) = (state.clone(), Some(request.head.clone()), None);
        Applied { state_hash, state, writes: worker.write() }
    }

    fn replace(&self, worker: &mut Worker, head: &Head, state: Blob) -> Result<Vec<Write>, String> {
        if Hash::of(&state) != head.state_hash {
            return Err("another state".to_owned());
        }
        if worker.state != state {
            (worker.residual, worker.announced) = (Hash::ZERO, None);
        }
        (worker.state, worker.head) = (state, Some(head.clone()));
        Ok(worker.write())
    }

    fn leader(&self, rounds: &[(CommittedManifest, Payloads)]) -> Leader {
        let mut state = genesis();
        for (committed, _) in rounds {
            state = next_state(&state, &committed.manifest.body.summands());
            assert_eq!(Hash::of(&state), committed.manifest.body.state_hash, "the replayed state");
        }
        Leader { state }
    }

    fn leader_state(&self, leader: &Leader) -> Blob {
        leader.state.clone()
    }

    fn score(&self, _: &mut Leader, request: &ScoreRequest, _: &Payloads) -> Scored {
        score(&self.parameters.score, request)
    }

    fn aggregate(&self, leader: &mut Leader, request: &AggregateRequest, _: &Payloads) -> Hash {
        assert_eq!(Hash::of(&leader.state), request.base_hash, "the aggregator's state is not the round's base");
        Hash::of(&next_state(&leader.state, &request.summands))
    }

    fn commit(&self, leader: &mut Leader, committed: &CommittedManifest, head: &Head, _: &Payloads) -> leader::Applied {
        leader.state = next_state(&leader.state, &committed.manifest.body.summands());
        assert_eq!(Hash::of(&leader.state), head.state_hash, "the committed state");
        leader::Applied { state: leader.state.clone(), eval_loss: None, checkpoint: None, evaluate_ms: 0.0 }
    }
}

fn genesis() -> Blob {
    Arc::new(b"toy genesis".to_vec())
}

/// The bytes whose BLAKE3 is `Hash::of_parts(domain, parts)`.
fn text(domain: &str, parts: &[&[u8]]) -> Blob {
    let mut bytes = domain.as_bytes().to_vec();
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Arc::new(bytes)
}

fn next_state(state: &Blob, summands: &[Summand]) -> Blob {
    if summands.is_empty() {
        return state.clone();
    }
    let mut bytes = Vec::from(Hash::of(state).0);
    for summand in summands {
        bytes.extend(summand.payload_hash.0);
        bytes.extend(summand.weight.to_le_bytes());
        bytes.extend(summand.clip.to_le_bytes());
    }
    text("toy state", &[&bytes])
}

fn score(policy: &ScorePolicy, request: &ScoreRequest) -> Scored {
    let measured = request.candidates.iter();
    let measured =
        measured.map(|candidate| (candidate.worker, measure(&candidate.payload_hash, &request.eval_seed))).collect();
    let base_loss_micronats = (*policy != ScorePolicy::GatesOnly).then(|| base_loss(&request.eval_seed));
    Scored { round: request.round, base_loss_micronats, measured }
}

fn verify(request: &VerifyRequest, state_hash: Hash) -> Verification {
    let manifest = &request.manifest;
    let delivered = manifest.contributions.iter().filter(|entry| entry.measured.is_some());
    let gates = delivered.filter_map(|entry| {
        let found = measure(&entry.payload_hash?, &manifest.eval_seed);
        Some((entry.worker, found.gate, found.norm_nanos))
    });
    let remeasured = request.remeasure.and_then(|worker| {
        let payload = manifest.contribution(&worker)?.payload_hash?;
        let Measured { loss_micronats, gain_micronats, cosine_millionths, .. } = measure(&payload, &manifest.eval_seed);
        let base_loss_micronats = base_loss(&manifest.eval_seed);
        Some(Remeasured { worker, base_loss_micronats, loss_micronats, gain_micronats, cosine_millionths })
    });
    Verification {
        round: manifest.round,
        manifest_hash: request.manifest_hash,
        gates: gates.collect(),
        remeasured,
        state_hash,
    }
}

fn measure(payload: &Hash, seed: &Hash) -> Measured {
    let dice = Hash::of_parts("toy measure", &[&payload.0, &seed.0]);
    let die = |index: usize| i64::from(dice.0[index]);
    // Mostly good, sometimes useless, so that verdicts differ.
    let gain = if die(0) < 24 { -500 } else { 1_000 + die(1) };
    Measured {
        gate: None,
        norm_nanos: 1_000_000 + u64::from(payload.0[0]) * 1_000,
        loss_micronats: base_loss(seed) - gain,
        gain_micronats: gain,
        gain_error_micronats: 20,
        cosine_millionths: Some(300_000 + 1_000 * die(2)),
    }
}

fn base_loss(seed: &Hash) -> i64 {
    2_000_000 + i64::from(seed.0[0])
}
