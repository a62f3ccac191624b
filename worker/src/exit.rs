//! How the program ends: 0 done, 1 failed, 2 wrong use, nothing else.

use std::time::Duration;
use std::{fmt, process, thread};

use tokio_util::sync::CancellationToken;

use crate::output;

pub const DONE: u8 = 0;
pub const FAILED: u8 = 1;
/// Used wrongly: another attempt with the same words fails the same way.
pub const WRONG_USE: u8 = 2;

/// How long `up` has between a signal and its end, in milliseconds: the promise is 5 s.
pub const UP_STOP_MS_MAX: u64 = 4500;
/// How long a role has between the wish that it stop and its end, in milliseconds: less than `up` waits for it.
pub const ROLE_STOP_MS_MAX: u64 = 3000;

/// An error of whoever typed the command or wrote the file, not of the machine.
#[derive(Debug)]
pub struct WrongUse(pub String);

impl fmt::Display for WrongUse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for WrongUse {}

/// The run was stopped by its user before its end; everything needed to go on has been said already.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Wraps an error as wrong use, with its causes.
pub fn wrong_use<E: Into<anyhow::Error>>(error: E) -> anyhow::Error {
    WrongUse(describe(&error.into())).into()
}

/// An error with its causes on one line; a cause that the words before it hold already is not repeated.
pub fn describe(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The exit code for an error.
pub fn code_of(error: &anyhow::Error) -> u8 {
    if error.chain().any(|cause| cause.is::<WrongUse>()) { WRONG_USE } else { FAILED }
}

/// Whether an error needs no words: the reader of our output has gone, or the user stopped the run.
pub fn is_quiet(error: &anyhow::Error) -> bool {
    output::is_broken_pipe(error) || error.chain().any(|cause| cause.is::<Interrupted>())
}

/// Ends the process when it is still there `ms` after `stop`: what it has promised is on the disk at every instant.
///
/// # Errors
/// When the system gives no thread.
pub fn end_within(ms: u64, stop: CancellationToken) -> std::io::Result<()> {
    let (send, receive) = std::sync::mpsc::channel::<()>();
    tokio::spawn(async move {
        stop.cancelled().await;
        drop(send);
    });
    thread::Builder::new().name("stop".to_owned()).spawn(move || {
        // Nothing is ever sent: this returns when the sender is dropped.
        let _ = receive.recv();
        thread::sleep(Duration::from_millis(ms));
        process::exit(i32::from(FAILED));
    })?;
    Ok(())
}

/// Cancels `stop` on Ctrl-C, a request to terminate, or a closed terminal; a second signal ends the process at once.
pub fn stop_on_signals(stop: CancellationToken) {
    tokio::spawn(async move {
        if signalled().await.is_err() {
            return;
        }
        stop.cancel();
        if signalled().await.is_ok() {
            process::exit(i32::from(FAILED));
        }
    });
}

#[cfg(unix)]
async fn signalled() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn signalled() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Cancels `stop` when standard input ends, which it does when the process that started this one dies.
///
/// # Errors
/// When the system gives no thread.
pub fn stop_on_stdin_end(stop: CancellationToken) -> std::io::Result<()> {
    // A thread of its own: tokio's standard input would keep the runtime from ending.
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        stop.cancel();
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use std::io;

    #[test]
    fn wrong_use_keeps_its_code_under_context() {
        let error = wrong_use(anyhow::anyhow!("unknown key").context("job.toml"));
        assert_eq!(error.to_string(), "job.toml: unknown key");
        let wrapped = Err::<(), _>(error).context("while planning").unwrap_err();
        assert_eq!(code_of(&wrapped), WRONG_USE);
        assert_eq!(code_of(&anyhow::anyhow!("disk full")), FAILED);
    }

    #[test]
    fn causes_are_named_once() {
        let full = anyhow::anyhow!("disk full").context("cannot write a: disk full").context("saving");
        assert_eq!(describe(&full), "saving: cannot write a: disk full");
    }

    #[test]
    fn only_a_broken_pipe_and_an_interruption_are_quiet() {
        let error = |kind| anyhow::Error::from(io::Error::from(kind)).context("writing");
        assert!(is_quiet(&error(io::ErrorKind::BrokenPipe)));
        assert!(!is_quiet(&error(io::ErrorKind::PermissionDenied)));
        assert!(is_quiet(&Interrupted.into()));
    }
}
