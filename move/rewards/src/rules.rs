//! The percentages and the threshold by which a pool is split.

use crate::RewardError;
use serde::{Deserialize, Serialize};

/// The percentages and the threshold that a session was created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Rules {
    base_percentage: u64,
    quality_threshold: u64,
}

/// The rules as a file holds them; whatever is read goes through [`Rules::new`].
#[derive(Serialize, Deserialize)]
struct Fields {
    base_percentage: u64,
    bonus_percentage: u64,
    quality_threshold: u64,
}

impl Rules {
    /// Rules whose percentages add to 100 and whose threshold is a quality.
    pub fn new(base: u64, bonus: u64, threshold: u64) -> Result<Rules, RewardError> {
        if base.checked_add(bonus) != Some(100) || threshold > 100 {
            return Err(RewardError::InvalidRules { base, bonus, threshold });
        }
        Ok(Rules { base_percentage: base, quality_threshold: threshold })
    }

    /// What goes pro rata to all scores, in percent of the pool.
    pub fn base_percentage(&self) -> u64 {
        self.base_percentage
    }

    /// What goes to the best, in percent of the pool.
    pub fn bonus_percentage(&self) -> u64 {
        100 - self.base_percentage
    }

    /// The mean quality above which the bonus of quality is paid.
    pub fn quality_threshold(&self) -> u64 {
        self.quality_threshold
    }

    /// Base pool and bonus pool, which add up to the pool.
    pub fn pools(&self, pool: u64) -> (u64, u64) {
        let base_pool = (u128::from(pool) * u128::from(self.base_percentage) / 100) as u64;
        (base_pool, pool - base_pool)
    }
}

impl TryFrom<Fields> for Rules {
    type Error = RewardError;

    fn try_from(fields: Fields) -> Result<Rules, RewardError> {
        Rules::new(fields.base_percentage, fields.bonus_percentage, fields.quality_threshold)
    }
}

impl From<Rules> for Fields {
    fn from(rules: Rules) -> Fields {
        Fields {
            base_percentage: rules.base_percentage,
            bonus_percentage: rules.bonus_percentage(),
            quality_threshold: rules.quality_threshold,
        }
    }
}
