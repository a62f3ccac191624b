//! One body, several instruction sets: the elementwise loops of the fused step.
//!
//! [`vectorised!`] compiles a function for AVX-512, for AVX2 with FMA and for the baseline, and picks at run time.
//! Inside its body the constant `FMA` says whether a fused multiply-add is an instruction; [`mul_add`] uses it only
//! then, since the library call that replaces it elsewhere would cost more than the whole loop.
//!
//! Invariant: every helper called from such a body is `#[inline(always)]`, otherwise it would be compiled for the
//! baseline and called once per element.

/// Widest group of independent partial sums that the reductions keep.
pub(super) const LANES: usize = 32;

/// Defines a function whose body is compiled for each instruction set and chosen at run time.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body<const FMA: bool>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn wide($($arg: $ty),*) $(-> $ret)? {
                    body::<true>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn middle($($arg: $ty),*) $(-> $ret)? {
                    body::<true>($($arg),*)
                }
                match crate::fused::simd::level() {
                    // SAFETY: `level` reports an instruction set only after detecting all of its features.
                    crate::fused::simd::Level::Wide => return unsafe { wide($($arg),*) },
                    // SAFETY: as above.
                    crate::fused::simd::Level::Middle => return unsafe { middle($($arg),*) },
                    crate::fused::simd::Level::Baseline => {}
                }
            }
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
pub(super) use vectorised;

/// The instruction sets told apart at run time.
#[cfg(target_arch = "x86_64")]
pub(super) enum Level {
    Wide,
    Middle,
    Baseline,
}

/// What this processor has; the standard library caches the detection.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn level() -> Level {
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("fma")
    {
        Level::Wide
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        Level::Middle
    } else {
        Level::Baseline
    }
}

/// `a · b + c`, fused where that is one instruction.
#[inline(always)]
pub(super) fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Adding this rounds a float of small magnitude to the nearest integer and leaves that integer in the low bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts, the first exact in few bits, so that the reduction loses nothing.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Below this the result is not a normal number any more; it becomes zero, and so does the exponential of −∞.
const EXP_MIN: f32 = -87.336_54;
/// Above this the power of two would overflow; the result stays finite.
const EXP_MAX: f32 = 88.376_26;

/// The exponential, within 2 units in the last place for results that are normal numbers; zero below. NaN stays NaN.
///
/// Range reduction to |r| ≤ ln 2 / 2 and a polynomial of degree 6 (the coefficients are those of Cephes' `expf`).
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    let clamped = if x > EXP_MAX { EXP_MAX } else { x };
    let clamped = if clamped < EXP_MIN { EXP_MIN } else { clamped };
    let shifted = mul_add::<FMA>(clamped, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = mul_add::<FMA>(n, -LN2_HIGH, clamped);
    let r = mul_add::<FMA>(n, -LN2_LOW, r);
    let p = mul_add::<FMA>(r, 1.987_569_1e-4, 1.398_199_9e-3);
    let p = mul_add::<FMA>(p, r, 8.333_452e-3);
    let p = mul_add::<FMA>(p, r, 4.166_579_6e-2);
    let p = mul_add::<FMA>(p, r, 1.666_666_5e-1);
    let p = mul_add::<FMA>(p, r, 0.5);
    let p = mul_add::<FMA>(p, r * r, r) + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    if x < EXP_MIN { 0.0 } else { p * power }
}

/// The logistic function.
#[inline(always)]
pub(super) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

/// Adds up the partial sums in a fixed tree.
#[inline(always)]
pub(super) fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Inner product in [`LANES`] partial sums.
#[inline(always)]
pub(super) fn dot<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut tail = 0.0;
    for (x, y) in a_chunks.remainder().iter().zip(b_chunks.remainder()) {
        tail = mul_add::<FMA>(*x, *y, tail);
    }
    for (x, y) in a_chunks.zip(b_chunks) {
        for i in 0..LANES {
            lanes[i] = mul_add::<FMA>(x[i], y[i], lanes[i]);
        }
    }
    sum_lanes(lanes) + tail
}

#[cfg(test)]
mod tests;
