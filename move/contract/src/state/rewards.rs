//! Rewards of sessions that are paid by their contributions: the split, the delay, the claim.

use super::sessions::Session;
use super::{Caller, Outcome, State, event, require};
use crate::limits::{EVIDENCE_BYTES_MAX, PARTICIPANTS_MAX};
use crate::{Abort, Address};
use rewards::{Participant, Rules, Split};
use serde::{Deserialize, Serialize};

/// What a participant earned in a session that was paid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Earning {
    pub(super) amount: u64,
    pub(super) claimable_at: u64,
    pub(super) claimed: bool,
}

impl State {
    pub(super) fn distribute_rewards(&mut self, caller: Caller, id: u64) -> Outcome {
        let session = self.require_reportable(caller, id)?;
        require(session.contributions.len() <= PARTICIPANTS_MAX, Abort::TooMany)?;
        require(!session.roots.published, Abort::SessionClosed)?;
        let split = session.split()?;
        let sponsor = session.sponsor;
        let claimable_at = self.claimable_at(caller);
        let session = self.session_mut(id)?;
        session.closed = true;
        let mut events = Vec::with_capacity(split.shares.len() + 1);
        for share in &split.shares {
            let participant = Address(share.address);
            let amount = share.reward();
            if amount > 0 {
                session.earnings.insert(participant, Earning { amount, claimable_at, claimed: false });
            }
            let fields = [
                ("session_id", id.into()),
                ("participant", participant.into()),
                ("score", share.score.into()),
                ("base", share.base.into()),
                ("bonus", (share.top + share.quality_bonus).into()),
                ("amount", amount.into()),
                ("claimable_at", claimable_at.into()),
            ];
            events.push(event("RewardEarned", fields));
        }
        self.pay(sponsor, split.returned);
        let fields = [("session_id", id.into()), ("total", split.total().into()), ("returned", split.returned.into())];
        events.push(event("RewardsDistributed", fields));
        Ok(events)
    }

    pub(super) fn claim_reward(&mut self, caller: Caller, id: u64) -> Outcome {
        self.require_running()?;
        let session = self.session_mut(id)?;
        let unclaimed = session.earnings.get_mut(&caller.sender).filter(|earning| !earning.claimed);
        let earning = unclaimed.ok_or(Abort::NothingToClaim)?;
        require(caller.now_s >= earning.claimable_at, Abort::NotClaimableYet)?;
        earning.claimed = true;
        let amount = earning.amount;
        session.claimed_total += amount;
        self.pay(caller.sender, amount);
        Ok(vec![reward_claimed(id, caller.sender, amount)])
    }

    pub(super) fn invalidate_earning(
        &mut self,
        caller: Caller,
        id: u64,
        participant: Address,
        evidence: &[u8],
    ) -> Outcome {
        self.require_admin(caller)?;
        let session = self.session_mut(id)?;
        require_evidence(evidence)?;
        let earning = session.earnings.get(&participant).filter(|earning| !earning.claimed);
        let in_time = earning.filter(|earning| caller.now_s < earning.claimable_at);
        let amount = in_time.ok_or(Abort::TooLate)?.amount;
        session.earnings.remove(&participant);
        let sponsor = session.sponsor;
        self.pay(sponsor, amount);
        let fields = [
            ("session_id", id.into()),
            ("participant", participant.into()),
            ("amount", amount.into()),
            ("evidence", evidence.into()),
        ];
        Ok(vec![event("EarningInvalidated", fields)])
    }

    /// When what is earned now can be claimed. A time near u64's end is no time of a chain.
    pub(super) fn claimable_at(&self, caller: Caller) -> u64 {
        caller.now_s.saturating_add(self.claim_delay_s)
    }
}

impl Session {
    /// The split of the pool. What it refuses cannot be recorded, so its error is never seen.
    fn split(&self) -> Result<Split, Abort> {
        let rules = Rules::new(self.base_percentage, self.bonus_percentage, self.quality_threshold)
            .map_err(|_| Abort::InvalidPercentages)?;
        let participants: Vec<_> = self
            .contributions
            .iter()
            .map(|(address, totals)| Participant {
                address: address.0,
                compute_time: totals.compute_time,
                data_transmitted: totals.data_transmitted,
                quality_sum: totals.quality_sum,
                uptime_sum: totals.uptime_sum,
                count: totals.count,
            })
            .collect();
        rewards::split(self.pool, rules, &participants).map_err(|_| Abort::InvalidRatio)
    }
}

pub(super) fn reward_claimed(id: u64, participant: Address, amount: u64) -> crate::Event {
    event("RewardClaimed", [("session_id", id.into()), ("participant", participant.into()), ("amount", amount.into())])
}

pub(super) fn require_evidence(evidence: &[u8]) -> Result<(), Abort> {
    require((1..=EVIDENCE_BYTES_MAX).contains(&evidence.len()), Abort::InvalidEvidence)
}
