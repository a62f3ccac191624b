//! A small session on disk for tests: keys, a model of a few thousand parameters, payloads, committed rounds.

use kernels::{Codec, Header, Summand, VERSION, encode, seal};
use models::tokenizer::Tokenizer;
use protocol::coordinator::Record;
use protocol::manifest::Contribution;
use protocol::roster::Join;
use protocol::{
    Certificate, CommittedManifest, Hash, Head, Keypair, Manifest, Reason, Roster, Round, Signed,
    Term as AggregatorTerm, Verdict, WorkerId,
};
use tempfile::TempDir;

use crate::checkpoint::{self, Snapshot};
use crate::files;
use crate::genesis::{Genesis, Start};
use crate::job::{Exchange, Job};
use crate::journal::Journal;
use crate::rounds_log::{RoundCommitted, RoundsLog};
use crate::run_directory::RunDirectory;
use crate::state::{OuterRule, State};

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

/// How far a process gets with a round before it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    Payloads,
    Record,
    Manifest,
    Line,
    Checkpoint,
}

/// A session as one aggregator holds it.
pub(crate) struct Swarm {
    pub(crate) _directory: TempDir,
    pub(crate) run: RunDirectory,
    pub(crate) job: Job,
    pub(crate) rule: OuterRule,
    pub(crate) genesis: Genesis,
    pub(crate) aggregator: Keypair,
    pub(crate) workers: Vec<Keypair>,
    pub(crate) head: Head,
    pub(crate) state: State,
    pub(crate) journal: Journal,
    pub(crate) rounds_log: RoundsLog,
}

impl Swarm {
    pub(crate) fn new(exchange: Exchange) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::create(&directory.path().join("run")).unwrap();
        let job = job(exchange);
        files::write_atomic(&run.job(), job.to_toml().unwrap().as_bytes()).unwrap();
        let rule = OuterRule::of(&job).unwrap();
        let config = job.model.config().unwrap();
        let state = rule.initial(models::initialize(&config, 1));
        let aggregator = Keypair::from_secret(&[99; 32]);
        let elements = state.elements() as u64;
        let layout_hash = Hash(rule.layout().hash());
        let start = Start { state_hash: state.hash(), elements, layout_hash };
        let genesis = Genesis::new(&job, aggregator.worker(), Hash([1; 32]), &start, Vec::new()).unwrap();
        let mut workers: Vec<Keypair> = (1..=3).map(|seed| Keypair::from_secret(&[seed; 32])).collect();
        workers.sort_by_key(Keypair::worker);
        let join = |keypair: &Keypair| Join { worker: keypair.worker(), addresses: Vec::new() };
        let roster = Roster::genesis(&workers.iter().map(join).collect::<Vec<_>>());
        let head = Head::genesis(genesis.session, state.hash(), elements, roster);
        let (mut journal, _) = Journal::open(&run).unwrap();
        let (rounds_log, _) = RoundsLog::open(&run.rounds_log()).unwrap();
        journal.persist(&Record::Genesis(Signed::new(head.clone(), &aggregator))).unwrap();
        let swarm = Self {
            _directory: directory,
            run,
            job,
            rule,
            genesis,
            aggregator,
            workers,
            head,
            state,
            journal,
            rounds_log,
        };
        swarm.checkpoint(Round(0), None);
        swarm.genesis.write(&swarm.run.genesis()).unwrap();
        swarm
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
            stage: 0,
            stages: 1,
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

    /// Commits the next round, or gets as far as `reach`.
    pub(crate) fn round(&mut self, reach: Reach) {
        let round = self.head.round.next();
        let payloads: Vec<Vec<u8>> = (0..self.workers.len()).map(|i| self.payload(i, round, 1.0)).collect();
        let hashes: Vec<Hash> = payloads.iter().map(|bytes| self.run.store_payload(round, bytes).unwrap()).collect();
        if reach == Reach::Payloads {
            return;
        }
        let terms: Vec<Summand<'_>> = payloads
            .iter()
            .map(|bytes| Summand { body: kernels::parse(bytes).unwrap().1, weight: 64, clip: 256 })
            .collect();
        let mut next = self.state.clone();
        self.rule.apply(self.codec(), &mut next, &terms).unwrap();
        let committed = self.certify(self.manifest(round, &hashes, next.hash()));
        self.journal.persist(&Record::Committed(committed.clone())).unwrap();
        if reach == Reach::Record {
            return;
        }
        self.state = next;
        self.head = Head::of(&committed.manifest.body);
        self.journal.commit(&committed).unwrap();
        if reach == Reach::Manifest {
            return;
        }
        let line = RoundCommitted { round: round.0, ..RoundCommitted::default() };
        self.rounds_log.append(&line).unwrap();
        if reach == Reach::Checkpoint {
            self.checkpoint(round, Some(&self.head));
        }
    }

    /// The manifest of a round that accepts these payloads.
    pub(crate) fn manifest(&self, round: Round, payloads: &[Hash], state_hash: Hash) -> Manifest {
        let contribution = |(keypair, hash): (&Keypair, &Hash)| accepted(keypair.worker(), *hash, self.tokens());
        Manifest {
            session: self.head.session,
            round,
            term: AggregatorTerm(1),
            outer_step: self.head.outer_steps + 1,
            stage: 0,
            stages: 1,
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

    fn checkpoint(&self, round: Round, head: Option<&Head>) {
        let snapshot = Snapshot {
            session: self.genesis.session,
            round,
            state: &self.state,
            head,
            config: &self.job.model.config().unwrap(),
            tokenizer: &Tokenizer::Bytes,
            shard_bytes_max: self.job.checkpoint.shard_bytes_max,
        };
        checkpoint::write(&self.run.checkpoints(), &snapshot).unwrap();
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
