//! From a participant's totals to its score.

use serde::{Deserialize, Serialize};

/// The weights of time, quality, data and uptime; each factor is 0 to 100, so that a score is 0 to 10,000.
pub(crate) const WEIGHTS: [u64; 4] = [30, 40, 15, 15];

/// What a participant did in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// The account that is paid.
    #[serde(with = "crate::hex::address")]
    pub address: [u8; 32],
    /// Compute time, in all.
    pub compute_time: u64,
    /// Bytes transmitted, in all.
    pub data_transmitted: u64,
    /// The sum of its contributions' qualities, 0 to 100 each.
    pub quality_sum: u64,
    /// The sum of its contributions' uptimes, 0 to 100 each.
    pub uptime_sum: u64,
    /// How many contributions there are; at least 1.
    pub count: u64,
}

/// A participant's four factors, 0 to 100 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factors {
    /// Compute time, of the session's largest.
    pub time: u64,
    /// Mean quality.
    pub quality: u64,
    /// Data transmitted, of the session's largest.
    pub data: u64,
    /// Mean uptime.
    pub uptime: u64,
}

impl Factors {
    /// The factors of a participant beside the session's largest totals.
    pub(crate) fn of(participant: &Participant, time_max: u64, data_max: u64) -> Factors {
        let mean = |sum: u64| sum.checked_div(participant.count).unwrap_or(0);
        Factors {
            time: percent(participant.compute_time, time_max),
            quality: mean(participant.quality_sum),
            data: percent(participant.data_transmitted, data_max),
            uptime: mean(participant.uptime_sum),
        }
    }

    /// The score that the factors make.
    pub fn score(&self) -> u64 {
        score([self.time, self.quality, self.data, self.uptime])
    }
}

/// The score of time, quality, data and uptime, 0 to 100 each: 0 without quality, otherwise their weighted sum.
pub fn score(factors: [u64; 4]) -> u64 {
    if factors[1] == 0 { 0 } else { factors.iter().zip(WEIGHTS).map(|(factor, weight)| factor * weight).sum() }
}

/// ⌊100 · part / largest⌋, 0 when the largest is 0.
fn percent(part: u64, largest: u64) -> u64 {
    (u128::from(part) * 100).checked_div(u128::from(largest)).unwrap_or(0) as u64
}
