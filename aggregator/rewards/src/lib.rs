//! The reward of a session as `move/REWARDS.md` fixes it, and the Merkle tree by which rewards are claimed.
//!
//! Pure functions of integers, exact to the last unit: the Move module computes the same, and both are held to the vectors
//! in `move/vectors`. Start at [`split`]; [`Share`] keeps every factor, so that a reward can be explained.

pub mod merkle;
mod score;
mod split;

pub use score::{Factors, Participant, score};
pub use split::{RewardError, Rules, Share, Split, split};
