//! `move-harness [FILTER]` runs the package's unit tests, in a process of its own so that their report can be read.

use std::process::ExitCode;

fn main() -> ExitCode {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let result =
        tempfile::tempdir().map_err(|source| move_harness::Error::Io { what: "no temporary folder".into(), source });
    match result.and_then(|out| move_harness::run_unit_tests(out.path(), &filter)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
