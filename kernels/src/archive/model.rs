//! Adaptive models: a table of counts that is fixed within a chunk and brought up to date after it.
//!
//! Invariants: every symbol has a count of at least 1 and so a probability of at least 2^−24; the total is at most
//! [`TOTAL_MAX`] whenever a table is made, so that old chunks fade and a symbol never becomes free.

use super::coder::{Coder, Fault, PRECISION, WHOLE};

/// The largest total of counts that a table is made of.
const TOTAL_MAX: u32 = 1 << 16;

/// Upper bits of a quantile that say where the search for its symbol begins.
const START_BITS: usize = 8;

/// The distribution of the symbols `0 … n − 1`, as a writer and a reader both have it.
pub(super) struct Table {
    /// The sum of the probabilities of all symbols before each; one more than there are symbols.
    cumulative: Vec<u32>,
    /// The symbol that owns the first quantile of each run of 2^16.
    start: Vec<u16>,
}

impl Table {
    /// Where a symbol's quantiles begin, and how many it owns; none where there is no such symbol.
    #[inline]
    pub(super) fn span(&self, symbol: usize) -> Option<(u32, u32)> {
        let (left, right) = (self.cumulative.get(symbol)?, self.cumulative.get(symbol + 1)?);
        Some((*left, right - left))
    }

    /// The symbol that owns a quantile.
    #[inline]
    pub(super) fn find(&self, quantile: u32) -> usize {
        let run = (quantile >> (PRECISION - START_BITS)) as usize;
        let first = usize::from(self.start[run.min(self.start.len() - 1)]);
        let ends = &self.cumulative[first + 1..];
        first + ends.iter().take_while(|&&end| end <= quantile).count()
    }

    fn fill(&mut self, counts: &[u32]) {
        let total: u32 = counts.iter().sum();
        let (mut sum, mut run) = (0, 0);
        for (symbol, count) in counts.iter().enumerate() {
            sum += count;
            let end = ((u64::from(sum) << PRECISION) / u64::from(total)) as u32;
            while run < self.start.len() && (run as u32) << (PRECISION - START_BITS) < end {
                self.start[run] = symbol as u16;
                run += 1;
            }
            self.cumulative[symbol + 1] = end;
        }
        debug_assert_eq!(self.cumulative.last(), Some(&WHOLE));
    }
}

/// Counts, the table of the last time, and what one occurrence adds.
pub(super) struct Model {
    counts: Vec<u32>,
    table: Table,
    step: u32,
    changed: bool,
}

impl Model {
    /// All `symbols` equally likely; an occurrence weighs `step` times as much as the beginning's 1.
    pub(super) fn new(symbols: usize, step: u32) -> Self {
        let counts = vec![1; symbols];
        let mut table = Table { cumulative: vec![0; symbols + 1], start: vec![0; 1 << START_BITS] };
        table.fill(&counts);
        Self { counts, table, step, changed: false }
    }

    /// Takes one symbol through the coder and counts it.
    #[inline]
    pub(super) fn code(&mut self, coder: &mut impl Coder, value: usize) -> Result<usize, Fault> {
        let symbol = coder.symbol(&self.table, value)?;
        self.counts[symbol] += self.step;
        self.changed = true;
        Ok(symbol)
    }

    /// Makes the table anew from the counts, at the end of a chunk.
    pub(super) fn refresh(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        while self.counts.iter().sum::<u32>() > TOTAL_MAX {
            self.counts.iter_mut().for_each(|count| *count = count.div_ceil(2));
        }
        self.table.fill(&self.counts);
    }
}

/// The two bytes of a bf16 that is no sign bit's: the upper one of 7 bits, which is nearly the exponent, and the lower.
pub(super) struct Magnitude {
    upper: Model,
    lower: Model,
}

/// A magnitude's exponent is soon known: a few occurrences outweigh the beginning.
const UPPER_STEP: u32 = 32;

impl Magnitude {
    pub(super) fn new() -> Self {
        Self { upper: Model::new(128, UPPER_STEP), lower: Model::new(256, 1) }
    }

    /// Takes the bits of a magnitude, below 2^15, through the coder.
    pub(super) fn code(&mut self, coder: &mut impl Coder, bits: u16) -> Result<u16, Fault> {
        let upper = self.upper.code(coder, usize::from(bits >> 8))?;
        let lower = self.lower.code(coder, usize::from(bits & 0xff))?;
        Ok((upper << 8 | lower) as u16)
    }

    pub(super) fn refresh(&mut self) {
        self.upper.refresh();
        self.lower.refresh();
    }
}
