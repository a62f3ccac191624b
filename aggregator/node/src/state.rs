//! The state that all members share (PROTOCOL.md, "The state"), and the one function that makes the next one
//! (kernels/FORMAT.md, section 6).
//!
//! Invariants: equal states, summands and payload bodies give equal next states on every node; an error leaves the
//! state as it was; the hash of a state is the BLAKE3 of its bytes, so a state is also a blob that anyone can check.

use kernels::{ApplyError, Codec, OuterStep, Summand};
use models::{AdamWConfig, Layout, OptimizerState, Schedule};
use protocol::Hash;

use crate::job::{Exchange, Job, JobError};

/// Bytes of a parameter.
const F32_BYTES: usize = 4;

/// Parameters and, with `exchange = "gradient"`, the optimiser's moments.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The flat vector. [elements]
    pub theta: Vec<f32>,
    /// The buffers of the outer optimiser, where there is one.
    pub moments: Option<OptimizerState>,
    /// Committed outer steps.
    pub outer_steps: u64,
}

/// How one state follows from another.
#[derive(Clone, Debug)]
pub struct OuterRule {
    exchange: Exchange,
    step: OuterStep,
    optimizer: AdamWConfig,
    clip_norm: f32,
    schedule: Schedule,
    layout: Layout,
}

/// Why no next state can be computed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The aggregate is refused.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The aggregated gradient is not finite.
    #[error("element {index} of the aggregated gradient is not finite")]
    NonFinite {
        /// The first such element.
        index: usize,
    },
    /// A state of another size than the layout's.
    #[error("a state of {found} bytes, where {elements} parameters and {buffers} buffers imply {expected}")]
    Size {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
        /// Parameters of the layout.
        elements: usize,
        /// Buffers of the outer optimiser.
        buffers: usize,
    },
    /// The bytes of a state do not have the hash that was asked for.
    #[error("the state hashes to {found}, not to {expected}")]
    Hash {
        /// The hash asked for.
        expected: Hash,
        /// The hash found.
        found: Hash,
    },
}

impl State {
    /// BLAKE3 of the parameters as little-endian f32, followed by the buffers m and v where there are any.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let hash = match &self.moments {
            Some(moments) => kernels::state_hash(&self.theta, &[&moments.m, &moments.v]),
            None => kernels::state_hash(&self.theta, &[]),
        };
        Hash(hash)
    }

    /// The bytes that [`State::hash`] is the hash of: what peers fetch.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(F32_BYTES * self.theta.len() * (1 + self.buffers()));
        for vector in self.vectors() {
            append_floats(&mut bytes, vector);
        }
        bytes
    }

    /// Parameters of the flat vector.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.theta.len()
    }

    fn buffers(&self) -> usize {
        if self.moments.is_some() { 2 } else { 0 }
    }

    fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        let buffers = self.moments.iter().flat_map(|moments| [moments.m.as_slice(), moments.v.as_slice()]);
        std::iter::once(self.theta.as_slice()).chain(buffers)
    }
}

impl OuterRule {
    /// The rule of a job.
    ///
    /// # Errors
    /// When the job's model is none.
    pub fn of(job: &Job) -> Result<Self, JobError> {
        Ok(Self {
            exchange: job.train.exchange,
            step: OuterStep { alpha: job.outer.alpha, rho: (job.outer.rho[0], job.outer.rho[1]) },
            optimizer: job.optimizer(),
            clip_norm: job.train.clip_norm as f32,
            schedule: job.schedule(),
            layout: Layout::of(&job.model.config()?),
        })
    }

    /// The layout of the flat vector.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The state before the first round. `theta`: [elements]
    #[must_use]
    pub fn initial(&self, theta: Vec<f32>) -> State {
        let elements = theta.len();
        let moments = (self.buffers() > 0).then(|| moments(0, vec![0.0; elements], vec![0.0; elements]));
        State { theta, moments, outer_steps: 0 }
    }

