//! The head of a session: what the last committed manifest left behind, and all that the next round starts from.

use crate::{Assignment, Hash, Manifest, Parameters, Roster, Round, SessionId, Signable};
use serde::{Deserialize, Serialize};

/// The state that all members share between two rounds. The genesis head is that of round 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The session.
    pub session: SessionId,
    /// The round that committed it, 0 at the start.
    pub round: Round,
    /// Committed outer steps.
    pub outer_steps: u64,
    /// BLAKE3 of the parameters and the outer buffers.
    pub state_hash: Hash,
    /// Parameters in the flat vector.
    pub elements: u64,
    /// Sequences that the session has assigned so far.
    pub cursor: u64,
    /// Who belongs to the next round.
    pub roster: Roster,
    /// The manifest that committed it; for the genesis head, a hash of that head.
    pub manifest_hash: Hash,
    /// The [`Head::manifest_hash`] of the head before; zero for the genesis head.
    pub parent_hash: Hash,
}

/// More rounds, sequences or parameters than any session reaches.
const COUNT_MAX: u64 = 1 << 60;

impl Signable for Head {
    const DOMAIN: &'static str = "cotrain/head/1";
}

impl Head {
    /// The head before the first round.
    #[must_use]
    pub fn genesis(session: SessionId, state_hash: Hash, elements: u64, roster: Roster) -> Self {
        let manifest_hash = Hash::of_value("cotrain/genesis/1", &(session, state_hash, elements, &roster));
        let (round, parent_hash) = (Round(0), Hash::ZERO);
        Self { session, round, outer_steps: 0, state_hash, elements, cursor: 0, roster, manifest_hash, parent_hash }
    }

    /// The head that committing `manifest` makes.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            session: manifest.session,
            round: manifest.round,
            outer_steps: manifest.outer_step,
            state_hash: manifest.state_hash,
            elements: manifest.elements,
            cursor: manifest.cursor,
            roster: manifest.next_roster.clone(),
            manifest_hash: manifest.hash(),
            parent_hash: manifest.parent_hash,
        }
    }

    /// Whether its numbers are such as a session can reach, so that no sum over them overflows, and its roster is
    /// valid.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let counts = [self.round.0, self.outer_steps, self.cursor, self.elements];
        counts.iter().all(|count| *count <= COUNT_MAX) && self.roster.is_valid()
    }

    /// The assignment of data in `round` on top of this head, from a training text of `windows` windows.
    #[must_use]
    pub fn assignment(&self, round: Round, parameters: &Parameters, windows: u64) -> Assignment {
        Assignment::new(self, round, parameters, windows)
    }
}
