//! Dense chunks: the scale of each block, then its codes by how often each came before.
//!
//! Invariants: what a valid body cannot hold is not written at all: padding, codes under scale 0, signs of scales, the
//! most negative code.

use super::coder::{Coder, Fault};
use super::model::{Magnitude, Model};
use crate::format::BLOCK;
use crate::host::chunk::dense::SCALE_BYTES;

/// How wide the codes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// A byte.
    Eight,
    /// Half a byte, the lower index in the lower half.
    Four,
}

impl Width {
    /// The largest code, which is added to a code to make its symbol.
    const fn largest(self) -> i8 {
        match self {
            Self::Eight => 127,
            Self::Four => 7,
        }
    }

    fn get(self, codes: &[u8], index: usize) -> i8 {
        match self {
            Self::Eight => codes[index] as i8,
            Self::Four => (codes[index / 2] << (4 * (1 - index % 2))) as i8 >> 4,
        }
    }

    /// Sets a code that is 0 before, or the same.
    fn set(self, codes: &mut [u8], index: usize, code: i8) {
        match self {
            Self::Eight => codes[index] = code as u8,
            Self::Four => codes[index / 2] |= (code as u8 & 0xf) << (4 * (index % 2)),
        }
    }
}

/// What is known of the payload so far.
pub(super) struct Models {
    width: Width,
    scale: Magnitude,
    code: Model,
    /// Nothing is known yet; tables are made anew after every block.
    first_chunk: bool,
}

impl Models {
    pub(super) fn new(width: Width) -> Self {
        let symbols = 2 * usize::from(width.largest().unsigned_abs()) + 1;
        Self { width, scale: Magnitude::new(), code: Model::new(symbols, 1), first_chunk: true }
    }

    /// Takes a chunk with `real` real elements through the coder.
    pub(super) fn code(&mut self, coder: &mut impl Coder, bytes: &mut [u8], real: usize) -> Result<(), Fault> {
        let (scales, codes) = bytes.split_at_mut(SCALE_BYTES);
        for (block, scale) in scales.chunks_exact_mut(2).enumerate().take(real.div_ceil(BLOCK)) {
            let bits = self.scale.code(coder, u16::from_le_bytes([scale[0], scale[1]]))?;
            scale.copy_from_slice(&bits.to_le_bytes());
            if bits != 0 {
                self.block(coder, codes, block * BLOCK..real.min((block + 1) * BLOCK))?;
            }
            if self.first_chunk {
                self.refresh();
            }
        }
        self.first_chunk = false;
        self.refresh();
        Ok(())
    }

    fn refresh(&mut self) {
        self.scale.refresh();
        self.code.refresh();
    }

    fn block(
        &mut self,
        coder: &mut impl Coder,
        codes: &mut [u8],
        elements: std::ops::Range<usize>,
    ) -> Result<(), Fault> {
        let largest = i16::from(self.width.largest());
        for index in elements {
            let symbol = i16::from(self.width.get(codes, index)) + largest;
            let symbol = self.code.code(coder, symbol as usize)?;
            self.width.set(codes, index, (symbol as i16 - largest) as i8);
        }
        Ok(())
    }
}
