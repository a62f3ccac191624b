//! What the contract's views answer.

use contract::Address;

/// What the faucet gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asset {
    /// The coin that transactions are paid in.
    Gas,
    /// The asset that rewards are paid in.
    Reward,
}

/// The contract's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub admin: Address,
    pub paused: bool,
    pub base_percentage: u64,
    pub bonus_percentage: u64,
    pub quality_threshold: u64,
    pub claim_delay_s: u64,
}

/// A registered node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub node_id: String,
    pub public_key: String,
    pub compute_capacity: u64,
    pub bandwidth: u64,
    pub registered_at: u64,
    pub last_heartbeat: u64,
    pub active: bool,
    pub reputation: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub sponsor: Address,
    pub pool: u64,
    pub closed: bool,
    pub created_at: u64,
    pub settlement: u64,
    pub term: u64,
    pub aggregator: Address,
    pub participants: u64,
    pub claimed: u64,
}

/// What a participant's contributions add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub compute_time: u64,
    pub quality_sum: u64,
    pub data_transmitted: u64,
    pub uptime_sum: u64,
    pub count: u64,
}

/// What a participant earned in a session that was paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earning {
    pub amount: u64,
    pub claimable_at: u64,
    pub claimed: bool,
}

/// A session's roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    pub root: Option<[u8; 32]>,
    pub total: u64,
    pub pending_root: Option<[u8; 32]>,
    pub pending_total: u64,
    pub claimable_at: u64,
}

/// A session's last anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAnchor {
    pub round: u64,
    pub checkpoint_hash: Vec<u8>,
    pub manifest_root: Vec<u8>,
    pub audit_head: Vec<u8>,
    pub loss_micronats: u64,
    pub tokens: u64,
    pub duration_ms: u64,
}
