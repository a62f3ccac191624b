//! Mistakes that are planted on purpose between a performer and whoever carries out its effects: a simulation that does
//! not catch them shows nothing.

use node::performer::member::{Effect, Input};
use protocol::member::MemberRecord;

/// A mistake of a worker's driver or performer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plant {
    #[default]
    None,
    /// A vote is sent and not recorded.
    ForgottenRecord,
    /// Files count as written before they are.
    ForgottenFsync,
    /// A payload is dropped as soon as it is served.
    FreedEarly,
    /// A record and the message that it must precede change places.
    Swapped,
    /// The news that a fetch ended is lost.
    LostCompletion,
}

impl Plant {
    /// Every mistake.
    pub const ALL: [Self; 5] =
        [Self::ForgottenRecord, Self::ForgottenFsync, Self::FreedEarly, Self::Swapped, Self::LostCompletion];

    pub(super) fn distort<W>(self, mut effects: Vec<Effect<W>>) -> Vec<Effect<W>> {
        match self {
            Self::ForgottenRecord => {
                effects.retain(|effect| !matches!(effect, Effect::Append(MemberRecord::Voted(_))));
            }
            Self::Swapped => {
                for index in 1..effects.len() {
                    let pair = (&effects[index - 1], &effects[index]);
                    if matches!(pair, (Effect::Append(_) | Effect::Replace(_), Effect::Send(_))) {
                        effects.swap(index - 1, index);
                    }
                }
            }
            _ => {}
        }
        effects
    }

    pub(super) fn loses<W>(self, input: &Input<W>) -> bool {
        self == Self::LostCompletion && matches!(input, Input::Fetched { .. })
    }
}
