//! What several tests of this crate are made of.

use protocol::{Hash, Reason, Verdict, WorkerId};
use record::ContributionRecord;

/// A contribution with this score, accepted when it passed.
pub(crate) fn contribution(score: u32, reason: Reason) -> ContributionRecord {
    ContributionRecord {
        worker: WorkerId([1; 32]),
        payload_hash: Some(Hash([2; 32])),
        bytes: 40,
        tokens: 500,
        score,
        weight: 64,
        clip: 256,
        verdict: if reason == Reason::Passed { Verdict::Accepted } else { Verdict::Rejected },
        reason,
    }
}
