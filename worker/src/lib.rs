//! The program's parts: command line, roles, tools. `main.rs` only calls [`program::run`].
//!
//! A worker is [`driver`] around the protocol's member core; `up` composes the same roles as processes; everything
//! else answers a question about a machine, a job or a checkpoint. Standard output belongs to [`output`] alone.

pub mod bench;
pub mod checkpoint;
pub mod claim;
pub mod cli;
pub mod codec;
pub mod config;
pub mod doctor;
pub mod driver;
pub mod exit;
pub mod explain;
pub mod generate;
pub mod inputs;
pub mod job_args;
pub mod ledger;
pub mod output;
pub mod plan;
pub mod program;
pub mod rewards;
pub mod roles;
pub mod up;
pub mod wallet;
