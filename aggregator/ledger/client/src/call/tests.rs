use super::*;
use contract::{State, abi, function};
use std::collections::BTreeSet;

fn every() -> Vec<Call> {
    let (node, hash, session_number) = (Address([3; 32]), [4; 32], 1);
    let entry = Entry {
        worker: [0; 32],
        address: node.0,
        compute_time: 1,
        gradient_quality: 2,
        data_transmitted: 3,
        uptime_ratio: 4,
    };
    let registration =
        Registration { node_id: "id".into(), public_key: "key".into(), compute_capacity: 1, bandwidth: 2 };
    let anchor = Anchor {
        round: 1,
        checkpoint_hash: hash,
        manifest_root: hash,
        audit_head: hash,
        loss_micronats: 1,
        interval_tokens: 2,
        duration_ms: 3,
    };
    vec![
        Call::SetPaused { paused: true },
        Call::ProposeAdmin { new_admin: node },
        Call::AcceptAdmin,
        Call::SetReporter { reporter: node, allowed: true },
        Call::ConfigureRewards { base_percentage: 80, bonus_percentage: 20, quality_threshold: 90 },
        Call::SetClaimDelay { claim_delay_s: 0 },
        Call::RegisterNode(registration),
        Call::Heartbeat,
        Call::DeactivateNode,
        Call::SetReputation { node, reputation: 50 },
        Call::CreateSession(SessionConditions { session_number, job_fingerprint: hash, pool: 0 }),
        Call::SubmitDetailedContribution { session_number, entry },
        Call::SubmitContributions { session_number, settlement: 1, entries: vec![entry; 2] },
        Call::RecordTerm { session_number, term: Term { term: 1, aggregator: node, certificate_hash: hash } },
        Call::RecordAnchor { session_number, anchor },
        Call::DistributeRewards { session_number },
        Call::ClaimReward { session_number },
        Call::InvalidateEarning { session_number, participant: node, evidence: vec![1] },
        Call::PublishRoot { session_number, root: hash, total: 1 },
        Call::InvalidateRoot { session_number, evidence: vec![1] },
        Call::Claim { session_number, cumulative: 1, proof: vec![hash; 2] },
        Call::CloseSession { session_number },
    ]
}

#[test]
fn every_entry_function_has_its_call() {
    let named: BTreeSet<_> = every().iter().map(Call::function).collect();
    let entries: BTreeSet<_> = abi().iter().filter(|of| of.is_entry).map(|of| of.name).collect();
    assert_eq!(named, entries);
}

#[test]
fn the_contract_reads_the_arguments_of_every_call() {
    for call in every() {
        let args: Vec<_> = call.arguments().iter().map(Value::bcs).collect();
        let read = function(call.function()).unwrap().arguments(&args);
        assert_eq!(read.as_ref(), Ok(&call.arguments()), "{call:?}");
        let done = State::new(Address([9; 32])).execute(call.function(), &args, Address([9; 32]), 1);
        assert!(
            !matches!(done, Err(contract::CallError::Arguments(_) | contract::CallError::NoFunction(_))),
            "{done:?}"
        );
    }
}
