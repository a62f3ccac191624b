//! The program `cotrain`: parses what it is asked and ends with 0 done, 1 failed or 2 wrong use.

use std::process::ExitCode;

/// The buffers of a training step are large and short-lived; the system's allocator hands them back every time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A panic is a bug and has been reported when it gets here; it still ends with a code that scripts know.
    std::panic::catch_unwind(worker::program::run).unwrap_or(worker::exit::FAILED).into()
}
