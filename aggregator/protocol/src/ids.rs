//! Names of things: workers, sessions, networks, rounds, terms and stages.

use crate::encoding::identifier;
use serde::{Deserialize, Serialize};
use std::fmt;

identifier! {
    /// A worker, or the aggregator: its Ed25519 public key.
    WorkerId
}

identifier! {
    /// A training session: one run of one job.
    SessionId
}

identifier! {
    /// A network: peers of another one refuse each other. The hash of what all nodes of a run must agree on.
    NetworkId
}

macro_rules! counter {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

counter! {
    /// One attempt at an outer step; counts from 1, 0 is the start. An abandoned round's number is not used again.
    Round
}

counter! {
    /// The reign of one aggregator; counts from 1.
    Term
}

impl Term {
    /// The term that a session begins with.
    pub const FIRST: Self = Self(1);
}

/// A part of the model that is trained, exchanged and scored by itself: contiguous blocks of the transformer.
///
/// Headers and manifests carry its two numbers side by side, `stage` and `stages`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stage {
    /// Which of them, from 0.
    pub index: u16,
    /// How many the model has, at least 1.
    pub of: u16,
}

impl Stage {
    /// The one stage of a model that is not cut.
    pub const WHOLE: Self = Self { index: 0, of: 1 };
}
