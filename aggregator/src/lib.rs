//! The role that leads a session: it opens the run, runs the protocol's coordinator, and keeps the books.
//!
//! Invariants: whatever is told to others is durable first; what decides something lives below, in `protocol` and `node`, which
//! every node has.

pub mod driver;
pub mod journal;
pub mod recover;
pub mod settlement;

#[cfg(test)]
mod testing;
