//! One module a command of the program.

pub mod aggregator;
pub mod bench;
pub mod checkpoint;
pub mod claim;
pub mod codec;
pub mod completions;
pub mod config;
pub mod doctor;
pub mod generate;
pub mod ledger;
pub mod man;
pub mod new_run;
pub mod plan;
pub mod rewards;
mod role;
pub mod wallet;
pub mod worker;
