//! Integers of 64 bits as two words, for devices that have none: the products and sums that scoring reads.
//!
//! Invariant: two's complement modulo 2^64; a pair is (low word, high word).

use cubecl::prelude::*;

/// a · b.
#[cube]
pub(super) fn product(a: u32, b: u32) -> (u32, u32) {
    let (a_low, a_high, b_low, b_high) = (a & 0xffffu32, a >> 16u32, b & 0xffffu32, b >> 16u32);
    let (low, left, right) = (a_low * b_low, a_high * b_low, a_low * b_high);
    let middle = (low >> 16u32) + (left & 0xffffu32) + (right & 0xffffu32);
    let high = a_high * b_high + (left >> 16u32) + (right >> 16u32) + (middle >> 16u32);
    (a * b, high)
}

/// sum + a · b, or less a · b.
#[cube]
pub(super) fn add_product(low: u32, high: u32, a: u32, b: u32, negative: bool) -> (u32, u32) {
    let (other_low, other_high) = product(a, b);
    // −x is ¬x + 1.
    let flip = select(negative, 0xffff_ffffu32, 0u32);
    let sum = low + (other_low ^ flip);
    let carry = select(sum < low, 1u32, 0u32);
    let total = sum + (flip & 1u32);
    let second = select(total < sum, 1u32, 0u32);
    (total, high + (other_high ^ flip) + carry + second)
}

/// |x| of a signed word.
#[cube]
pub(super) fn magnitude(x: i32) -> u32 {
    select(x < 0i32, -x, x) as u32
}
