//! Sparse chunks: which elements are listed, how many of them are high, each sign and which are high, L and H.
//!
//! Invariants: "listed" has the probability (entries still to come) / (elements still to come), "high" likewise, whose
//! product over a chunk is one over the number of ways to choose; fillers and an L that no entry has cost nothing.

mod fields;

use super::coder::{Coder, Fault, WHOLE};
use super::model::{Magnitude, Model};
use fields::Fields;

/// How many entries are high changes slowly from chunk to chunk.
const COUNT_STEP: u32 = 8;

/// What is known of the payload so far.
pub(super) struct Models {
    fields: Fields,
    k: usize,
    highs: Model,
    low: Magnitude,
    high: Magnitude,
}

impl Models {
    pub(super) fn new(k: usize) -> Self {
        let highs = Model::new(k + 1, COUNT_STEP);
        Self { fields: Fields::new(k), k, highs, low: Magnitude::new(), high: Magnitude::new() }
    }

    /// Takes a chunk with `real` real elements through the coder.
    pub(super) fn code(&mut self, coder: &mut impl Coder, bytes: &mut [u8], real: usize) -> Result<(), Fault> {
        let entries = self.k.min(real);
        self.fields.unpack(bytes);
        code_indices(coder, &mut self.fields.indices[..entries], real)?;
        let highs = self.highs.code(coder, self.fields.highs())?;
        if highs > entries {
            return Err(Fault::TooManyHigh { found: highs, limit: entries });
        }
        code_codes(coder, &mut self.fields.codes[..entries], highs)?;
        let [low, high] = &mut self.fields.magnitudes;
        if highs < entries {
            *low = self.low.code(coder, *low)?;
        }
        *high = self.high.code(coder, *high)?;
        self.fields.pack(bytes, entries);
        self.refresh();
        Ok(())
    }

    fn refresh(&mut self) {
        self.highs.refresh();
        self.low.refresh();
        self.high.refresh();
    }
}

/// Which of the real elements are listed, by rising index.
fn code_indices(coder: &mut impl Coder, indices: &mut [u16], real: usize) -> Result<(), Fault> {
    let (entries, mut entry) = (indices.len(), 0);
    for index in 0..real as u16 {
        if entry == entries {
            break;
        }
        let listed = indices[entry] == index;
        if coder.choose(entries - entry, real - usize::from(index), listed)? {
            indices[entry] = index;
            entry += 1;
        }
    }
    Ok(())
}

/// The sign of each entry and whether it is high.
fn code_codes(coder: &mut impl Coder, codes: &mut [u8], highs: usize) -> Result<(), Fault> {
    let (entries, mut left) = (codes.len(), highs);
    for (entry, code) in codes.iter_mut().enumerate() {
        let negative = coder.flag(WHOLE / 2, *code & 1 != 0)?;
        let high = coder.choose(left, entries - entry, *code & 2 != 0)?;
        left -= usize::from(high);
        *code = u8::from(negative) | u8::from(high) << 1;
    }
    Ok(())
}
