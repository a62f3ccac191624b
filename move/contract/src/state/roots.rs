//! Rewards of sessions that are paid by Merkle roots of cumulative amounts, and the end of a session.

use super::rewards::{require_evidence, reward_claimed};
use super::{Caller, Outcome, State, event, hash, require};
use crate::limits::PROOF_MAX;
use crate::{Abort, Value};
use rewards::merkle;
use serde::{Deserialize, Serialize};

/// The roots of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Roots {
    pub(super) claimable: Option<Root>,
    pub(super) pending: Option<Pending>,
    /// A root was published once, so the session is paid by roots, even if that one was invalidated.
    pub(super) published: bool,
}

/// A root and the sum of its leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Root {
    pub(super) hash: [u8; 32],
    pub(super) total: u64,
}

/// A root that waits until it can no longer be invalidated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) root: Root,
    pub(super) claimable_at: u64,
}

impl Roots {
    /// The roots at a time: a pending one that is due has become the claimable one.
    pub(super) fn at(self, now_s: u64) -> Roots {
        match self.pending {
            Some(pending) if now_s >= pending.claimable_at => {
                Roots { claimable: Some(pending.root), pending: None, ..self }
            }
            _ => self,
        }
    }

    fn total(&self) -> u64 {
        self.claimable.map_or(0, |root| root.total)
    }
}

impl State {
    pub(super) fn publish_root(&mut self, caller: Caller, id: u64, root: &[u8], total: u64) -> Outcome {
        let session = self.require_reportable(caller, id)?;
        let root = Root { hash: hash(root)?, total };
        let roots = session.roots.at(caller.now_s);
        require(roots.pending.is_none(), Abort::RootPending)?;
        require((roots.total()..=session.pool).contains(&total), Abort::PoolExceeded)?;
        let claimable_at = self.claimable_at(caller);
        self.session_mut(id)?.roots = Roots { pending: Some(Pending { root, claimable_at }), published: true, ..roots };
        let fields = [
            ("session_id", id.into()),
            ("root", root.hash.into()),
            ("total", total.into()),
            ("claimable_at", claimable_at.into()),
        ];
        Ok(vec![event("RootPublished", fields)])
    }

    pub(super) fn invalidate_root(&mut self, caller: Caller, id: u64, evidence: &[u8]) -> Outcome {
        self.require_admin(caller)?;
        let session = self.session_mut(id)?;
        require_evidence(evidence)?;
        let pending = session.roots.at(caller.now_s).pending.ok_or(Abort::TooLate)?;
        session.roots.pending = None;
        let fields = [("session_id", id.into()), ("root", pending.root.hash.into()), ("evidence", evidence.into())];
        Ok(vec![event("RootInvalidated", fields)])
    }

    pub(super) fn claim(&mut self, caller: Caller, id: u64, cumulative: u64, proof: &[Value]) -> Outcome {
        self.require_running()?;
        let session = self.session_mut(id)?;
        let roots = session.roots.at(caller.now_s);
        let root = roots.claimable.ok_or(Abort::NoRoot)?;
        require(proof.len() <= PROOF_MAX, Abort::TooMany)?;
        let proof = proof.iter().map(sibling).collect::<Result<Vec<_>, _>>()?;
        let leaf = merkle::leaf(id, &caller.sender.0, cumulative);
        require(merkle::verify(&root.hash, leaf, &proof), Abort::InvalidProof)?;
        let claimed = session.claimed.get(&caller.sender).copied().unwrap_or(0);
        let amount = cumulative.checked_sub(claimed).filter(|amount| *amount > 0).ok_or(Abort::NothingToClaim)?;
        let claimed_total = session.claimed_total.checked_add(amount).filter(|total| *total <= root.total);
        session.claimed_total = claimed_total.ok_or(Abort::PoolExceeded)?;
        session.roots = roots;
        session.claimed.insert(caller.sender, cumulative);
        self.pay(caller.sender, amount);
        Ok(vec![reward_claimed(id, caller.sender, amount)])
    }

    pub(super) fn close_session(&mut self, caller: Caller, id: u64) -> Outcome {
        self.require_admin(caller)?;
        let session = self.session_mut(id)?;
        require(!session.closed, Abort::SessionClosed)?;
        let roots = session.roots.at(caller.now_s);
        require(roots.pending.is_none(), Abort::RootPending)?;
        session.roots = roots;
        session.closed = true;
        let (sponsor, returned) = (session.sponsor, session.pool - roots.total());
        self.pay(sponsor, returned);
        Ok(vec![event("SessionClosed", [("session_id", id.into()), ("returned", returned.into())])])
    }
}

fn sibling(value: &Value) -> Result<[u8; 32], Abort> {
    if let Value::Bytes(bytes) = value { hash(bytes) } else { Err(Abort::InvalidHash) }
}
