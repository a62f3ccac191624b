//! The calls of the contract, typed: what `move/CONTRACT.md` lists, one variant for each entry function.

use contract::{Address, Value};
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
pub struct SessionTerms {
    /// The session's number, unique on the ledger.
    pub session_id: u64,
    /// The fingerprint of the job that all nodes agree on.
    pub job_fingerprint: [u8; 32],
    /// What the session pays in all; it moves from the creator to the vault.
    pub pool: u64,
}

/// One participant's part of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// Whose work it is.
    pub participant: Address,
    /// In reference seconds.
    pub compute_time: u64,
    /// 0 to 100.
    pub gradient_quality: u64,
    /// In bytes.
    pub data_transmitted: u64,
    /// 0 to 100.
    pub uptime_ratio: u64,
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
    /// The hash of the checkpoint.
    pub checkpoint_hash: [u8; 32],
    /// The root over the manifests.
    pub manifest_root: [u8; 32],
    /// The head of the audit log.
    pub audit_head: [u8; 32],
    /// The evaluation's loss in millionths of a nat.
    pub loss_micronats: u64,
    /// The tokens trained on so far.
    pub tokens: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// A call of an entry function.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "`move/CONTRACT.md` describes each with its arguments")]
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
    CreateSession(SessionTerms),
    SubmitDetailedContribution { session_id: u64, contribution: Contribution },
    SubmitContributions { session_id: u64, settlement: u64, entries: Vec<Contribution> },
    RecordTerm { session_id: u64, term: Term },
    RecordAnchor { session_id: u64, anchor: Anchor },
    DistributeRewards { session_id: u64 },
    ClaimReward { session_id: u64 },
    InvalidateEarning { session_id: u64, participant: Address, evidence: Vec<u8> },
    PublishRoot { session_id: u64, root: [u8; 32], total: u64 },
    InvalidateRoot { session_id: u64, evidence: Vec<u8> },
    Claim { session_id: u64, cumulative: u64, proof: Vec<[u8; 32]> },
    CloseSession { session_id: u64 },
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
            Call::CreateSession(terms) => {
                vec![terms.session_id.into(), terms.job_fingerprint.into(), terms.pool.into()]
            }
            Call::SubmitDetailedContribution { session_id, contribution: of } => {
                let mut values = vec![(*session_id).into(), of.participant.into()];
                values.extend(numbers([
                    &of.compute_time,
                    &of.gradient_quality,
                    &of.data_transmitted,
                    &of.uptime_ratio,
                ]));
                values
            }
            Call::SubmitContributions { session_id, settlement, entries } => batch(*session_id, *settlement, entries),
            Call::RecordTerm { session_id, term: of } => {
                vec![(*session_id).into(), of.term.into(), of.aggregator.into(), of.certificate_hash.into()]
            }
            Call::RecordAnchor { session_id, anchor } => record_anchor(*session_id, anchor),
            Call::DistributeRewards { session_id }
            | Call::ClaimReward { session_id }
            | Call::CloseSession { session_id } => numbers([session_id]),
            Call::InvalidateEarning { session_id, participant, evidence } => {
                vec![(*session_id).into(), (*participant).into(), evidence.as_slice().into()]
            }
            Call::PublishRoot { session_id, root, total } => {
                vec![(*session_id).into(), (*root).into(), (*total).into()]
            }
            Call::InvalidateRoot { session_id, evidence } => vec![(*session_id).into(), evidence.as_slice().into()],
            Call::Claim { session_id, cumulative, proof } => {
                let proof = proof.iter().map(|hash| (*hash).into()).collect();
                vec![(*session_id).into(), (*cumulative).into(), Value::List(proof)]
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

fn batch(session_id: u64, settlement: u64, entries: &[Contribution]) -> Vec<Value> {
    let column = |of: fn(&Contribution) -> Value| Value::List(entries.iter().map(of).collect());
    vec![
        session_id.into(),
        settlement.into(),
        column(|of| of.participant.into()),
        column(|of| of.compute_time.into()),
        column(|of| of.gradient_quality.into()),
        column(|of| of.data_transmitted.into()),
        column(|of| of.uptime_ratio.into()),
    ]
}

fn record_anchor(session_id: u64, of: &Anchor) -> Vec<Value> {
    let mut values = numbers([&session_id, &of.round]);
    values.extend([of.checkpoint_hash, of.manifest_root, of.audit_head].map(Value::from));
    values.extend(numbers([&of.loss_micronats, &of.tokens, &of.duration_ms]));
    values
}

#[cfg(test)]
mod tests;
