//! The role that leads a session: it opens the run, carries out what its performer says, and keeps the books.
//!
//! Invariants: whatever is told to others is durable first; what decides something, and what has to be remembered for
//! it, lives below, in `protocol` and in the performers of `node`, so that a simulation runs it too.

pub mod driver;
pub mod journal;
pub mod recover;
pub mod settlement;

#[cfg(test)]
mod testing;
