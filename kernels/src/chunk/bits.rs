//! Bit fields: bit `b` of a field is bit `b mod 8` of its byte `⌊b / 8⌋`.

/// Sets bit `bit` of `field`.
#[inline]
pub(crate) fn set(field: &mut [u8], bit: usize) {
    field[bit / 8] |= 1 << (bit % 8);
}

/// Writes the low `width` bits (at most 8) of `value` at bit `at` of a field that is zero there.
#[inline]
pub(crate) fn write(field: &mut [u8], at: usize, width: usize, value: usize) {
    let bits = (value & ((1 << width) - 1)) << (at % 8);
    field[at / 8] |= bits as u8;
    if at % 8 + width > 8 {
        field[at / 8 + 1] |= (bits >> 8) as u8;
    }
}

/// Reads `width` bits (at most 8) at bit `at`.
#[inline]
pub(crate) fn read(field: &[u8], at: usize, width: usize) -> usize {
    let low = usize::from(field[at / 8]);
    let high = field.get(at / 8 + 1).map_or(0, |&byte| usize::from(byte));
    ((low | high << 8) >> (at % 8)) & ((1 << width) - 1)
}
