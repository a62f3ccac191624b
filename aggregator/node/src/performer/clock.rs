//! Where a round's time went.

use record::TimingsMs;

/// The clock of the open round, in milliseconds; filled by what the phases report.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundClock {
    /// When the round began, since the process started.
    pub(super) began_ms: u64,
    /// The slowest worker's inner steps.
    pub(super) inner_ms: u64,
    /// The slowest worker's encoding.
    pub(super) encode_ms: u64,
    /// Measuring the payloads.
    pub(super) score_ms: f64,
    /// The exact aggregate and outer step.
    pub(super) apply_ms: f64,
    /// When the voters were asked to measure again and to sign.
    pub(super) voting_since_ms: Option<u64>,
}

impl RoundClock {
    /// A round that begins now.
    pub(super) fn start(now_ms: u64) -> Self {
        Self { began_ms: now_ms, ..Self::default() }
    }

    /// Takes what a worker says its part took.
    pub(super) fn worker(&mut self, timings: protocol::message::Timings) {
        self.inner_ms = self.inner_ms.max(timings.inner_ms);
        self.encode_ms = self.encode_ms.max(timings.encode_ms);
    }

    /// Where the round's time went. The voters' re-evaluation belongs to the score; what is no one's own is the
    /// exchange.
    pub(super) fn timings(&self, now_ms: u64, evaluate_ms: f64) -> TimingsMs {
        let (inner, encode) = (self.inner_ms as f64, self.encode_ms as f64);
        let total = now_ms.saturating_sub(self.began_ms) as f64;
        let voting_ms = self.voting_since_ms.map_or(0.0, |since| now_ms.saturating_sub(since) as f64);
        let judged_ms = self.score_ms + voting_ms;
        let exchange = (total - inner - encode - judged_ms - self.apply_ms).max(0.0);
        TimingsMs { inner, encode, exchange, score: judged_ms + evaluate_ms, apply: self.apply_ms }
    }
}
