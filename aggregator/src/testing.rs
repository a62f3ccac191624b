//! A small session on disk for tests: its run directory, committed rounds, and whatever a death leaves of one.

use std::ops::{Deref, DerefMut};

use kernels::Summand;
use models::tokenizer::Tokenizer;
use node::checkpoint::{self, Snapshot};
use node::job::Exchange;
use protocol::coordinator::Record;
use protocol::{Hash, Head, Round, Signed};
use record::{RoundRecord, RoundsLog, RunDirectory};
use tempfile::TempDir;

use crate::journal::Journal;
use crate::recover::{RecoverError, Recovered, recover};

#[path = "../node/src/testing.rs"]
mod session;

use session::Session;

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
    /// None once its process has died.
    pub(crate) journal: Option<Journal>,
    pub(crate) rounds_log: RoundsLog,
    pub(crate) session: Session,
}

impl Deref for Swarm {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Swarm {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Swarm {
    pub(crate) fn new(exchange: Exchange) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::create(&directory.path().join("run")).unwrap();
        let session = Session::new(exchange);
        disk::write_atomic(&run.job(), session.job.to_toml().unwrap().as_bytes()).unwrap();
        let (mut journal, _) = Journal::open(&run).unwrap();
        let (rounds_log, _) = RoundsLog::open(&run.rounds_log()).unwrap();
        journal.persist(&Record::Genesis(Signed::new(session.head.clone(), &session.aggregator))).unwrap();
        let swarm = Self { _directory: directory, run, journal: Some(journal), rounds_log, session };
        swarm.checkpoint(Round(0), None);
        swarm.genesis.write(&swarm.run.genesis()).unwrap();
        swarm
    }

    pub(crate) fn journal(&mut self) -> &mut Journal {
        self.journal.as_mut().unwrap()
    }

    /// What a process that starts after this one died finds.
    pub(crate) fn recovered(&mut self) -> Result<Recovered, RecoverError> {
        self.journal = None;
        recover(&self.run)
    }

    /// Commits the next round, or gets as far as `reach`.
    pub(crate) fn round(&mut self, reach: Reach) {
        let round = self.head.round.next();
        let payloads: Vec<Vec<u8>> = (0..self.workers.len()).map(|i| self.payload(i, round, 1.0)).collect();
        let hashes: Vec<Hash> = payloads.iter().map(|bytes| self.run.store_payload(round, bytes).unwrap()).collect();
        if reach == Reach::Payloads {
            return;
        }
        let summands: Vec<Summand<'_>> = payloads
            .iter()
            .map(|bytes| Summand { body: kernels::parse(bytes).unwrap().1, weight: 64, clip: 256 })
            .collect();
        let mut next = self.state.clone();
        self.rule.apply(self.codec(), &mut next, &summands).unwrap();
        let committed = self.certify(self.manifest(round, &hashes, next.hash()));
        self.journal().persist(&Record::Committed(committed.clone())).unwrap();
        if reach == Reach::Record {
            return;
        }
        self.session.state = next;
        self.session.head = Head::of(&committed.manifest.body);
        self.journal().commit(&committed).unwrap();
        if reach == Reach::Manifest {
            return;
        }
        let line = RoundRecord::empty(round);
        self.rounds_log.append(&line).unwrap();
        if reach == Reach::Checkpoint {
            self.checkpoint(round, Some(&self.head));
        }
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
