//! From what the disk holds to a core that goes on where the last one was.

use super::{Action, Coordinator, CoordinatorConfig, Open, Phase, Record, Resume, ResumeError, presence::Presence};
use crate::{CommittedManifest, Head, Millis, Round, SessionId};
use std::collections::{BTreeMap, BTreeSet};

impl Coordinator {
    /// Builds the core from what the disk holds; for a new session that is [`Resume::default`].
    ///
    /// # Errors
    /// [`ResumeError`] when the records are not those of one run of this session.
    pub fn resume(now: Millis, config: CoordinatorConfig, resume: Resume) -> Result<(Self, Vec<Action>), ResumeError> {
        let mut core = Self::new(now, config);
        if let Some(head) = resume.head {
            core.set_head(head)?;
        }
        for record in resume.records {
            core.replay(record)?;
        }
        core.phase = core.phase_of_facts();
        core.advance(now);
        let actions = core.take_actions();
        Ok((core, actions))
    }

    fn new(now: Millis, config: CoordinatorConfig) -> Self {
        Self {
            config,
            head: None,
            last: None,
            round: Round(0),
            phase: Phase::Waiting,
            phase_since: now,
            sent_at: now,
            presence: Presence::new(now),
            joins: BTreeMap::new(),
            open: Open::default(),
            applied: BTreeSet::new(),
            below_quorum: false,
            actions: Vec::new(),
        }
    }

    fn set_head(&mut self, head: Head) -> Result<(), ResumeError> {
        self.check_session(head.session)?;
        self.round = head.round.next();
        self.head = Some(head);
        Ok(())
    }

    fn replay(&mut self, record: Record) -> Result<(), ResumeError> {
        self.check_session(record.session())?;
        let round = record.round();
        match record {
            Record::Genesis(head) if self.head.is_none() => return self.set_head(head.body),
            Record::Genesis(_) => {}
            Record::Committed(committed) => return self.replay_committed(committed),
            Record::Abandoned(_) if round >= self.round => {
                self.open = Open::default();
                self.round = round.next();
            }
            _ if round < self.round => {} // of a round that is over
            _ if round > self.round => return Err(self.gap(round)),
            Record::Commit(commit) => {
                self.open.commits.insert(commit.body.worker, commit);
            }
            Record::Closed(set) => {
                self.open.closed_hash = Some(set.body.hash());
                self.open.closed = Some(set);
            }
            Record::Certified(certified) => self.open.certified = Some(certified),
            Record::Proposal(manifest) => {
                self.open.proposal_hash = Some(manifest.body.hash());
                self.open.proposal = Some(manifest);
            }
            Record::Abandoned(_) => {} // of a round that is over
        }
        Ok(())
    }

    fn replay_committed(&mut self, committed: CommittedManifest) -> Result<(), ResumeError> {
        let manifest = &committed.manifest.body;
        let Some(head) = &self.head else { return Err(self.gap(manifest.round)) };
        if manifest.round > head.round && manifest.parent_hash == head.manifest_hash {
            self.adopt(committed);
        } else if manifest.hash() == head.manifest_hash {
            self.last = Some(committed); // the head's own, for members that lack it
        } else if manifest.round > head.round {
            return Err(self.gap(manifest.round));
        }
        Ok(())
    }

    /// A round whose set is certified goes on with the reveals: none was recorded, and their owners send them again.
    fn phase_of_facts(&self) -> Phase {
        if self.is_finished() {
            Phase::Finishing
        } else if self.open.proposal.is_some() {
            Phase::Voting
        } else if self.open.certified.is_some() {
            Phase::Revealing
        } else if self.open.closed.is_some() {
            Phase::Closing
        } else if !self.open.commits.is_empty() {
            Phase::Training
        } else {
            Phase::Waiting
        }
    }

    fn check_session(&self, session: SessionId) -> Result<(), ResumeError> {
        if session == self.config.session { Ok(()) } else { Err(ResumeError::Session(session)) }
    }

    fn gap(&self, round: Round) -> ResumeError {
        ResumeError::Gap { round, head: self.head.as_ref().map_or(Round(0), |head| head.round) }
    }
}

impl Record {
    /// The round that it belongs to.
    #[must_use]
    pub fn round(&self) -> Round {
        match self {
            Self::Genesis(head) => head.body.round,
            Self::Commit(commit) => commit.body.round,
            Self::Closed(set) => set.body.round,
            Self::Certified(certified) => certified.set.body.round,
            Self::Proposal(manifest) => manifest.body.round,
            Self::Committed(committed) => committed.manifest.body.round,
            Self::Abandoned(abandonment) => abandonment.body.round,
        }
    }

    /// The session that it belongs to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        match self {
            Self::Genesis(head) => head.body.session,
            Self::Commit(commit) => commit.body.session,
            Self::Closed(set) => set.body.session,
            Self::Certified(certified) => certified.set.body.session,
            Self::Proposal(manifest) => manifest.body.session,
            Self::Committed(committed) => committed.manifest.body.session,
            Self::Abandoned(abandonment) => abandonment.body.session,
        }
    }
}
