//! What a session leaves on the disk, for whoever reads it: the run directory, the record of each round, the events of
//! a process, the chained log. `RUN.md` specifies every file.
//!
//! Invariants: a fact is recorded once, and every line, event and settlement is a view of that record; nothing here
//! knows tensors, so that a service can read a run without building them.

pub mod chained_log;
pub mod events;
mod genesis;
pub mod manifests;
pub mod pay;
mod rounds;
mod run_directory;

pub use genesis::{Genesis, ShardDescription, Start};
pub use rounds::{ContributionRecord, RoundRecord, RoundsLog, TimingsMs};
pub use run_directory::{OPEN_ROUND_BOUNDS, RunDirectory, numbered_directories, parse_round_name, round_name};
