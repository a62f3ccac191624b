//! A small session in memory for tests, of this crate and of those that include this file: keys, a model of a few
//! thousand parameters, payloads, manifests.

use kernels::{Codec, Header, VERSION, encode, seal};
use models::data::{self, Split};
use models::{ComputeDevice, Trainer, TrainerOptions};
use node::job::{Exchange, Job};
use node::state::{OuterRule, State};
use protocol::manifest::Contribution;
use protocol::roster::Join;
use protocol::{
    Certificate, CommittedManifest, Hash, Head, Keypair, Manifest, NetworkId, Reason, Roster, Round, Signed, Stage,
    Term, Verdict, WorkerId,
};
use record::{Genesis, Start};

/// A job for a model of a few thousand parameters.
pub(crate) fn job(exchange: Exchange) -> Job {
    let text = "[model]\nhidden_size = 16\nintermediate_size = 32\nnum_hidden_layers = 1\nnum_attention_heads = 2\n\
                num_key_value_heads = 1\nvocab_size = 264\nmax_position_embeddings = 16\n\
                [train]\nsequence_length = 16\ninner_steps = 1\nwarmup_steps = 2\nbatch_sequences = 2\n\
                [codec]\nwarmup_rounds = 1\n";
    let mut job = Job::parse(text).unwrap();
    job.train.exchange = exchange;
    job.resolve(257).unwrap()
}

/// A session as every node of it knows it.
#[allow(dead_code, reason = "each crate that includes this file reads its part")]
pub(crate) struct Session {
    pub(crate) job: Job,
    pub(crate) rule: OuterRule,
    pub(crate) genesis: Genesis,
    pub(crate) aggregator: Keypair,
    pub(crate) workers: Vec<Keypair>,
    pub(crate) head: Head,
    pub(crate) state: State,
}

#[allow(dead_code, reason = "each crate that includes this file calls its part")]
impl Session {
    pub(crate) fn new(exchange: Exchange) -> Self {
        let job = job(exchange);
        let rule = OuterRule::of(&job).unwrap();
        let config = job.model.config().unwrap();
        let state = rule.initial(models::initialize(&config, 1));
        let aggregator = Keypair::from_secret(&[99; 32]);
        let elements = state.elements() as u64;
        let layout_hash = Hash(rule.layout().hash());
        let start = Start { state_hash: state.hash(), elements, layout_hash };
        let network = NetworkId(job.fingerprint().unwrap());
        let genesis = Genesis::new(network, aggregator.worker(), Hash([1; 32]), &start, Vec::new());
        let mut workers: Vec<Keypair> = (1..=3).map(|seed| Keypair::from_secret(&[seed; 32])).collect();
        workers.sort_by_key(Keypair::worker);
        let join = |keypair: &Keypair| Join { worker: keypair.worker(), addresses: Vec::new() };
        let roster = Roster::genesis(&workers.iter().map(join).collect::<Vec<_>>());
        let head = Head::genesis(genesis.session, state.hash(), elements, roster);
        Self { job, rule, genesis, aggregator, workers, head, state }
    }

    /// A text of a few thousand tokens.
    pub(crate) fn split(&self) -> Split {
        let tokens: Vec<u32> = (0..4000_u32).map(|i| (i * i / 7) % 64).collect();
        data::split(&tokens, self.job.train.sequence_length).unwrap()
    }

    /// A trainer on one thread, so that its sums are those of every machine.
    pub(crate) fn trainer(&self) -> Trainer {
        let config = self.job.model.config().unwrap();
        Trainer::new(&config, &ComputeDevice::cpu(Some(1)), TrainerOptions::default()).unwrap()
    }

    /// A worker's payload of a round on top of the head.
    pub(crate) fn payload(&self, index: usize, round: Round, scale: f32) -> Vec<u8> {
        let codec = self.codec();
        let seed = round.0 as usize * 7 + index * 3 + 1;
        let value = |i: usize| scale * ((i * seed % 31) as f32 - 15.0) * 1e-4;
        let values: Vec<f32> = (0..self.state.elements()).map(value).collect();
        self.seal(index, round, codec, &encode(codec, &values).unwrap())
    }

    pub(crate) fn seal(&self, index: usize, round: Round, codec: Codec, body: &[u8]) -> Vec<u8> {
        let header = Header {
            version: VERSION,
            codec,
            stage: Stage::WHOLE.index,
            stages: Stage::WHOLE.of,
            elements: self.state.elements() as u64,
            round: round.0,
            tokens: self.tokens(),
            layout_hash: self.rule.layout().hash(),
            base_hash: self.head.state_hash.0,
            session: self.head.session.0,
            worker: self.workers[index].worker().0,
        };
        seal(&header, body)
    }

    pub(crate) fn codec(&self) -> Codec {
        self.job.codec.at(self.head.outer_steps + 1).unwrap()
    }

    /// Tokens that each worker is assigned in a round.
    pub(crate) fn tokens(&self) -> u64 {
        (self.job.train.batch_sequences * self.job.train.sequence_length) as u64
    }

    /// The manifest of a round that accepts these payloads.
    pub(crate) fn manifest(&self, round: Round, payloads: &[Hash], state_hash: Hash) -> Manifest {
        let contribution = |(keypair, hash): (&Keypair, &Hash)| accepted(keypair.worker(), *hash, self.tokens());
        Manifest {
            session: self.head.session,
            round,
            term: Term::FIRST,
            outer_step: self.head.outer_steps + 1,
            stage: Stage::WHOLE.index,
            stages: Stage::WHOLE.of,
            base_hash: self.head.state_hash,
            parent_hash: self.head.manifest_hash,
            state_hash,
            elements: self.head.elements,
            cursor: self.head.cursor,
            codec: self.codec().name().to_owned(),
            alpha: self.job.outer.alpha,
            rho: (self.job.outer.rho[0], self.job.outer.rho[1]),
            closed_hash: Hash::ZERO,
            eval_seed: Hash([7; 32]),
            base_loss_micronats: None,
            contributions: self.workers.iter().zip(payloads).map(contribution).collect(),
            joins: Vec::new(),
            next_roster: self.head.roster.clone(),
        }
    }

    /// The manifest with the signatures of all workers.
    pub(crate) fn certify(&self, manifest: Manifest) -> CommittedManifest {
        let ballot = manifest.ballot();
        let signatures: Certificate =
            self.workers.iter().map(|keypair| (keypair.worker(), keypair.sign(&ballot))).collect();
        CommittedManifest { manifest: Signed::new(manifest, &self.aggregator), signatures }
    }
}

fn accepted(worker: WorkerId, payload_hash: Hash, tokens: u64) -> Contribution {
    Contribution {
        worker,
        commitment: Hash::ZERO,
        salt: None,
        payload_hash: Some(payload_hash),
        bytes: 0,
        tokens,
        inner_ms: 0,
        verdict: Verdict::Accepted,
        reason: Reason::Passed,
        measured: None,
        norm_ratio_millionths: 1_000_000,
        usefulness_millionths: 1_000_000,
        agreement_millionths: 1_000_000,
        score: 100,
        weight: 64,
        clip: 256,
    }
}
