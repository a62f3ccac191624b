//! Nodes: registration, heartbeats and reputation.

use super::{Caller, Outcome, State, event, require, require_ratio};
use crate::limits::{REPUTATION_START, STRING_BYTES_MAX};
use crate::{Abort, Address};
use serde::{Deserialize, Serialize};

/// A registered node. Records are kept after deactivation, with their reputation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) node_id: String,
    pub(super) public_key: String,
    pub(super) compute_capacity: u64,
    pub(super) bandwidth: u64,
    pub(super) registered_at: u64,
    pub(super) last_heartbeat: u64,
    pub(super) active: bool,
    pub(super) reputation: u64,
}

impl State {
    pub(super) fn register_p2p_node(
        &mut self,
        caller: Caller,
        node_id: &str,
        public_key: &str,
        compute_capacity: u64,
        bandwidth: u64,
    ) -> Outcome {
        self.require_running()?;
        let fits = |text: &str| (1..=STRING_BYTES_MAX).contains(&text.len());
        require(fits(node_id) && fits(public_key), Abort::InvalidString)?;
        let before = self.nodes.get(&caller.sender);
        require(before.is_none_or(|node| !node.active), Abort::AlreadyRegistered)?;
        let node = Node {
            node_id: node_id.into(),
            public_key: public_key.into(),
            compute_capacity,
            bandwidth,
            registered_at: caller.now_s,
            last_heartbeat: caller.now_s,
            active: true,
            reputation: before.map_or(REPUTATION_START, |node| node.reputation),
        };
        self.nodes.insert(caller.sender, node);
        let fields = [
            ("node", caller.sender.into()),
            ("node_id", node_id.into()),
            ("public_key", public_key.into()),
            ("compute_capacity", compute_capacity.into()),
            ("bandwidth", bandwidth.into()),
            ("at", caller.now_s.into()),
        ];
        Ok(vec![event("NodeRegistered", fields)])
    }

    pub(super) fn update_node_heartbeat(&mut self, caller: Caller) -> Outcome {
        self.require_running()?;
        self.active_node(caller.sender)?.last_heartbeat = caller.now_s;
        Ok(vec![event("NodeHeartbeat", [("node", caller.sender.into()), ("at", caller.now_s.into())])])
    }

    pub(super) fn deactivate_node(&mut self, caller: Caller) -> Outcome {
        self.active_node(caller.sender)?.active = false;
        Ok(vec![event("NodeDeactivated", [("node", caller.sender.into()), ("at", caller.now_s.into())])])
    }

    pub(super) fn set_reputation(&mut self, caller: Caller, node: Address, reputation: u64) -> Outcome {
        self.require_reporter(caller)?;
        self.require_running()?;
        let record = self.nodes.get_mut(&node).ok_or(Abort::NotRegistered)?;
        require_ratio(reputation)?;
        record.reputation = reputation;
        Ok(vec![event("ReputationSet", [("node", node.into()), ("reputation", reputation.into())])])
    }

    fn active_node(&mut self, address: Address) -> Result<&mut Node, Abort> {
        let node = self.nodes.get_mut(&address).ok_or(Abort::NotRegistered)?;
        require(node.active, Abort::NodeInactive)?;
        Ok(node)
    }
}
