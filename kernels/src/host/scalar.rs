//! The precisions in which a worker may hold its state: f32, or bf16 for half the memory and half the traffic.

use half::bf16;
use simd::vectorised;

use super::magnitude::{BF16_MAX, MAGNITUDE_MASK};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::bf16 {}
}

/// An element of the residual, the base and the local parameters.
pub trait Scalar: sealed::Sealed + Copy + Default + PartialEq + Send + Sync + 'static {
    /// sum ← β·residual + (base − local) in f32, the product rounded before the sum. All of one length.
    #[doc(hidden)]
    fn accumulate(residual: &[Self], base: &[Self], local: &[Self], beta: f32, sum: &mut [f32]);

    /// target ← values, to nearest, ties to even; bf16 saturates at its largest. Both of one length.
    #[doc(hidden)]
    fn narrow(values: &[f32], target: &mut [Self]);

    /// The elements as f32.
    #[doc(hidden)]
    fn widen(values: &[Self], target: &mut [f32]);
}

impl Scalar for f32 {
    fn accumulate(residual: &[Self], base: &[Self], local: &[Self], beta: f32, sum: &mut [f32]) {
        accumulate_f32(residual, base, local, beta, sum);
    }

    fn narrow(values: &[f32], target: &mut [Self]) {
        target.copy_from_slice(values);
    }

    fn widen(values: &[Self], target: &mut [f32]) {
        target.copy_from_slice(values);
    }
}

impl Scalar for bf16 {
    fn accumulate(residual: &[Self], base: &[Self], local: &[Self], beta: f32, sum: &mut [f32]) {
        accumulate_bf16(residual, base, local, beta, sum);
    }

    fn narrow(values: &[f32], target: &mut [Self]) {
        narrow_bf16(values, target);
    }

    fn widen(values: &[Self], target: &mut [f32]) {
        target.iter_mut().zip(values).for_each(|(target, &value)| *target = wide(value));
    }
}

#[inline(always)]
fn wide(value: bf16) -> f32 {
    f32::from_bits(u32::from(value.to_bits()) << 16)
}

/// β·e + (base − local). Rust never fuses the product with the sum.
#[inline(always)]
fn decayed(residual: f32, base: f32, local: f32, beta: f32) -> f32 {
    beta * residual + (base - local)
}

vectorised! {
    #![bytes]
    fn accumulate_f32(residual: &[f32], base: &[f32], local: &[f32], beta: f32, sum: &mut [f32]) {
        for (((sum, &e), &base), &local) in sum.iter_mut().zip(residual).zip(base).zip(local) {
            *sum = decayed(e, base, local, beta);
        }
    }
}

vectorised! {
    #![bytes]
    fn accumulate_bf16(residual: &[bf16], base: &[bf16], local: &[bf16], beta: f32, sum: &mut [f32]) {
        for (((sum, &e), &base), &local) in sum.iter_mut().zip(residual).zip(base).zip(local) {
            *sum = decayed(wide(e), wide(base), wide(local), beta);
        }
    }
}

vectorised! {
    #![bytes]
    fn narrow_bf16(values: &[f32], target: &mut [bf16]) {
        for (target, value) in target.iter_mut().zip(values) {
            let bits = value.to_bits();
            let rounded = (bits & MAGNITUDE_MASK) + 0x7fff + ((bits >> 16) & 1);
            let magnitude = (rounded >> 16).min(u32::from(BF16_MAX));
            *target = bf16::from_bits((magnitude | (bits >> 31) << 15) as u16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrowing_rounds_as_the_half_crate_does() {
        let values: Vec<f32> = (0..1 << 16).map(|high: u32| f32::from_bits(high << 16 | 0x8000 | high & 1)).collect();
        let finite: Vec<f32> = values.into_iter().filter(|value| value.is_finite()).collect();
        let mut found = vec![bf16::ZERO; finite.len()];
        <bf16 as Scalar>::narrow(&finite, &mut found);
        for (value, found) in finite.iter().zip(found) {
            let expected = bf16::from_f32(*value);
            let largest = if value.is_sign_negative() { bf16::MIN } else { bf16::MAX };
            let expected = if expected.is_finite() { expected } else { largest };
            assert_eq!(found.to_bits(), expected.to_bits(), "{value:e}");
        }
    }
}
