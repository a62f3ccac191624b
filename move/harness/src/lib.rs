//! Runs the Move package in tests, without a chain: builds it, runs its unit tests, and calls it in a virtual machine
//! whose storage is a map and whose clock the caller sets.
//!
//! The compiler and the machine are two shared libraries of the npm package `@initia/builder.js`. Their licence (BSL
//! 1.1) allows tests and nothing more, so they are fetched by the first test that needs them, checked against a fixed
//! hash, kept in the user's cache and loaded at run time: no product of ours links or ships them.
//!
//! ```no_run
//! use move_harness::{Vm, args};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut vm = Vm::new()?;
//! vm.mint([7; 32], 1_000)?;
//! let call = [args::string("node"), args::string("key"), args::u64(10), args::u64(100)];
//! for event in vm.execute("training_rewards::register_p2p_node", &call, [7; 32], 1_700_000_000)? {
//!     println!("{} {}", event.name, event.data);
//! }
//! # Ok(())
//! # }
//! ```

mod abi;
pub mod args;
mod compiler;
mod ffi;
pub mod gas;
mod storage;
mod tools;
mod usage;
mod vm;

pub use abi::abi;
pub use compiler::{build, run_unit_tests};
pub use usage::{Slot, Usage};
pub use vm::{ADMIN, Event, Failure, Vm};

use std::path::PathBuf;

/// Why the harness itself did not work; a call that the contract refuses is a [`Failure`] instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a program could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's word on it.
        source: std::io::Error,
    },
    /// The libraries could not be fetched.
    #[error("npm could not fetch {package}: {reason}")]
    Fetch {
        /// The package and its version.
        package: &'static str,
        reason: String,
    },
    /// The fetched package is another one than was reviewed.
    #[error("{} does not have the expected sha512 but {found}", path.display())]
    Hash {
        /// The fetched file.
        path: PathBuf,
        /// Its hash in base64.
        found: String,
    },
    /// A library could not be loaded, or lacks a function.
    #[error("the Move library could not be used: {0}")]
    Library(#[from] libloading::Error),
    /// There is no build of the libraries for this machine.
    #[error("the Move libraries exist for Linux on x86_64 and aarch64 only")]
    Platform,
    /// The compiler or the machine refused.
    #[error("{0}")]
    Move(String),
}

/// The package's folder in this checkout.
pub fn package_dir() -> PathBuf {
    // Cargo names the folder when it runs a test; the one that was compiled in may be of another checkout, since a
    // shared target folder serves them all.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut path = PathBuf::from(own);
    path.pop();
    path
}
