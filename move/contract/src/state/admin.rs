//! Administration: the admin, the reporters, the pause, the percentages and the delay.

use super::{Caller, Outcome, State, event, require};
use crate::limits::{CLAIM_DELAY_S_MAX, RATIO_MAX};
use crate::{Abort, Address};

impl State {
    pub(super) fn set_paused(&mut self, caller: Caller, paused: bool) -> Outcome {
        self.require_admin(caller)?;
        self.paused = paused;
        Ok(vec![event("Paused", [("paused", paused.into())])])
    }

    pub(super) fn propose_admin(&mut self, caller: Caller, new_admin: Address) -> Outcome {
        self.require_admin(caller)?;
        self.pending_admin = Some(new_admin);
        Ok(vec![event("AdminProposed", [("new_admin", new_admin.into())])])
    }

    pub(super) fn accept_admin(&mut self, caller: Caller) -> Outcome {
        require(self.pending_admin == Some(caller.sender), Abort::NotPendingAdmin)?;
        self.pending_admin = None;
        self.admin = caller.sender;
        Ok(vec![event("AdminChanged", [("admin", caller.sender.into())])])
    }

    pub(super) fn set_reporter(&mut self, caller: Caller, reporter: Address, allowed: bool) -> Outcome {
        self.require_admin(caller)?;
        if allowed {
            self.reporters.insert(reporter);
        } else {
            self.reporters.remove(&reporter);
        }
        Ok(vec![event("ReporterSet", [("reporter", reporter.into()), ("allowed", allowed.into())])])
    }

    pub(super) fn configure_rewards(&mut self, caller: Caller, base: u64, bonus: u64, threshold: u64) -> Outcome {
        self.require_admin(caller)?;
        let adds_up = base.checked_add(bonus) == Some(RATIO_MAX);
        require(adds_up && threshold <= RATIO_MAX, Abort::InvalidPercentages)?;
        (self.base_percentage, self.bonus_percentage, self.quality_threshold) = (base, bonus, threshold);
        let fields = [
            ("base_percentage", base.into()),
            ("bonus_percentage", bonus.into()),
            ("quality_threshold", threshold.into()),
        ];
        Ok(vec![event("RewardsConfigured", fields)])
    }

    pub(super) fn set_claim_delay(&mut self, caller: Caller, claim_delay_s: u64) -> Outcome {
        self.require_admin(caller)?;
        require(claim_delay_s <= CLAIM_DELAY_S_MAX, Abort::InvalidDelay)?;
        self.claim_delay_s = claim_delay_s;
        Ok(vec![event("ClaimDelaySet", [("claim_delay_s", claim_delay_s.into())])])
    }
}
