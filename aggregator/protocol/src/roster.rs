//! Who belongs to the session, who votes, and how a committed round changes that.
//!
//! Invariants: sorted by worker, at most [`MEMBERS_MAX`] members; the voters are those fixed by the last committed
//! manifest, never those who happen to be present; a roster that has voters never loses the last of them.

use crate::{
    Round, Stage, WorkerId, encoding,
    limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, MEMBERS_MAX, SPEED_STEP_MAX},
};
use serde::{Deserialize, Serialize};

mod balance;
mod succession;
pub use succession::next_roster;

/// One member as the last committed manifest left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterMember {
    /// Who.
    pub worker: WorkerId,
    /// Whether it votes.
    pub voter: bool,
    /// How many batches it takes per inner step, a coarse measure of its speed.
    pub speed_step: u32,
    /// Its measured speed, where the job balances by it; 0 until it is known.
    pub tokens_per_s: u64,
    /// Rounds with an accepted contribution since it joined or came out of quarantine.
    pub accepted_rounds: u64,
    /// Its mean score S̄ in hundredths; none before the first score.
    pub standing: Option<u32>,
    /// Scores in a row that the rule calls low.
    pub low_streak: u32,
    /// Committed rounds in a row without a contribution of it.
    pub missed: u32,
    /// The first round in which it may contribute again.
    pub quarantined_until: Option<Round>,
    /// How often it was quarantined; each time lasts twice as long, up to a limit.
    pub quarantines: u32,
    /// The stage of the model that it holds, 0 of 1 today.
    pub stage: u16,
    /// Where peers find it.
    #[serde(deserialize_with = "encoding::texts::<_, ADDRESSES_MAX, ADDRESS_BYTES_MAX>")]
    pub addresses: Vec<String>,
}

/// The members of a session, sorted by worker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roster {
    /// Sorted by worker.
    #[serde(deserialize_with = "encoding::list::<_, _, MEMBERS_MAX>")]
    pub members: Vec<RosterMember>,
}

/// A worker's wish to be in the next roster, or new addresses of one that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Who.
    pub worker: WorkerId,
    /// Where peers find it.
    #[serde(deserialize_with = "encoding::texts::<_, ADDRESSES_MAX, ADDRESS_BYTES_MAX>")]
    pub addresses: Vec<String>,
}

impl RosterMember {
    /// A new member, as it joins.
    #[must_use]
    pub fn new(join: &Join, voter: bool) -> Self {
        Self {
            worker: join.worker,
            voter,
            speed_step: 1,
            tokens_per_s: 0,
            accepted_rounds: 0,
            standing: None,
            low_streak: 0,
            missed: 0,
            quarantined_until: None,
            quarantines: 0,
            stage: Stage::WHOLE.index,
            addresses: join.addresses.clone(),
        }
    }

    fn is_valid(&self) -> bool {
        (1..=SPEED_STEP_MAX).contains(&self.speed_step) && self.standing.is_none_or(|standing| standing <= 10_000)
    }

    /// Whether it may contribute in `round`.
    #[must_use]
    pub fn contributes(&self, round: Round) -> bool {
        self.quarantined_until.is_none_or(|until| round >= until)
    }
}

impl Roster {
    /// The first roster: everybody admitted before the first round, all with a vote.
    #[must_use]
    pub fn genesis(joins: &[Join]) -> Self {
        let mut members: Vec<_> = joins.iter().take(MEMBERS_MAX).map(|join| RosterMember::new(join, true)).collect();
        members.sort_by_key(|member| member.worker);
        members.dedup_by_key(|member| member.worker);
        Self { members }
    }

    /// One member.
    #[must_use]
    pub fn member(&self, worker: &WorkerId) -> Option<&RosterMember> {
        let found = self.members.binary_search_by(|member| member.worker.cmp(worker));
        found.ok().map(|index| &self.members[index])
    }

    /// Whether `worker` has a vote.
    #[must_use]
    pub fn votes(&self, worker: &WorkerId) -> bool {
        self.member(worker).is_some_and(|member| member.voter)
    }

    /// Those with a vote, R in number.
    pub fn voters(&self) -> impl Iterator<Item = &RosterMember> {
        self.members.iter().filter(|member| member.voter)
    }

    /// Those who may contribute in `round`, in the order of workers.
    pub fn contributors(&self, round: Round) -> impl Iterator<Item = &RosterMember> {
        self.members.iter().filter(move |member| member.contributes(round))
    }

    /// ⌈2R/3⌉ of the R voters, and at least one.
    #[must_use]
    pub fn quorum(&self) -> usize {
        quorum(self.voters().count())
    }

    /// Whether the members are sorted by worker without doubles, each within its bounds, and somebody votes.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.members.len() <= MEMBERS_MAX
            && self.members.windows(2).all(|pair| pair[0].worker < pair[1].worker)
            && self.members.iter().all(RosterMember::is_valid)
            && self.voters().next().is_some()
    }
}

/// ⌈2R/3⌉, and at least one: without voters nothing commits.
#[must_use]
pub const fn quorum(voters: usize) -> usize {
    let two_thirds = (2 * voters).div_ceil(3);
    if two_thirds == 0 { 1 } else { two_thirds }
}

#[cfg(test)]
mod tests;
