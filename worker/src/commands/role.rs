//! A role of a swarm as a process: events on standard output, the driver, the end.

use std::io;

use record::events::{Event, Events, Failed};
use tokio_util::sync::CancellationToken;

use crate::cli::OutputFormat;
use crate::exit;
use crate::output::Printer;

/// Runs a driver with its events going to standard output, and reports its error there too.
pub(super) async fn play<F, R>(format: OutputFormat, stop: CancellationToken, driver: F) -> anyhow::Result<()>
where
    F: FnOnce(Events, CancellationToken) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    exit::end_within(exit::ROLE_STOP_MS_MAX, stop.clone())?;
    let printer = Printer::start(io::stdout(), format, stop.clone())?;
    let result = driver(printer.events(), stop).await;
    if let Err(error) = &result {
        let wrong_use = exit::code_of(error) == exit::WRONG_USE;
        printer.events().emit(Event::Failed(Failed { message: exit::describe(error), wrong_use }));
    }
    printer.close();
    if printer.is_broken() {
        return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
    }
    result
}
