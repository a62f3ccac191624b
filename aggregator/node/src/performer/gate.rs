//! A queue of effects with gates in it: what stands behind one waits until it is told to be open.

use std::collections::VecDeque;

/// Names one flush among those of a process.
pub type Ticket = u64;

enum Queued<E> {
    Effect(E),
    Gate(Ticket),
}

/// Effects in their order.
pub(super) struct Gated<E> {
    queue: VecDeque<Queued<E>>,
    shut: Option<Ticket>,
    tickets: Ticket,
}

impl<E> Default for Gated<E> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), shut: None, tickets: 0 }
    }
}

impl<E> Gated<E> {
    /// Adds an effect at the end.
    pub(super) fn push(&mut self, effect: E) {
        self.queue.push_back(Queued::Effect(effect));
    }

    /// Adds an effect that asks for a flush, and the gate that opens when it is over.
    pub(super) fn push_flush(&mut self, flush: impl FnOnce(Ticket) -> E) {
        self.tickets += 1;
        self.push(flush(self.tickets));
        self.queue.push_back(Queued::Gate(self.tickets));
    }

    /// A flush is over; others than the one that is waited for are passed over.
    pub(super) fn open(&mut self, ticket: Ticket) {
        if self.shut == Some(ticket) {
            self.shut = None;
        }
    }

    /// What may be carried out now: everything up to the next gate.
    pub(super) fn take(&mut self) -> Vec<E> {
        let mut effects = Vec::new();
        while self.shut.is_none() {
            match self.queue.pop_front() {
                Some(Queued::Effect(effect)) => effects.push(effect),
                Some(Queued::Gate(ticket)) => self.shut = Some(ticket),
                None => break,
            }
        }
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_a_flush_waits_for_it_and_keeps_its_order() {
        let mut gated = Gated::default();
        gated.push("write");
        gated.push_flush(|_| "flush");
        gated.push("say");
        assert_eq!(gated.take(), ["write", "flush"]);
        gated.push("say more");
        assert!(gated.take().is_empty());
        gated.open(7);
        assert!(gated.take().is_empty(), "another flush");
        gated.open(1);
        assert_eq!(gated.take(), ["say", "say more"]);
    }

    #[test]
    fn gates_open_one_after_the_other() {
        let mut gated = Gated::default();
        gated.push_flush(|ticket| ticket);
        gated.push_flush(|ticket| ticket);
        assert_eq!(gated.take(), [1]);
        gated.open(1);
        assert_eq!(gated.take(), [2]);
        gated.open(2);
        assert!(gated.take().is_empty());
    }
}
