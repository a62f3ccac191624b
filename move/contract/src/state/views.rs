//! The views: what anyone may look up without a transaction.

use super::{State, require_ratio};
use crate::{Abort, Address, Value};
use rewards::score;

/// Where there is no number.
const ZERO: u64 = 0;

type Results = Result<Vec<Value>, Abort>;

impl State {
    /// Dispatches a view whose arguments have the types of the ABI; `None` when no arm takes them.
    pub(super) fn look(&self, function: &str, args: &[Value], now_s: u64) -> Option<Results> {
        use Value::{Address as A, U64 as N};
        Some(match (function, args) {
            ("get_p2p_node", [A(node)]) => self.get_p2p_node(*node),
            ("calculate_contribution_score", [N(time), N(quality), N(data), N(uptime)]) => {
                let ratios = [*time, *quality, *data, *uptime];
                ratios.into_iter().try_for_each(require_ratio).map(|()| vec![score(ratios).into()])
            }
            ("get_config", []) => Ok(vec![
                self.admin.into(),
                self.paused.into(),
                self.base_percentage.into(),
                self.bonus_percentage.into(),
                self.quality_threshold.into(),
                self.claim_delay_s.into(),
            ]),
            ("is_reporter", [A(account)]) => Ok(vec![self.is_reporter(*account).into()]),
            ("get_session", [N(id)]) => self.get_session(*id),
            ("get_contribution", [N(id), A(participant)]) => self.get_contribution(*id, *participant),
            ("get_earning", [N(id), A(participant)]) => self.get_earning(*id, *participant),
            ("get_root", [N(id)]) => self.get_root(*id, now_s),
            ("get_claimed", [N(id), A(participant)]) => {
                self.session(*id).map(|session| vec![session.claimed.get(participant).copied().unwrap_or(0).into()])
            }
            ("get_anchor", [N(id)]) => self.get_anchor(*id),
            ("vault_balance", []) => Ok(vec![self.vault.into()]),
            _ => return None,
        })
    }

    fn get_p2p_node(&self, node: Address) -> Results {
        let node = self.nodes.get(&node).ok_or(Abort::NotRegistered)?;
        Ok(vec![
            node.node_id.as_str().into(),
            node.public_key.as_str().into(),
            node.compute_capacity.into(),
            node.bandwidth.into(),
            node.registered_at.into(),
            node.last_heartbeat.into(),
            node.active.into(),
            node.reputation.into(),
        ])
    }

    fn get_session(&self, id: u64) -> Results {
        let session = self.session(id)?;
        Ok(vec![
            session.sponsor.into(),
            session.pool.into(),
            session.closed.into(),
            session.created_at.into(),
            session.settlement.into(),
            session.term.into(),
            session.aggregator.into(),
            (session.contributions.len() as u64).into(),
            session.claimed_total.into(),
        ])
    }

    fn get_contribution(&self, id: u64, participant: Address) -> Results {
        let totals = self.session(id)?.contributions.get(&participant).copied().unwrap_or_default();
        Ok(vec![
            totals.compute_time.into(),
            totals.quality_sum.into(),
            totals.data_transmitted.into(),
            totals.uptime_sum.into(),
            totals.count.into(),
        ])
    }

    fn get_earning(&self, id: u64, participant: Address) -> Results {
        let earning = self.session(id)?.earnings.get(&participant).copied().unwrap_or_default();
        Ok(vec![earning.amount.into(), earning.claimable_at.into(), earning.claimed.into()])
    }

    fn get_root(&self, id: u64, now_s: u64) -> Results {
        let roots = self.session(id)?.roots.at(now_s);
        let show = |root: Option<super::roots::Root>| match root {
            Some(root) => [root.hash.into(), root.total.into()],
            None => [Value::Bytes(Vec::new()), ZERO.into()],
        };
        let claimable_at = roots.pending.map_or(0, |pending| pending.claimable_at);
        let pending = show(roots.pending.map(|pending| pending.root));
        Ok(show(roots.claimable).into_iter().chain(pending).chain([claimable_at.into()]).collect())
    }

    fn get_anchor(&self, id: u64) -> Results {
        let Some(anchor) = &self.session(id)?.anchor else {
            let empty = || Value::Bytes(Vec::new());
            return Ok(vec![ZERO.into(), empty(), empty(), empty(), ZERO.into(), ZERO.into(), ZERO.into()]);
        };
        Ok(vec![
            anchor.round.into(),
            anchor.checkpoint_hash.into(),
            anchor.manifest_root.into(),
            anchor.audit_head.into(),
            anchor.loss_micronats.into(),
            anchor.tokens.into(),
            anchor.duration_ms.into(),
        ])
    }
}
