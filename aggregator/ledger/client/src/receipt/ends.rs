//! The events that calls end with, by which a receipt is known to be that of its call.

/// What an expected field of an event is.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Sender,
    /// An argument of the call.
    Argument(usize),
    /// The length of an argument.
    Length(usize),
}

use Of::{Argument, Length, Sender};

/// A call, its last event and fields of that event.
pub(super) type End = (&'static str, &'static str, &'static [(&'static str, Of)]);

/// The event that each call ends with, and those of its fields that are known before it runs.
#[rustfmt::skip]
pub(super) const ENDS: [End; 22] = [
    ("set_paused", "Paused", &[("paused", Argument(0))]),
    ("propose_admin", "AdminProposed", &[("new_admin", Argument(0))]),
    ("accept_admin", "AdminChanged", &[("admin", Sender)]),
    ("set_reporter", "ReporterSet", &[("reporter", Argument(0)), ("allowed", Argument(1))]),
    ("configure_rewards", "RewardsConfigured", &[
        ("base_percentage", Argument(0)), ("bonus_percentage", Argument(1)), ("quality_threshold", Argument(2)),
    ]),
    ("set_claim_delay", "ClaimDelaySet", &[("claim_delay_s", Argument(0))]),
    ("register_p2p_node", "NodeRegistered", &[
        ("node", Sender), ("node_id", Argument(0)), ("public_key", Argument(1)), ("compute_capacity", Argument(2)),
        ("bandwidth", Argument(3)),
    ]),
    ("update_node_heartbeat", "NodeHeartbeat", &[("node", Sender)]),
    ("deactivate_node", "NodeDeactivated", &[("node", Sender)]),
    ("set_reputation", "ReputationSet", &[("node", Argument(0)), ("reputation", Argument(1))]),
    ("create_session", "SessionCreated", &[
        ("session_id", Argument(0)), ("sponsor", Sender), ("job_fingerprint", Argument(1)), ("pool", Argument(2)),
    ]),
    ("submit_detailed_contribution", "ContributionSubmitted", &[
        ("session_id", Argument(0)), ("participant", Argument(1)), ("compute_time", Argument(2)),
        ("gradient_quality", Argument(3)), ("data_transmitted", Argument(4)), ("uptime_ratio", Argument(5)),
    ]),
    ("submit_contributions", "SettlementSubmitted", &[
        ("session_id", Argument(0)), ("settlement", Argument(1)), ("entries", Length(2)),
    ]),
    ("record_term", "TermRecorded", &[
        ("session_id", Argument(0)), ("term", Argument(1)), ("aggregator", Argument(2)),
        ("certificate_hash", Argument(3)),
    ]),
    ("record_anchor", "Anchored", &[
        ("session_id", Argument(0)), ("round", Argument(1)), ("checkpoint_hash", Argument(2)),
        ("manifest_root", Argument(3)), ("audit_head", Argument(4)), ("loss_micronats", Argument(5)),
        ("tokens", Argument(6)), ("duration_ms", Argument(7)),
    ]),
    ("distribute_rewards", "RewardsDistributed", &[("session_id", Argument(0))]),
    ("claim_reward", "RewardClaimed", &[("session_id", Argument(0)), ("participant", Sender)]),
    ("invalidate_earning", "EarningInvalidated", &[
        ("session_id", Argument(0)), ("participant", Argument(1)), ("evidence", Argument(2)),
    ]),
    ("publish_root", "RootPublished", &[("session_id", Argument(0)), ("root", Argument(1)), ("total", Argument(2))]),
    ("invalidate_root", "RootInvalidated", &[("session_id", Argument(0)), ("evidence", Argument(1))]),
    ("claim", "RewardClaimed", &[("session_id", Argument(0)), ("participant", Sender)]),
    ("close_session", "SessionClosed", &[("session_id", Argument(0))]),
];

/// Fields of an entry's event, and the columns of the batch in which they are.
pub(super) const ENTRY: [(&str, usize); 5] =
    [("participant", 2), ("compute_time", 3), ("gradient_quality", 4), ("data_transmitted", 5), ("uptime_ratio", 6)];
