//! Events on their way to the driver's user, with the acknowledgements that hang on them.
//!
//! Invariants: at most [`INBOX_MESSAGES_MAX`] messages wait; at most one change of connection waits for a peer behind
//! its last message, so the whole is bounded by messages, hellos and peers.

use std::collections::VecDeque;

use protocol::WorkerId;

use crate::{config::INBOX_MESSAGES_MAX, event::NetworkEvent};

/// An event and what is to be acknowledged once it is handed over.
pub(crate) struct Item<A> {
    pub(crate) event: NetworkEvent,
    pub(crate) acknowledge: Option<A>,
}

pub(crate) struct Inbox<A> {
    items: VecDeque<Item<A>>,
    messages: usize,
}

impl<A> Inbox<A> {
    pub(crate) fn new() -> Self {
        Self { items: VecDeque::new(), messages: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// True when no further message is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.messages >= INBOX_MESSAGES_MAX
    }

    /// Appends a message that is to be acknowledged. The caller has looked at [`Self::is_full`].
    pub(crate) fn push_message(&mut self, event: NetworkEvent, acknowledge: A) {
        self.messages += 1;
        self.items.push_back(Item { event, acknowledge: Some(acknowledge) });
    }

    /// Appends an event that the driver bounds by other means.
    pub(crate) fn push(&mut self, event: NetworkEvent) {
        self.items.push_back(Item { event, acknowledge: None });
    }

    /// Appends a change of connection; one of the same peer that still waits behind its last message is replaced.
    pub(crate) fn push_connection(&mut self, worker: WorkerId, connected: bool) {
        let last = self.items.iter().rposition(|item| subject(&item.event) == Some(worker));
        if let Some(index) = last.filter(|&index| is_connection(&self.items[index].event)) {
            self.items.remove(index);
        }
        self.push(match connected {
            true => NetworkEvent::Connected(worker),
            false => NetworkEvent::Disconnected(worker),
        });
    }

    pub(crate) fn pop(&mut self) -> Option<Item<A>> {
        let item = self.items.pop_front()?;
        self.messages -= usize::from(item.acknowledge.is_some());
        Some(item)
    }
}

fn subject(event: &NetworkEvent) -> Option<WorkerId> {
    match event {
        NetworkEvent::Message { from, .. } | NetworkEvent::Hello { from, .. } => Some(*from),
        NetworkEvent::Connected(worker) | NetworkEvent::Disconnected(worker) => Some(*worker),
        NetworkEvent::Listening(_) => None,
    }
}

fn is_connection(event: &NetworkEvent) -> bool {
    matches!(event, NetworkEvent::Connected(_) | NetworkEvent::Disconnected(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: WorkerId = WorkerId([1; 32]);
    const B: WorkerId = WorkerId([2; 32]);

    fn names(inbox: &mut Inbox<()>) -> Vec<(WorkerId, bool)> {
        std::iter::from_fn(|| inbox.pop())
            .filter_map(|item| match item.event {
                NetworkEvent::Connected(worker) => Some((worker, true)),
                NetworkEvent::Disconnected(worker) => Some((worker, false)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_flapping_peer_takes_one_place() {
        let mut inbox = Inbox::<()>::new();
        inbox.push_connection(B, true);
        for round in 0..1000 {
            inbox.push_connection(A, round % 2 == 1);
        }
        assert_eq!(names(&mut inbox), [(B, true), (A, true)]);
    }

    #[test]
    fn changes_on_either_side_of_a_hello_are_both_told() {
        let mut inbox = Inbox::<()>::new();
        inbox.push_connection(A, true);
        let (sender, _receiver) = tokio::sync::oneshot::channel();
        let hello = Box::new(crate::testing::hello());
        inbox.push(NetworkEvent::Hello { from: A, hello, reply: crate::event::ReplyHandle(sender) });
        inbox.push_connection(A, false);
        inbox.push_connection(A, true);
        assert_eq!(names(&mut inbox), [(A, true), (A, true)]);
    }
}
