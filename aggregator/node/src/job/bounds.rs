//! Range checks that name the key, the value and the bounds.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::JobError;

/// Refuses a whole number outside `bounds`.
pub(super) fn within<T: PartialOrd + Display>(
    section: &'static str,
    key: &'static str,
    value: T,
    bounds: RangeInclusive<T>,
) -> Result<(), JobError> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let expected = format!("must be from {} to {}", bounds.start(), bounds.end());
    Err(JobError::value(section, key, value, expected))
}

/// Refuses a real number that is not finite or outside `bounds`; used where 0 itself is not allowed either.
pub(super) fn positive(section: &'static str, key: &'static str, value: f64, most: f64) -> Result<(), JobError> {
    if value.is_finite() && value > 0.0 && value <= most {
        return Ok(());
    }
    Err(JobError::value(section, key, value, format!("must be above 0 and at most {most}")))
}

/// Refuses a real number that is not finite or not in `[0, below)`.
pub(super) fn fraction(section: &'static str, key: &'static str, value: f64, below: f64) -> Result<(), JobError> {
    if value.is_finite() && value >= 0.0 && value < below {
        return Ok(());
    }
    Err(JobError::value(section, key, value, format!("must be at least 0 and below {below}")))
}
