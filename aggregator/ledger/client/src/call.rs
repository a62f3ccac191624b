//! The calls of the contract, typed: what `move/CONTRACT.md` lists, one variant for each entry function.

use contract::{Address, Value};
use rewards::session::Entry;
use serde::{Deserialize, Serialize};

/// What a node says of itself when it registers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The node's id within the network, 1 to 128 bytes.
    pub node_id: String,
    /// The node's public key as text, 1 to 128 bytes.
    pub public_key: String,
    /// Tokens per second, or whatever the session measures capacity in.
    pub compute_capacity: u64,
    /// Bytes per second.
    pub bandwidth: u64,
}

/// What a session is created with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionConditions {
    /// The session's number, unique on the ledger.
    pub session_number: u64,
    /// The fingerprint of the job that all nodes agree on.
    pub job_fingerprint: [u8; 32],
    /// What the session pays in all; it moves from the creator to the vault.
    pub pool: u64,
}

/// Who aggregates from a term on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// Above every term before it.
    pub term: u64,
    /// The aggregator's account.
    pub aggregator: Address,
    /// The hash of the voters' certificate.
    pub certificate_hash: [u8; 32],
}

/// A checkpoint as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Above the round of every anchor before it.
    pub round: u64,
    pub checkpoint_hash: [u8; 32],
    /// The root over the manifests.
    pub manifest_root: [u8; 32],
    /// The head of the chained log.
    pub audit_head: [u8; 32],
    /// The evaluation's loss in millionths of a nat.
    pub loss_micronats: u64,
    /// Tokens of accepted contributions since the anchor before.
    pub interval_tokens: u64,
    /// What the rounds since the anchor before took, in milliseconds.
    pub duration_ms: u64,
}

/// A call of an entry function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    SetPaused { paused: bool },
    ProposeAdmin { new_admin: Address },
    AcceptAdmin,
    SetReporter { reporter: Address, allowed: bool },
    ConfigureRewards { base_percentage: u64, bonus_percentage: u64, quality_threshold: u64 },
    SetClaimDelay { claim_delay_s: u64 },
    RegisterNode(Registration),
    Heartbeat,
    DeactivateNode,
    SetReputation { node: Address, reputation: u64 },
    CreateSession(SessionConditions),
    SubmitDetailedContribution { session_number: u64, entry: Entry },
    SubmitContributions { session_number: u64, settlement: u64, entries: Vec<Entry> },
    RecordTerm { session_number: u64, term: Term },
    RecordAnchor { session_number: u64, anchor: Anchor },
    DistributeRewards { session_number: u64 },
    ClaimReward { session_number: u64 },
    InvalidateEarning { session_number: u64, participant: Address, evidence: Vec<u8> },
    PublishRoot { session_number: u64, root: [u8; 32], total: u64 },
    InvalidateRoot { session_number: u64, evidence: Vec<u8> },
    Claim { session_number: u64, cumulative: u64, proof: Vec<[u8; 32]> },
    CloseSession { session_number: u64 },
}

