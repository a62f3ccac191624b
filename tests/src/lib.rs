//! What the tests of the whole share: the program as processes, their events, run directories, Python; and the
//! simulation of whole sessions ([`swarm`]).
//!
//! Invariants of the tests with processes: they work on what a user has, the program and its files, never on a
//! stand-in; every wait ends with a condition or at a deadline that says what was waited for; whatever a test starts
//! ends with it, also when it fails.

pub mod job;
pub mod ledger;
pub mod process;
pub mod program;
pub mod python;
pub mod run;
pub mod swarm;
pub mod tidy;
pub mod up;

pub use job::{micro, parity, text};
pub use ledger::LedgerServer;
pub use program::{Output, cotrain};
pub use python::{python, python_refuses};
pub use run::Place;
pub use up::{Ended, Up};
