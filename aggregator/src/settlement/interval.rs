//! What is anchored with a settlement: the rounds since the one before, in a few numbers and hashes.

use protocol::Hash;

use crate::rounds_log::{RoundCommitted, TimingsMs};

/// The domain of [`Interval::manifest_root`].
const DOMAIN: &[u8] = b"cotrain/manifest-root/1";

/// The committed rounds of one settlement so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// The last round.
    pub round: u64,
    /// Hash of the state after it, hexadecimal: the state that a checkpoint of this round holds.
    pub state_hash: String,
    /// Hashes of the rounds' manifests, hexadecimal, in their order.
    pub manifest_hashes: Vec<String>,
    /// The newest held-out loss, in millionths of a nat per token; 0 where none was measured.
    pub loss_micronats: u64,
    /// Tokens of accepted contributions.
    pub tokens: u64,
    /// What the rounds took together, in milliseconds.
    pub duration_ms: u64,
}

impl Interval {
    /// Adds a round.
    pub fn push(&mut self, line: &RoundCommitted) {
        self.round = line.round;
        self.state_hash.clone_from(&line.state_hash);
        self.manifest_hashes.push(line.manifest_hash.clone());
        if let Some(loss) = line.eval_loss.filter(|loss| loss.is_finite() && *loss >= 0.0) {
            // A cast beyond the range takes its end.
            self.loss_micronats = (loss * 1e6).round() as u64;
        }
        let accepted = line.contributions.iter().filter(|entry| entry.verdict == "accepted");
        self.tokens = accepted.fold(self.tokens, |sum, entry| sum.saturating_add(entry.tokens));
        self.duration_ms = self.duration_ms.saturating_add(total_ms(line.timings_ms));
    }

    /// BLAKE3("cotrain/manifest-root/1" ‖ the manifests' hashes, 32 bytes each, in the order of rounds).
    ///
    /// # Errors
    /// When a hash is not one.
    pub fn manifest_root(&self) -> Result<Hash, protocol::hash::HexError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(DOMAIN);
        for text in &self.manifest_hashes {
            hasher.update(text.parse::<Hash>()?.as_bytes());
        }
        Ok(Hash(*hasher.finalize().as_bytes()))
    }
}

fn total_ms(timings: TimingsMs) -> u64 {
    (timings.inner + timings.encode + timings.exchange + timings.score + timings.apply).max(0.0) as u64
}
