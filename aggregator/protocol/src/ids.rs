//! Names of things: workers, sessions, networks, rounds and terms.

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
