use super::*;
use crate::output::text::{bytes, count, describe, duration};
use crate::testing::contribution;
use protocol::{Reason, Round};
use record::RoundRecord;
use record::events::{Inner, Listening, RoundApplied};
use std::sync::mpsc::{Sender, channel};

/// A writer that hands every piece to the test and waits for its leave.
struct Gate {
    written: Sender<Vec<u8>>,
    leave: Receiver<()>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.leave.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.written.send(bytes.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gated() -> (Arc<Printer>, Receiver<Vec<u8>>, Sender<()>, CancellationToken) {
    let (written, lines) = channel();
    let (let_through, leave) = channel();
    let stop = CancellationToken::new();
    let printer = Printer::start(Gate { written, leave }, OutputFormat::Json, stop.clone()).unwrap();
    (printer, lines, let_through, stop)
}

fn inner(step: u64) -> Event {
    Event::Inner(Inner { step, ..Inner::default() })
}

fn applied(round: u64) -> Event {
    Event::RoundApplied(RoundApplied { round, state_hash: String::new() })
}

#[test]
fn a_slow_reader_loses_progress_before_results() {
    let (printer, lines, let_through, _stop) = gated();
    let events = printer.events();
    // More than the queue may hold of either, none of which may block.
    for n in 0..EVENTS_QUEUED_MAX as u64 {
        events.emit(inner(n));
    }
    for n in 0..EVENTS_QUEUED_MAX as u64 / 4 {
        events.emit(applied(n));
    }
    for _ in 0..2 * EVENTS_QUEUED_MAX {
        let_through.send(()).unwrap();
    }
    printer.close();
    let text: Vec<String> = lines.try_iter().map(|line| String::from_utf8(line).unwrap()).collect();
    let results = text.iter().filter(|line| line.contains("round_applied")).count();
    assert_eq!(results, EVENTS_QUEUED_MAX / 4);
    assert!(text.len() - results <= EVENTS_QUEUED_MAX / 2 + 1, "{}", text.len() - results);
}

#[test]
fn every_event_is_one_line_of_json_in_order() {
    let (printer, lines, let_through, _stop) = gated();
    for n in 0..3 {
        let_through.send(()).unwrap();
        printer.events().emit(applied(n));
    }
    printer.close();
    for (n, line) in lines.try_iter().enumerate() {
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(serde_json::from_slice::<Event>(&line).unwrap(), applied(n as u64));
    }
}

#[test]
fn a_reader_that_has_gone_stops_the_process_quietly() {
    let (printer, lines, let_through, stop) = gated();
    drop(lines);
    let_through.send(()).unwrap();
    printer.events().emit(applied(1));
    printer.close();
    assert!(printer.is_broken() && stop.is_cancelled());
    // Nothing that comes later panics or blocks.
    printer.events().emit(applied(2));
    printer.close();
}

#[test]
fn quantities_have_units_a_reader_knows() {
    assert_eq!(["84", "4,950", "-1,000"], [84.0, 4950.2, -1000.0].map(count).each_ref().map(String::as_str));
    assert_eq!(["926 k", "1.24 M", "124 M"], [926_000.0, 1.24e6, 124e6].map(count).each_ref().map(String::as_str));
    assert_eq!(["84 B", "1.5 KiB", "16.0 MiB"], [84.0, 1536.0, 16777216.0].map(bytes).each_ref().map(String::as_str));
    let times = [0.04, 48.2, 125.0, 4320.0].map(duration);
    assert_eq!(["40 ms", "48 s", "2 min 5 s", "1 h 12 min"], times.each_ref().map(String::as_str));
}

#[test]
fn a_rejected_contribution_shows_its_reason() {
    let rejected = contribution(12, Reason::LowUsefulness);
    let round = RoundRecord { contributions: vec![rejected], ..RoundRecord::empty(Round(3)) };
    let text = describe(&Event::Round(round)).unwrap();
    assert!(text.contains("12 (usefulness below the threshold)"), "{text}");
}

#[test]
fn the_invite_is_printed_as_the_command_that_uses_it() {
    let listening =
        Listening { invite: "cotrain1abc".into(), addresses: vec!["/ip4/1.2.3.4/tcp/5".into()], ..Default::default() };
    let text = describe(&Event::Listening(listening)).unwrap();
    assert!(text.contains("cotrain worker cotrain1abc"), "{text}");
}
