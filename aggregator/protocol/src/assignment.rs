//! Which sequences a worker trains on: a pure function of the head and the job, so anyone can recompute it.
//!
//! Training text is cut into `windows` numbered from 0. The session counts the sequences that it assigns, one after the
//! other; an inner step takes the next Σ batch of the contributors, worker by worker in their order, so that the union
//! of their batches is one contiguous stretch of the count. Each pass over the windows (`count / windows`) goes through
//! all of them once, in an order of its own. An abandoned round gives its stretch back.

use crate::{Hash, Head, Parameters, Round, WorkerId, limits::SCORING_WINDOWS_MAX};
use std::collections::BTreeSet;

mod permutation;
use permutation::Permutation;

/// The assignment of one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    seed: u64,
    cursor: u64,
    inner_steps: u32,
    windows: u64,
    /// Each contributor and its batch, in the order of workers.
    shares: Vec<(WorkerId, u64)>,
}

impl Assignment {
    /// The assignment of `round` on top of `head`: `inner_steps` of `batch_sequences` for each speed step of a
    /// contributor, from a training text of `windows` windows.
    #[must_use]
    pub fn new(head: &Head, round: Round, parameters: &Parameters, windows: u64) -> Self {
        let share = |speed_step: u32| u64::from(speed_step) * u64::from(parameters.batch_sequences);
        let contributors = head.roster.contributors(round);
        let shares = contributors.map(|member| (member.worker, share(member.speed_step))).collect();
        let (seed, cursor, inner_steps) = (parameters.seed, head.cursor, parameters.inner_steps);
        Self { seed, cursor, inner_steps, windows: windows.max(1), shares }
    }

    /// Sequences of one inner step of all contributors.
    #[must_use]
    pub fn step_sequences(&self) -> u64 {
        self.shares.iter().map(|(_, share)| share).sum()
    }

    /// Sequences of the round.
    #[must_use]
    pub fn round_sequences(&self) -> u64 {
        self.step_sequences().saturating_mul(u64::from(self.inner_steps))
    }

    /// Sequences that the session has assigned after this round.
    #[must_use]
    pub fn next_cursor(&self) -> u64 {
        self.cursor.saturating_add(self.round_sequences())
    }

    /// Sequences of one inner step of one worker; 0 when it does not contribute.
    #[must_use]
    pub fn batch(&self, worker: &WorkerId) -> u64 {
        self.share(worker).map_or(0, |(_, batch)| batch)
    }

    /// Windows of a worker in an inner step (from 0); empty when it does not contribute.
    #[must_use]
    pub fn windows_of(&self, worker: &WorkerId, inner_step: u32) -> Vec<u64> {
        let Some((offset, batch)) = self.share(worker) else { return Vec::new() };
        self.stretch(self.step_start(inner_step).saturating_add(offset), batch)
    }

    /// At most `count` distinct windows that nobody was assigned in this round, drawn by `seed` (the round's evaluation
    /// seed). A text too short to spare as many gives fewer, and one that is used up whole gives some that were
    /// assigned.
    #[must_use]
    pub fn scoring_windows(&self, seed: &Hash, count: usize) -> Vec<u64> {
        let assigned = self.assigned();
        let spare = self.windows.saturating_sub(assigned.len() as u64);
        let avoid = if spare == 0 { BTreeSet::new() } else { assigned };
        let available = if spare == 0 { self.windows } else { spare };
        let count = count.min(SCORING_WINDOWS_MAX).min(usize::try_from(available).unwrap_or(usize::MAX));
        let order = Permutation::new(self.windows, seed);
        let drawn = (0..self.windows).map(|position| order.at(position));
        drawn.filter(|window| !avoid.contains(window)).take(count).collect()
    }

    fn assigned(&self) -> BTreeSet<u64> {
        let all = self.round_sequences().min(self.windows.saturating_mul(2)); // two passes assign every window
        self.stretch(self.cursor, all).into_iter().collect()
    }

    fn share(&self, worker: &WorkerId) -> Option<(u64, u64)> {
        let index = self.shares.iter().position(|(member, _)| member == worker)?;
        let offset = self.shares[..index].iter().map(|(_, share)| share).sum();
        Some((offset, self.shares[index].1))
    }

    fn step_start(&self, inner_step: u32) -> u64 {
        self.cursor.saturating_add(u64::from(inner_step).saturating_mul(self.step_sequences()))
    }

    /// The windows at `length` places of the count from `start`.
    fn stretch(&self, start: u64, length: u64) -> Vec<u64> {
        let mut windows = Vec::new();
        let mut order: Option<(u64, Permutation)> = None;
        for place in start..start.saturating_add(length) {
            let pass = place / self.windows;
            if order.as_ref().is_none_or(|(known, _)| *known != pass) {
                order = Some((pass, Permutation::new(self.windows, &self.pass_seed(pass))));
            }
            windows.extend(order.as_ref().map(|(_, order)| order.at(place % self.windows)));
        }
        windows
    }

    fn pass_seed(&self, pass: u64) -> Hash {
        Hash::of_parts("cotrain/pass/1", &[&self.seed.to_le_bytes(), &pass.to_le_bytes()])
    }
}

#[cfg(test)]
mod tests;
