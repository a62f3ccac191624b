//! The program's parts. `main.rs` only calls [`program::run`].
//!
//! The command line is [`cli`], each command a module of [`commands`]. A worker is [`member`], which carries out what
//! its performer says; [`up`] composes the roles as processes. Standard output belongs to [`output`] alone.

pub mod cli;
pub mod commands;
pub mod exit;
pub mod member;
pub mod output;
pub mod program;
pub mod up;

#[cfg(test)]
mod testing;
