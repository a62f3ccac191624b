//! Packed fields, eight at a time: bit `b` of a field is bit `b mod 8` of its byte `⌊b / 8⌋`.
//!
//! Eight numbers of `B` bits are `B` bytes, so groups of eight begin at whole bytes. Three steps join neighbours, each
//! shifting half of them at once in a 64-bit word; the same steps backwards take them apart. (Word-parallel packing,
//! Knuth, The Art of Computer Programming 7.1.3.)

/// Packs eight bytes that are below `2^B` into the low `8·B` bits.
#[inline(always)]
pub(crate) const fn pack<const B: u32>(bytes: u64) -> u64 {
    let pairs = (bytes & 0x00ff_00ff_00ff_00ff) | ((bytes & 0xff00_ff00_ff00_ff00) >> (8 - B));
    let fours = (pairs & 0x0000_ffff_0000_ffff) | ((pairs & 0xffff_0000_ffff_0000) >> (16 - 2 * B));
    (fours & 0x0000_0000_ffff_ffff) | ((fours >> 32) << (4 * B))
}

/// The eight numbers in the low `8·B` bits, a byte each; higher bits are not looked at.
#[inline(always)]
pub(crate) const fn unpack<const B: u32>(packed: u64) -> u64 {
    let (one, two, four) = ((1 << B) - 1, (1 << (2 * B)) - 1, (1u64 << (4 * B)) - 1);
    let fours = (packed & four) | ((packed >> (4 * B)) & four) << 32;
    let pairs = (fours & (two * 0x0000_0001_0000_0001)) | ((fours >> (2 * B)) & (two * 0x0000_0001_0000_0001)) << 16;
    (pairs & (one * 0x0001_0001_0001_0001)) | ((pairs >> B) & (one * 0x0001_0001_0001_0001)) << 8
}

/// Packs the numbers, a multiple of eight, into `field`, which has exactly their room.
#[inline(always)]
pub(crate) fn write<const B: u32>(field: &mut [u8], numbers: &[u8]) {
    for (bytes, eight) in field.chunks_exact_mut(B as usize).zip(numbers.as_chunks::<8>().0) {
        bytes.copy_from_slice(&pack::<B>(u64::from_le_bytes(*eight)).to_le_bytes()[..B as usize]);
    }
}

/// Unpacks as many numbers as `numbers` holds, a multiple of eight; what follows the field is not looked at, but
/// reading is quickest where eight bytes do.
#[inline(always)]
pub(crate) fn read<const B: u32>(field: &[u8], numbers: &mut [u8]) {
    for (group, eight) in numbers.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let at = group * B as usize;
        let rest = &field[at..];
        let packed = rest.first_chunk::<8>().map_or_else(|| short(rest), |bytes| u64::from_le_bytes(*bytes));
        *eight = unpack::<B>(packed).to_le_bytes();
    }
}

/// Fewer than eight bytes as a word.
#[inline(always)]
fn short(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.iter_mut().zip(bytes).for_each(|(byte, &own)| *byte = own);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const B: u32>() {
        let numbers: Vec<u8> = (0..32).map(|i| (i * 37 % (1 << B)) as u8).collect();
        let mut field = vec![0; 4 * B as usize];
        write::<B>(&mut field, &numbers);
        let mut bit_by_bit = vec![0; 4 * B as usize];
        for (at, &number) in numbers.iter().enumerate() {
            for bit in (0..B as usize).filter(|bit| number >> bit & 1 == 1) {
                let position = at * B as usize + bit;
                bit_by_bit[position / 8] |= 1 << (position % 8);
            }
        }
        assert_eq!(field, bit_by_bit, "{B} bits");
        field.push(0xff);
        let mut found = [0; 32];
        read::<B>(&field, &mut found);
        assert_eq!(found[..], numbers, "{B} bits");
    }

    #[test]
    fn packs_as_bit_by_bit_and_back() {
        check::<2>();
        check::<4>();
        check::<5>();
        check::<6>();
        check::<7>();
    }
}
