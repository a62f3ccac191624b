//! The mean score S̄ and what follows from it.

use super::{QualityRule, ScorePolicy};

/// S̄ in hundredths after a score S: the first score itself, then S̄ ← a·S̄ + (1 − a)·S, to nearest, with the rule's
/// memory a.
#[must_use]
pub fn updated_standing(policy: &ScorePolicy, standing: Option<u32>, score: u32) -> u32 {
    let (Some(standing), ScorePolicy::Quality(rule)) = (standing, policy) else { return 100 * score };
    let memory = rule.standing_memory_percent.min(100);
    (memory * standing + (100 - memory) * 100 * score + 50) / 100
}

impl QualityRule {
    /// Rounds that the n-th quarantine lasts, n from 1: each twice the one before, at most 32 times the first.
    #[must_use]
    pub fn quarantine_length(&self, quarantines: u32) -> u64 {
        self.quarantine_rounds.saturating_mul(1 << quarantines.saturating_sub(1).min(5))
    }
}
