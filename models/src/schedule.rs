//! The learning rate over the steps of a run: linear warm-up, then a cosine down to a floor.

use serde::{Deserialize, Serialize};

/// A learning-rate schedule. Steps count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The rate after the warm-up.
    pub peak: f32,
    /// Steps over which the rate climbs linearly to the peak.
    pub warmup_steps: u64,
    /// Steps after which the rate stays at the floor.
    pub total_steps: u64,
    /// The rate at the end.
    pub floor: f32,
}

impl Schedule {
    /// The learning rate of `step`.
    ///
    /// Additions, multiplications and divisions only, so that it is the same number on every machine: with
    /// `exchange = "gradient"` every member makes the optimiser's step by itself.
    pub fn learning_rate(&self, step: u64) -> f32 {
        if step < self.warmup_steps {
            return (f64::from(self.peak) * (step + 1) as f64 / self.warmup_steps as f64) as f32;
        }
        let decay_steps = self.total_steps.saturating_sub(self.warmup_steps);
        let done = step - self.warmup_steps;
        if done >= decay_steps {
            return self.floor;
        }
        let (peak, floor) = (f64::from(self.peak), f64::from(self.floor));
        (floor + 0.5 * (peak - floor) * (1.0 + half_turn_cosine(done as f64 / decay_steps as f64))) as f32
    }
}

/// cos(π·x) for x in [0, 1] as −sin(π·(x − ½)), by the sine's series: the first term left out is below 1e-19. The
/// standard library's cosine differs in the last bit between platforms.
fn half_turn_cosine(x: f64) -> f64 {
    const TERMS: u32 = 12;
    let angle = std::f64::consts::PI * (x - 0.5);
    let square = angle * angle;
    let (mut term, mut sum) = (angle, angle);
    for n in 1..TERMS {
        term *= -square / f64::from(2 * n * (2 * n + 1));
        sum += term;
    }
    -sum
}

#[cfg(test)]
mod tests;
