//! The ledger's contract, `training_rewards`, as a deterministic state machine: what `move/CONTRACT.md` specifies and
//! the Move module does on Aptos, call by call and abort by abort.
//!
//! Invariants:
//! - No I/O and no clock: a call is its function, its arguments, its sender and the time; equal traces give equal
//!   states.
//! - A call that aborts changes nothing.
//! - Of the asset nothing is made or lost but by [`State::mint`]: the balances and the vault add up to what was minted,
//!   and the vault holds exactly what the sessions still owe.
//! - Arguments come from anyone: they are bounded while they are read, and nothing here panics on them.
//!
//! Start at [`State`]; [`abi`] lists the functions, [`Abort`] the reasons.

mod abi;
mod abort;
mod address;
mod event;
pub mod limits;
mod names;
mod state;
pub mod trace;
mod value;

pub use abi::{Function, abi, function};
pub use abort::Abort;
pub use address::{Address, AddressError};
pub use event::Event;
pub use names::{EXECUTED, GAS_COIN, MODULE};
pub use state::{CallError, State};
pub use value::{ARGUMENT_BYTES_MAX, ArgumentError, Type, Value};