impl Call {
    /// The name of the entry function.
    pub fn function(&self) -> &'static str {
        match self {
            Call::SetPaused { .. } => "set_paused",
            Call::ProposeAdmin { .. } => "propose_admin",
            Call::AcceptAdmin => "accept_admin",
            Call::SetReporter { .. } => "set_reporter",
            Call::ConfigureRewards { .. } => "configure_rewards",
            Call::SetClaimDelay { .. } => "set_claim_delay",
            Call::RegisterNode(_) => "register_p2p_node",
            Call::Heartbeat => "update_node_heartbeat",
            Call::DeactivateNode => "deactivate_node",
            Call::SetReputation { .. } => "set_reputation",
            Call::CreateSession(_) => "create_session",
            Call::SubmitDetailedContribution { .. } => "submit_detailed_contribution",
            Call::SubmitContributions { .. } => "submit_contributions",
            Call::RecordTerm { .. } => "record_term",
            Call::RecordAnchor { .. } => "record_anchor",
            Call::DistributeRewards { .. } => "distribute_rewards",
            Call::ClaimReward { .. } => "claim_reward",
            Call::InvalidateEarning { .. } => "invalidate_earning",
            Call::PublishRoot { .. } => "publish_root",
            Call::InvalidateRoot { .. } => "invalidate_root",
            Call::Claim { .. } => "claim",
            Call::CloseSession { .. } => "close_session",
        }
    }

    /// The arguments after the signer, in order.
    pub fn arguments(&self) -> Vec<Value> {
        match self {
            Call::AcceptAdmin | Call::Heartbeat | Call::DeactivateNode => vec![],
            Call::SetPaused { paused } => vec![(*paused).into()],
            Call::ProposeAdmin { new_admin } => vec![(*new_admin).into()],
            Call::SetReporter { reporter, allowed } => vec![(*reporter).into(), (*allowed).into()],
            Call::ConfigureRewards { base_percentage, bonus_percentage, quality_threshold } => {
                numbers([base_percentage, bonus_percentage, quality_threshold])
            }
            Call::SetClaimDelay { claim_delay_s } => numbers([claim_delay_s]),
            Call::RegisterNode(node) => registration(node),
            Call::SetReputation { node, reputation } => vec![(*node).into(), (*reputation).into()],
            Call::CreateSession(conditions) => {
                vec![conditions.session_number.into(), conditions.job_fingerprint.into(), conditions.pool.into()]
            }
            Call::SubmitDetailedContribution { session_number, entry: of } => {
                let mut values = vec![(*session_number).into(), Address(of.address).into()];
                values.extend(numbers([
                    &of.compute_time,
                    &of.gradient_quality,
                    &of.data_transmitted,
                    &of.uptime_ratio,
                ]));
                values
            }
            Call::SubmitContributions { session_number, settlement, entries } => {
                batch(*session_number, *settlement, entries)
            }
            Call::RecordTerm { session_number, term: of } => {
                vec![(*session_number).into(), of.term.into(), of.aggregator.into(), of.certificate_hash.into()]
            }
            Call::RecordAnchor { session_number, anchor } => record_anchor(*session_number, anchor),
            Call::DistributeRewards { session_number }
            | Call::ClaimReward { session_number }
            | Call::CloseSession { session_number } => numbers([session_number]),
            Call::InvalidateEarning { session_number, participant, evidence } => {
                vec![(*session_number).into(), (*participant).into(), evidence.as_slice().into()]
            }
            Call::PublishRoot { session_number, root, total } => {
                vec![(*session_number).into(), (*root).into(), (*total).into()]
            }
            Call::InvalidateRoot { session_number, evidence } => {
                vec![(*session_number).into(), evidence.as_slice().into()]
            }
            Call::Claim { session_number, cumulative, proof } => {
                let proof = proof.iter().map(|hash| (*hash).into()).collect();
                vec![(*session_number).into(), (*cumulative).into(), Value::List(proof)]
            }
        }
    }
}

fn numbers<const N: usize>(numbers: [&u64; N]) -> Vec<Value> {
    numbers.into_iter().map(|number| (*number).into()).collect()
}

fn registration(node: &Registration) -> Vec<Value> {
    let (id, key) = (node.node_id.as_str(), node.public_key.as_str());
    vec![id.into(), key.into(), node.compute_capacity.into(), node.bandwidth.into()]
}

fn batch(session_number: u64, settlement: u64, entries: &[Entry]) -> Vec<Value> {
    let column = |of: fn(&Entry) -> Value| Value::List(entries.iter().map(of).collect());
    vec![
        session_number.into(),
        settlement.into(),
        column(|of| Address(of.address).into()),
        column(|of| of.compute_time.into()),
        column(|of| of.gradient_quality.into()),
        column(|of| of.data_transmitted.into()),
        column(|of| of.uptime_ratio.into()),
    ]
}

fn record_anchor(session_number: u64, of: &Anchor) -> Vec<Value> {
    let mut values = numbers([&session_number, &of.round]);
    values.extend([of.checkpoint_hash, of.manifest_root, of.audit_head].map(Value::from));
    values.extend(numbers([&of.loss_micronats, &of.interval_tokens, &of.duration_ms]));
    values
}

#[cfg(test)]
mod tests;
