//! Whether a report is on the ledger already, judged from what the ledger holds.

use super::durable::{Durable, Job};
use super::record::Payout;
use crate::{LastAnchor, Root, Session};

/// What the ledger holds of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) session: Option<Session>,
    pub(crate) anchor: Option<LastAnchor>,
    pub(crate) root: Option<Root>,
}

/// What that means for the report on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It can be signed.
    NotYet,
    Landed,
    /// Something newer is there, so it never can be, and need not.
    Superseded(String),
    /// The ledger shows less than what landed before: another node may show more.
    Behind(String),
    /// Someone else's report stands in its place.
    Conflict(String),
}

/// Judges the report on its way. An effect that fits is taken to be ours only where a transaction of ours may have made
/// it (`doubtful`): one that is said to have landed, or that was absent after its expiry by the word of a node that was
/// wrong.
pub(crate) fn verdict(durable: &Durable, seen: &Seen, doubtful: bool) -> Verdict {
    let (Some(job), Some(conditions)) = (&durable.job, &durable.session) else { return Verdict::NotYet };
    let id = conditions.session_number;
    let Some(session) = &seen.session else {
        return match job {
            Job::Open => Verdict::NotYet,
            _ => Verdict::Behind(format!("the ledger does not show session {id}, which was created on it")),
        };
    };
    match job {
        Job::Open => {
            let untouched = session.settlement == 0 && session.term == 0 && session.participants == 0;
            let ours = session.sponsor == durable.account && session.pool == conditions.pool;
            if ours && (doubtful || untouched && !session.closed) {
                return Verdict::Landed;
            }
            Verdict::Conflict(format!("session {id} was created by another run; choose another number"))
        }
        Job::Batch { settlement, .. } => batch(*settlement, session, doubtful, id),
        Job::Term(term) if session.term == term.term && session.aggregator == term.aggregator => Verdict::Landed,
        Job::Term(term) if session.term >= term.term => {
            newer(doubtful, format!("term {} is not above term {}", term.term, session.term))
        }
        Job::Anchor(anchor) => match &seen.anchor {
            Some(last) if last.round == anchor.round && last.checkpoint_hash == anchor.checkpoint_hash => {
                Verdict::Landed
            }
            Some(last) if last.round >= anchor.round => {
                newer(doubtful, format!("round {} is not above the anchored round {}", anchor.round, last.round))
            }
            _ => unless_closed(session, id),
        },
        Job::Term(_) => unless_closed(session, id),
        Job::Pay(Payout::Distribute) if session.closed && doubtful => Verdict::Landed,
        Job::Pay(Payout::Distribute) => unless_closed(session, id),
        Job::Pay(Payout::Root) => root(durable, seen, session, id),
    }
}

fn batch(settlement: u64, session: &Session, doubtful: bool, id: u64) -> Verdict {
    let last = session.settlement;
    if last >= settlement {
        return match doubtful {
            true => Verdict::Landed,
            false => Verdict::Conflict(format!("settlement {settlement} of session {id} was reported by another run")),
        };
    }
    if last + 1 < settlement {
        return Verdict::Behind(format!("the ledger shows settlement {last} of session {id}, but more landed"));
    }
    unless_closed(session, id)
}

fn newer(doubtful: bool, what: String) -> Verdict {
    if doubtful { Verdict::Landed } else { Verdict::Superseded(what) }
}

fn unless_closed(session: &Session, id: u64) -> Verdict {
    match session.closed {
        true => Verdict::Conflict(format!("session {id} was closed by another run")),
        false => Verdict::NotYet,
    }
}

fn root(durable: &Durable, seen: &Seen, session: &Session, id: u64) -> Verdict {
    let (Some((ours, total)), Some(root)) = (durable.root(), &seen.root) else { return Verdict::NotYet };
    let pending = root.pending_root == Some(ours) && root.pending_total == total;
    if pending || root.root == Some(ours) && root.total == total {
        return Verdict::Landed;
    }
    if root.pending_root.is_some() {
        return Verdict::Conflict(format!("another root of session {id} waits for its delay"));
    }
    unless_closed(session, id)
}
