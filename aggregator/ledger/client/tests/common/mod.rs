//! What is reported in the tests of both kinds.

use ledger_client::{Anchor, Registration, SessionConditions};

pub(crate) const SESSION: u64 = 7;

pub(crate) fn registration(id: &str) -> Registration {
    Registration { node_id: id.into(), public_key: "key".into(), compute_capacity: 1, bandwidth: 2 }
}

pub(crate) fn session(pool: u64) -> SessionConditions {
    SessionConditions { session_number: SESSION, job_fingerprint: [7; 32], pool }
}

pub(crate) fn anchor(round: u64) -> Anchor {
    Anchor {
        round,
        checkpoint_hash: [1; 32],
        manifest_root: [2; 32],
        audit_head: [3; 32],
        loss_micronats: 4,
        interval_tokens: 5,
        duration_ms: 6,
    }
}
