//! The reward of a session as `move/REWARDS.md` fixes it, and the Merkle tree by which rewards are claimed.
//!
//! Pure functions of integers, exact to the last unit: the Move module computes the same split, and both are held to
//! the vectors in `move/vectors`. Data flows one way: committed rounds → [`session`] (settlements, totals) →
//! [`split()`] → [`report`] and [`payout`]; [`verify`] does it all again and names what differs. Start at
//! [`session::Outcome`]; [`Share`] keeps every factor, so that a reward can be explained.

pub mod explain;
pub mod hex;
pub mod merkle;
pub mod payout;
pub mod projection;
pub mod report;
mod rules;
mod score;
pub mod session;
mod split;
mod text;
pub mod verify;

pub use rules::Rules;
pub use score::{Factors, Participant, score};
pub use split::{RewardError, Share, Split, split};
