//! What the program writes to standard output: events as lines of JSON or in words, and results.
//!
//! Invariants: an event never blocks the task that emits it; a thread of its own writes, behind a queue bounded by
//! [`EVENTS_QUEUED_MAX`]. When the reader is slow, progress is dropped first. When the reader has gone (a broken
//! pipe), the printer falls silent and cancels the token that it was given: nobody listens any more.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use record::events::{Event, EventSink, Events};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::cli::OutputFormat;

pub mod text;

/// Events that may wait for the printing thread; progress gives way at half of it.
pub const EVENTS_QUEUED_MAX: usize = 1024;
/// How long the program waits at its end for events that are not yet written, in milliseconds.
pub const FLUSH_MS_MAX: u64 = 1000;

/// The queue before the thread that prints events.
pub struct Printer {
    queue: Mutex<Option<SyncSender<Event>>>,
    ended: Mutex<Receiver<()>>,
    shared: Arc<Shared>,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Shared {
    waiting: AtomicUsize,
    broken: AtomicBool,
}

impl Printer {
    /// Starts a thread that writes events to `out`; cancels `stop` when nobody reads them any more.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start<W>(out: W, format: OutputFormat, stop: CancellationToken) -> io::Result<Arc<Self>>
    where
        W: Write + Send + 'static,
    {
        let (queue, events) = sync_channel(EVENTS_QUEUED_MAX);
        let (end, ended) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("events".to_owned()).spawn(move || {
            write_events(out, format, &events, &writer, &stop);
            // The receiver lives in the printer; when it is gone nobody waits.
            let _ = end.send(());
        })?;
        let (queue, ended) = (Mutex::new(Some(queue)), Mutex::new(ended));
        Ok(Arc::new(Self { queue, ended, shared, dropped: AtomicU64::new(0) }))
    }

    /// A handle that sends every event to this printer.
    pub fn events(self: &Arc<Self>) -> Events {
        Events::new(Arc::clone(self) as Arc<dyn EventSink>)
    }

    /// Whether the reader of the output has gone.
    pub fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::Relaxed)
    }

    /// Writes what is queued and takes no more; waits at most [`FLUSH_MS_MAX`].
    pub fn close(&self) {
        drop(lock(&self.queue).take());
        let waited = lock(&self.ended).recv_timeout(Duration::from_millis(FLUSH_MS_MAX));
        if waited == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the reader of standard output is stuck; the last events were not written");
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "events were dropped because standard output was not read");
        }
    }
}

impl EventSink for Printer {
    fn emit(&self, event: Event) {
        let waiting = self.shared.waiting.load(Ordering::Relaxed);
        if event.is_progress() && waiting >= EVENTS_QUEUED_MAX / 2 {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let queue = lock(&self.queue);
        let Some(queue) = queue.as_ref() else { return };
        // Counted before it is sent, so that the other thread never counts below zero.
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(event) {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Takes a lock whose holder may have panicked: the values behind it are whole at every instant.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write_events<W: Write>(
    mut out: W,
    format: OutputFormat,
    events: &Receiver<Event>,
    shared: &Shared,
    stop: &CancellationToken,
) {
    for event in events {
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        let written = match format {
            OutputFormat::Json => write_json_line(&mut out, &event),
            OutputFormat::Text => match text::describe(&event) {
                Some(line) => writeln!(out, "{line}").and_then(|()| out.flush()),
                None => Ok(()),
            },
        };
        if written.is_err() {
            shared.broken.store(true, Ordering::Relaxed);
            stop.cancel();
            return;
        }
    }
}

/// Writes one value as a line of JSON and flushes it.
///
/// # Errors
/// When the writer refuses or the value has no JSON form.
pub fn write_json_line<W: Write, T: Serialize>(out: &mut W, value: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

/// Writes text to standard output and flushes it; a reader that has gone is an error like any other here.
///
/// # Errors
/// When standard output refuses, as [`is_broken_pipe`] tells.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes one value as a line of JSON to standard output.
///
/// # Errors
/// As [`print`].
pub fn print_json<T: Serialize>(value: &T) -> io::Result<()> {
    write_json_line(&mut io::stdout().lock(), value)
}

/// Writes a value as a line of JSON, or in words.
///
/// # Errors
/// As [`print`].
pub fn show<T: Serialize>(format: OutputFormat, value: &T, text: impl FnOnce() -> String) -> io::Result<()> {
    match format {
        OutputFormat::Json => print_json(value),
        OutputFormat::Text => print(&text()),
    }
}

/// Whether an error means that the reader of our output has gone.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
