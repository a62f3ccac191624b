use super::*;
use proptest::prelude::*;

fn nearest(sum: u32, count: u32, top: u32) -> u16 {
    bf16_of_ratio(sum, count, top, Toward::Nearest)
}

/// The value of a bf16, exact in f64.
fn value(bits: u16) -> f64 {
    f64::from(bf16_to_f32(bits))
}

/// `sum / count · 2^(top − 150)`, to 53 bits.
fn ratio(sum: u32, count: u32, top: u32) -> f64 {
    f64::from(sum) / f64::from(count) * 2f64.powi(top as i32 - 150)
}

#[test]
fn rounds_exact_ties_to_the_even_neighbour() {
    // 257/256 and 259/256 lie half-way between two numbers of 8 significant bits.
    assert_eq!(nearest(257 << 15, 1, 127), 0x3f80);
    assert_eq!(nearest(259 << 15, 1, 127), 0x3f82);
    assert_eq!(nearest(258 << 15, 1, 127), 0x3f81);
    // The same tie as a fraction of three.
    assert_eq!(nearest(3 * (257 << 15), 3, 127), 0x3f80);
}

#[test]
fn a_carry_reaches_the_exponent() {
    assert_eq!(nearest(0x00ff_ffff, 1, 127), 0x4000);
}

#[test]
fn saturates_instead_of_becoming_infinite() {
    assert_eq!(nearest(0x00ff_ffff, 1, 254), BF16_MAX);
    assert_eq!(nearest(0x00ff_ffff * 200, 200, 254), BF16_MAX);
}

#[test]
fn rounds_subnormals_once_at_their_own_unit() {
    // Half of bf16's smallest number is a tie and goes to zero, a little more goes up.
    assert_eq!(nearest(1 << 15, 1, 1), 0);
    assert_eq!(nearest((1 << 15) + 1, 1, 1), 1);
    assert_eq!(nearest(3 << 15, 1, 1), 2);
    assert_eq!(bf16_of_ratio(1, 127, 1, Toward::Up), 1);
    // The largest subnormal f32 rounds to the smallest normal bf16.
    assert_eq!(nearest(0x007f_ffff, 1, 1), 0x80);
}

#[test]
fn shifts_round_ties_to_even() {
    assert_eq!([4u32, 5, 6, 7, 8].map(|v| shift_to_nearest(v, 2)), [1, 1, 2, 2, 2]);
    assert_eq!(shift_to_nearest(u32::MAX >> 1, 31), 1);
    assert_eq!(shift_to_nearest(1 << 30, 31), 0);
    assert_eq!(shift_to_nearest((1 << 31) - 1, 32), 0);
    assert_eq!(shift_to_nearest((1 << 31) - 1, 200), 0);
    assert_eq!(shift_to_nearest(9, 0), 9);
}

proptest! {
    #[test]
    fn no_other_bf16_is_nearer(sum in 1u32.., count in 1u32..=256, top in 1u32..=254) {
        prop_assume!(sum / count < 1 << 24);
        let bits = nearest(sum, count, top);
        let exact = ratio(sum, count, top);
        if exact < value(BF16_MAX) {
            let error = (value(bits) - exact).abs();
            let slack = exact * 1e-15;
            prop_assert!(error <= (value(bits + 1) - exact).abs() + slack);
            prop_assert!(bits == 0 || error <= (value(bits - 1) - exact).abs() + slack);
        } else {
            prop_assert_eq!(bits, BF16_MAX);
        }
    }

    #[test]
    fn rounding_up_is_never_below(magnitude in 1u32..INFINITY_BITS, divisor in prop_oneof![Just(7u32), Just(127)]) {
        let (top, significand) = parts(magnitude);
        let bits = bf16_of_ratio(significand, divisor, top, Toward::Up);
        let exact = ratio(significand, divisor, top);
        prop_assert!(value(bits) >= exact * (1.0 - 1e-15));
        prop_assert!(value(bits - 1) < exact);
    }

    #[test]
    fn shifting_is_rounding_the_quotient(value in 0u32..1 << 31, shift in 0u32..40) {
        let exact = f64::from(value) / 2f64.powi(shift as i32);
        prop_assert_eq!(f64::from(shift_to_nearest(value, shift)), exact.round_ties_even());
    }

    #[test]
    fn dividing_is_rounding_the_quotient(numerator in 0u32.., denominator in 1u32..) {
        let exact = f64::from(numerator) / f64::from(denominator);
        prop_assert_eq!(f64::from(divide_to_nearest(numerator, denominator)), exact.round_ties_even());
    }

    #[test]
    fn floats_are_their_parts(magnitude in 0u32..INFINITY_BITS) {
        let (exponent, significand) = parts(magnitude);
        let exact = f64::from(significand) * 2f64.powi(exponent as i32 - 150);
        prop_assert_eq!(f64::from(f32::from_bits(magnitude)), exact);
    }
}
