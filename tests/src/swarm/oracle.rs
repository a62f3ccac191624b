//! What must never happen, checked while it would.

use std::collections::{BTreeMap, BTreeSet};

use protocol::coordinator::Record;
use protocol::member::MemberRecord;
use protocol::roster::quorum;
use protocol::{CommittedManifest, Hash, Reason, Round, Signed, WorkerId};
use record::RoundRecord;

/// Sees everything that becomes durable anywhere and every acknowledgement that arrives.
#[derive(Default)]
pub struct Oracle {
    /// State and manifest hash by round, as first committed.
    pub committed: BTreeMap<Round, CommittedManifest>,
    pub abandoned: BTreeSet<Round>,
    closed: BTreeMap<Round, Hash>,
    proposed: BTreeMap<Round, Hash>,
    acknowledged: BTreeSet<(Round, WorkerId, Hash)>,
    votes: BTreeMap<(Round, WorkerId), Hash>,
    countersigns: BTreeMap<(Round, WorkerId), Hash>,
    applied: BTreeMap<(Round, WorkerId), u32>,
    voters: BTreeMap<Round, usize>,
}

impl Oracle {
    /// The aggregator made a record durable.
    pub fn recorded(&mut self, record: &Record) {
        match record {
            Record::Genesis(head) => {
                self.voters.insert(Round(0), head.body.roster.voters().count());
            }
            Record::Commit(_) | Record::Certified(_) => {}
            Record::Closed(set) => same(&mut self.closed, set.body.round, set.body.hash(), "closed sets"),
            Record::Proposal(manifest) => {
                same(&mut self.proposed, manifest.body.round, manifest.body.hash(), "proposals")
            }
            Record::Committed(committed) => self.committed(committed),
            Record::Abandoned(signed) => {
                let round = signed.body.round;
                assert!(!self.committed.contains_key(&round), "round {round} committed and then abandoned");
                self.abandoned.insert(round);
            }
        }
    }

    /// A worker made a record durable.
    pub fn worker_recorded(&mut self, worker: WorkerId, record: &MemberRecord) {
        match record {
            MemberRecord::Committed(_) => {}
            MemberRecord::Countersigned(Signed { body, .. }) => {
                same(&mut self.countersigns, (body.round, worker), body.closed_hash, "countersignatures of one worker");
            }
            MemberRecord::Voted(Signed { body, .. }) => {
                same(&mut self.votes, (body.round, worker), body.manifest_hash, "votes of one worker");
            }
        }
    }

    /// A worker heard that its commit is recorded.
    pub fn acknowledged(&mut self, round: Round, worker: WorkerId, commitment: Hash) {
        self.acknowledged.insert((round, worker, commitment));
    }

    /// A worker stored the state after a round.
    pub fn applied(&mut self, round: Round, worker: WorkerId, state: Hash) {
        let committed = self.committed.get(&round);
        let expected = committed.map(|committed| committed.manifest.body.state_hash);
        assert_eq!(Some(state), expected, "{worker:?} applied something else than round {round} committed");
        let times = self.applied.entry((round, worker)).or_default();
        *times += 1;
        assert_eq!(*times, 1, "{worker:?} applied round {round} twice");
    }

    /// A worker died with the states after `kept` up to `newest` not durable yet: it will apply them again.
    pub fn fell_back(&mut self, worker: WorkerId, kept: Round, newest: Round) {
        self.applied.retain(|(round, by), _| *by != worker || *round <= kept || *round > newest);
    }

    fn committed(&mut self, committed: &CommittedManifest) {
        let manifest = &committed.manifest.body;
        let (round, hash) = (manifest.round, manifest.hash());
        assert!(!self.abandoned.contains(&round), "round {round} abandoned and then committed");
        let before = self.committed.insert(round, committed.clone());
        assert!(before.is_none_or(|before| before.manifest.body.hash() == hash), "two manifests of round {round}");
        let durable = self.votes.iter().filter(|((voted, _), vote)| *voted == round && **vote == hash).count();
        let head = self.voters.range(..round).next_back().map_or(0, |(_, voters)| *voters);
        assert!(durable >= quorum(head), "round {round} committed by {durable} durable votes of {head} voters");
        self.voters.insert(round, manifest.next_roster.voters().count());
        for (_, worker, commitment) in self.acknowledged.iter().filter(|(acknowledged, ..)| *acknowledged == round) {
            let entry = manifest.contribution(worker).map(|entry| entry.commitment);
            assert_eq!(entry, Some(*commitment), "round {round} lacks the acknowledged commit of {worker:?}");
        }
    }

    /// The aggregator wrote the line of a round: a view of the manifest that was committed.
    pub fn line(&mut self, record: &RoundRecord) {
        let committed = self.committed.get(&record.round).expect("a line is of a committed round");
        let expected = RoundRecord::of(committed);
        let found = RoundRecord { eval_loss: expected.eval_loss, timings_ms: expected.timings_ms, ..record.clone() };
        assert_eq!(found, expected, "the line of round {} is not its manifest's", record.round);
    }

    /// Contributions that did not arrive as they were committed.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        let entries = self.committed.values().flat_map(|committed| &committed.manifest.body.contributions);
        entries.filter(|entry| matches!(entry.reason, Reason::Withheld | Reason::Undelivered)).count()
    }

    /// State and manifest hashes in the order of rounds.
    #[must_use]
    pub fn chain(&self) -> Vec<(Round, Hash, Hash)> {
        let links = self.committed.iter();
        links
            .map(|(round, committed)| (*round, committed.manifest.body.state_hash, committed.manifest.body.hash()))
            .collect()
    }
}

/// Each key has one value for ever.
fn same<K: Ord + std::fmt::Debug + Copy>(map: &mut BTreeMap<K, Hash>, key: K, hash: Hash, what: &str) {
    let known = *map.entry(key).or_insert(hash);
    assert_eq!(known, hash, "two different {what} at {key:?}");
}
