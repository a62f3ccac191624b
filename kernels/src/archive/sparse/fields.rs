//! A sparse chunk's fields, out of their bits and into them again, as `FORMAT.md` lays them out.
//!
//! Invariant: what `unpack` reads from a valid chunk `pack` writes again; from zeros it reads zeros.

use crate::host::chunk::topk::ENTRIES_MAX;

/// The entries of one chunk, real ones first.
pub(super) struct Fields {
    k: usize,
    low_bits: usize,
    /// Rising indices.
    pub(super) indices: [u16; ENTRIES_MAX],
    /// Bit 0 for a negative entry, bit 1 for a high one.
    pub(super) codes: [u8; ENTRIES_MAX],
    /// The bf16 bits of L and H.
    pub(super) magnitudes: [u16; 2],
}

impl Fields {
    pub(super) fn new(k: usize) -> Self {
        let low_bits = 12 - k.ilog2() as usize;
        Self { k, low_bits, indices: [0; ENTRIES_MAX], codes: [0; ENTRIES_MAX], magnitudes: [0; 2] }
    }

    /// How many entries are high.
    pub(super) fn highs(&self) -> usize {
        self.codes[..self.k].iter().filter(|&&code| code & 2 != 0).count()
    }

    /// Reads the fields of a chunk that is valid, or of zeros.
    pub(super) fn unpack(&mut self, bytes: &[u8]) {
        self.indices.fill(0);
        let (high_at, code_at, end) = self.offsets();
        let mut entry = 0;
        for bit in (0..8 * (code_at - high_at)).filter(|&bit| read(bytes, 8 * high_at + bit, 1) != 0) {
            if entry < self.k {
                let low = read(bytes, entry * self.low_bits, self.low_bits);
                self.indices[entry] = ((bit - entry) << self.low_bits) as u16 | low;
                entry += 1;
            }
        }
        for (entry, code) in self.codes[..self.k].iter_mut().enumerate() {
            *code = read(bytes, 8 * code_at + 2 * entry, 2) as u8;
        }
        let magnitude = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        self.magnitudes = [magnitude(end), magnitude(end + 2)];
    }

    /// Writes the fields, of which the first `entries` are real and the others fillers.
    pub(super) fn pack(&self, bytes: &mut [u8], entries: usize) {
        bytes.fill(0);
        let (high_at, code_at, end) = self.offsets();
        for entry in 0..self.k {
            let index = if entry < entries { self.indices[entry] } else { entry as u16 };
            write(bytes, entry * self.low_bits, self.low_bits, index);
            write(bytes, 8 * high_at + usize::from(index >> self.low_bits) + entry, 1, 1);
            let code = if entry < entries { self.codes[entry] } else { 0 };
            write(bytes, 8 * code_at + 2 * entry, 2, u16::from(code));
        }
        for (field, magnitude) in bytes[end..].chunks_exact_mut(2).zip(self.magnitudes) {
            field.copy_from_slice(&magnitude.to_le_bytes());
        }
    }

    /// Where the high field, the codes and the magnitudes begin, in bytes.
    const fn offsets(&self) -> (usize, usize, usize) {
        let high_at = self.k * self.low_bits / 8;
        (high_at, high_at + self.k / 4, high_at + self.k / 2)
    }
}

/// The `width` bits (at most 8) from bit `at` on.
fn read(bytes: &[u8], at: usize, width: usize) -> u16 {
    let upper = bytes.get(at / 8 + 1).map_or(0, |&byte| u16::from(byte));
    (u16::from(bytes[at / 8]) | upper << 8) >> (at % 8) & ((1 << width) - 1)
}

/// Writes the low `width` bits (at most 8) of a value at bit `at`, where there are zeros.
fn write(bytes: &mut [u8], at: usize, width: usize, value: u16) {
    let bits = (value & ((1 << width) - 1)) << (at % 8);
    bytes[at / 8] |= bits as u8;
    if bits > 0xff {
        bytes[at / 8 + 1] |= (bits >> 8) as u8;
    }
}