    /// Bytes of a state.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        F32_BYTES * self.layout.elements * (1 + self.buffers())
    }

    /// Reads a fetched state: size first, then hash, then values.
    ///
    /// # Errors
    /// [`StateError::Size`] or [`StateError::Hash`].
    pub fn parse_state(&self, bytes: &[u8], expected: &Hash, outer_steps: u64) -> Result<State, StateError> {
        if bytes.len() != self.state_bytes() {
            let (elements, buffers) = (self.layout.elements, self.buffers());
            return Err(StateError::Size { found: bytes.len(), expected: self.state_bytes(), elements, buffers });
        }
        let found = Hash::of(bytes);
        if found != *expected {
            return Err(StateError::Hash { expected: *expected, found });
        }
        let mut vectors = bytes.chunks_exact(F32_BYTES * self.layout.elements).map(floats);
        let theta = vectors.next().unwrap_or_default();
        let moments = vectors.next().zip(vectors.next()).map(|(m, v)| moments(outer_steps, m, v));
        Ok(State { theta, moments, outer_steps })
    }

    /// Checks that a state has the parameters and buffers of this rule.
    ///
    /// # Errors
    /// [`StateError::Size`].
    pub fn check(&self, state: &State) -> Result<(), StateError> {
        let found = F32_BYTES * state.vectors().map(<[f32]>::len).sum::<usize>();
        let buffers = self.buffers();
        if state.theta.len() == self.layout.elements && found == self.state_bytes() {
            return Ok(());
        }
        Err(StateError::Size { found, expected: self.state_bytes(), elements: self.layout.elements, buffers })
    }

    /// Makes the next state of `state` in place: the outer step of the summands, in the order of workers. Without a
    /// summand that has a weight the state stays as it is and only the count of outer steps moves.
    ///
    /// # Errors
    /// [`StateError`]; the state is then as it was.
    pub fn apply(&self, codec: Codec, state: &mut State, summands: &[Summand<'_>]) -> Result<(), StateError> {
        self.check(state)?;
        if summands.iter().any(|summand| summand.weight > 0) {
            match self.exchange {
                Exchange::PseudoGradient => {
                    let mut next = vec![0.0; state.theta.len()];
                    kernels::apply_into(codec, &state.theta, summands, &self.step, &mut next)?;
                    state.theta = next;
                }
                Exchange::Gradient => self.apply_gradient(codec, state, summands)?,
            }
        }
        state.outer_steps += 1;
        Ok(())
    }

    /// Synchronous data parallelism: the mean gradient, clipped by its global norm, then one AdamW step.
    fn apply_gradient(&self, codec: Codec, state: &mut State, summands: &[Summand<'_>]) -> Result<(), StateError> {
        let mut gradient = kernels::mean(codec, state.theta.len(), summands)?;
        if let Some(index) = gradient.iter().position(|value| !value.is_finite()) {
            return Err(StateError::NonFinite { index });
        }
        models::clip_gradient(&mut gradient, self.clip_norm);
        let rate = self.schedule.learning_rate(state.outer_steps);
        let moments = state.moments.get_or_insert_with(|| OptimizerState::new(gradient.len()));
        // The count is no part of the state's bytes, so it follows from what every member knows.
        moments.step = state.outer_steps;
        models::adamw_step(&mut state.theta, &gradient, moments, &self.optimizer, &self.layout, rate);
        Ok(())
    }

    fn buffers(&self) -> usize {
        match self.exchange {
            Exchange::PseudoGradient => 0,
            Exchange::Gradient => 2,
        }
    }
}

fn moments(step: u64, m: Vec<f32>, v: Vec<f32>) -> OptimizerState {
    OptimizerState { step, m, v }
}

/// Appends values as little-endian f32.
pub fn append_floats(bytes: &mut Vec<u8>, values: &[f32]) {
    let start = bytes.len();
    bytes.resize(start + F32_BYTES * values.len(), 0);
    for (bytes, value) in bytes[start..].as_chunks_mut::<F32_BYTES>().0.iter_mut().zip(values) {
        *bytes = value.to_le_bytes();
    }
}

/// Reads little-endian f32; bytes beyond the last whole value are left out.
#[must_use]
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<F32_BYTES>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

#[cfg(test)]
mod tests;
