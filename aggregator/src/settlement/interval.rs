//! What is anchored with a settlement: the rounds since the one before, in a few numbers and hashes.

use protocol::{Hash, Round};
use record::{RoundRecord, TimingsMs};

/// The domain of [`Interval::manifest_root`].
const DOMAIN: &[u8] = b"cotrain/manifest-root/1";

/// The committed rounds of one settlement so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// The last round.
    pub round: Round,
    /// Hash of the state after it: the state that a checkpoint of this round holds.
    pub state_hash: Hash,
    /// Hashes of the rounds' manifests, in their order.
    pub manifest_hashes: Vec<Hash>,
    /// The newest held-out loss, in millionths of a nat per token; 0 where none was measured.
    pub loss_micronats: u64,
    /// Tokens of accepted contributions.
    pub tokens: u64,
    /// What the rounds took together, in milliseconds.
    pub duration_ms: u64,
}

impl Interval {
    /// Adds a round.
    pub fn push(&mut self, line: &RoundRecord) {
        self.round = line.round;
        self.state_hash = line.state_hash;
        self.manifest_hashes.push(line.manifest_hash);
        if let Some(loss) = line.eval_loss.filter(|loss| loss.is_finite() && *loss >= 0.0) {
            // A cast beyond the range takes its end.
            self.loss_micronats = (loss * 1e6).round() as u64;
        }
        self.tokens = line.accepted().fold(self.tokens, |sum, entry| sum.saturating_add(entry.tokens));
        self.duration_ms = self.duration_ms.saturating_add(total_ms(line.timings_ms));
    }

    /// BLAKE3("cotrain/manifest-root/1" ‖ the manifests' hashes, 32 bytes each, in the order of rounds).
    #[must_use]
    pub fn manifest_root(&self) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(DOMAIN);
        for hash in &self.manifest_hashes {
            hasher.update(hash.as_bytes());
        }
        Hash(*hasher.finalize().as_bytes())
    }
}

fn total_ms(timings: TimingsMs) -> u64 {
    (timings.inner + timings.encode + timings.exchange + timings.score + timings.apply).max(0.0) as u64
}
