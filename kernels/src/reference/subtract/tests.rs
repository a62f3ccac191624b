use super::*;
use proptest::prelude::*;

/// Finite f32 of every size, with many subnormals, powers of two and neighbours.
fn finite() -> impl Strategy<Value = u32> {
    let near = (0u32..255, prop_oneof![Just(0u32), Just(1), Just(0x7f_ffff), 0u32..1 << 23], any::<bool>());
    near.prop_map(|(exponent, fraction, negative)| u32::from(negative) << 31 | exponent << 23 | fraction)
}

/// A number and one whose exponent is near to it.
fn close_pair() -> impl Strategy<Value = (u32, u32)> {
    (finite(), finite(), -27i32..=27).prop_map(|(a, b, distance)| {
        let exponent = ((a >> 23 & 0xff) as i32 + distance).clamp(0, 254) as u32;
        (a, b & 0x807f_ffff | exponent << 23)
    })
}

fn check(a: u32, b: u32) {
    let expected = f32::from_bits(a) - f32::from_bits(b);
    assert_eq!(subtract(a, b), expected.to_bits(), "{:e} - {:e}", f32::from_bits(a), f32::from_bits(b));
}

#[test]
fn equals_the_processor_at_the_edges() {
    let edges =
        [0.0, f32::from_bits(1), f32::from_bits(0x7f_ffff), f32::MIN_POSITIVE, 1.0, 1.0 + f32::EPSILON, f32::MAX];
    let signed: Vec<u32> = edges.iter().flat_map(|edge: &f32| [edge.to_bits(), (-edge).to_bits()]).collect();
    signed.iter().for_each(|&a| signed.iter().for_each(|&b| check(a, b)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn equals_the_processor(a in finite(), b in finite()) {
        check(a, b);
    }

    #[test]
    fn equals_the_processor_near_each_other((a, b) in close_pair()) {
        check(a, b);
    }

    #[test]
    fn scaled_integers_are_exact(a in finite(), q in 0u32..=1 << 18, negative: bool, exponent in -118i32..=109) {
        let magnitude = q as f32 * 2f32.powi(exponent);
        let value = if negative { -magnitude } else { magnitude };
        prop_assert_eq!(subtract_scaled(a, q, negative, exponent), (f32::from_bits(a) - value).to_bits());
    }
}
