//! One body, several instruction sets: loops are compiled for each of them and chosen at run time.
//!
//! [`vectorised!`] compiles a function for AVX-512, for AVX2 and for what every processor of the target has. Within its
//! body the constant `LEVEL` says for which, so that a helper may take another way where there is an instruction for
//! it.
//!
//! Invariants:
//! - A process computes on one [`Level`], found at the first question and never above what its processor has;
//!   `KERNELS_SIMD` with the name of a level keeps it below.
//! - Every helper called from such a body is `#[inline(always)]`, and loops are written out rather than handed to an
//!   iterator's method with a closure: what is not inlined is compiled for the baseline, and called once per element.
#![warn(missing_docs)]

use std::sync::OnceLock;

/// The instruction sets told apart at run time, each with all of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the target has.
    Baseline,
    /// AVX2, FMA and the bit manipulation that came with them.
    Avx2,
    /// AVX-512 as the servers of Skylake's time have it: F, VL, BW and DQ.
    Avx512F,
    /// AVX-512 with permutation and compression of bytes (VBMI, VBMI2), as Ice Lake and Zen 4 have it.
    Avx512,
}

impl Level {
    /// Every level, the least first.
    pub const ALL: [Self; 4] = [Self::Baseline, Self::Avx2, Self::Avx512F, Self::Avx512];

    /// The name that `KERNELS_SIMD` takes and reports show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Avx2 => "avx2",
            Self::Avx512F => "avx512f",
            Self::Avx512 => "avx512",
        }
    }
}

/// The level that this process computes on.
#[inline]
#[must_use]
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| kept_below(&std::env::var("KERNELS_SIMD").unwrap_or_default(), detected()))
}

/// The level of that name where the processor has it; what the processor has where it does not or there is no such
/// level.
fn kept_below(name: &str, detected: Level) -> Level {
    let wanted = Level::ALL.into_iter().find(|level| level.name() == name);
    wanted.map_or(detected, |wanted| wanted.min(detected))
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Level {
    macro_rules! all {
        ($($feature:tt),*) => { $(is_x86_feature_detected!($feature))&&* };
    }
    if !all!("avx2", "fma", "bmi1", "bmi2", "lzcnt", "popcnt") {
        Level::Baseline
    } else if !all!("avx512f", "avx512vl", "avx512bw", "avx512dq") {
        Level::Avx2
    } else if !all!("avx512vbmi", "avx512vbmi2") {
        Level::Avx512F
    } else {
        Level::Avx512
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> Level {
    Level::Baseline
}

/// Whether a fused multiplication and addition is one instruction at a `LEVEL`; elsewhere the call of a library that
/// replaces it costs more than the whole loop.
#[inline(always)]
#[must_use]
pub const fn has_fma(level: u8) -> bool {
    level != Level::Baseline as u8 || cfg!(target_arch = "aarch64")
}

/// A length that the compiler cannot see through. Loops of a known short length are unrolled whole before they could be
/// vectorised, and what then becomes of them is several times slower.
#[inline(always)]
#[must_use]
pub fn opaque(length: usize) -> usize {
    std::hint::black_box(length)
}

/// Asks for the cache line at `bytes[at]`, which may lie beyond the end.
#[inline(always)]
pub fn prefetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint; no address makes it fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, at);
}

/// Defines a function whose body is compiled for each instruction set and chosen at run time. Within the body the
/// constant `LEVEL`, a [`Level`] as a `u8`, says for which.
///
/// The widest is AVX-512 with F, VL, BW and DQ alone, which is all that floats want. A function that begins with
/// `#![bytes]` wants [`Level::Avx512`] and takes AVX2 where the processor falls short of it.
///
/// ```
/// simd::vectorised! {
///     /// The sum of the squares, in integers.
///     fn squares(values: &[i32]) -> i32 {
///         let mut sum = 0;
///         for &value in values {
///             sum += value * value;
///         }
///         sum
///     }
/// }
/// assert_eq!(squares(&[1, 2, 3]), 14);
/// ```
#[macro_export]
macro_rules! vectorised {
    (
        @widest $widest:ident, $features:tt;
        $(#[$meta:meta])*
        $vis:vis fn $name:ident $(<$life:lifetime>)? ($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    ) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "as its body has")]
        $vis fn $name $(<$life>)? ($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "a loop's state")]
            fn body<$($life,)? const LEVEL: u8>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = $features)]
                #[allow(clippy::too_many_arguments, reason = "as its body has")]
                fn wide $(<$life>)? ($($arg: $ty),*) $(-> $ret)? {
                    body::<{ $crate::Level::$widest as u8 }>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
                #[allow(clippy::too_many_arguments, reason = "as its body has")]
                fn middle $(<$life>)? ($($arg: $ty),*) $(-> $ret)? {
                    body::<{ $crate::Level::Avx2 as u8 }>($($arg),*)
                }
                let level = $crate::level();
                if level >= $crate::Level::$widest {
                    // SAFETY: `level` reports an instruction set only after detecting all of its features.
                    return unsafe { wide($($arg),*) };
                }
                if level >= $crate::Level::Avx2 {
                    // SAFETY: as above.
                    return unsafe { middle($($arg),*) };
                }
            }
            body::<{ $crate::Level::Baseline as u8 }>($($arg),*)
        }
    };
    (#![bytes] $($function:tt)*) => {
        $crate::vectorised! {
            @widest Avx512,
            "avx512f,avx512vl,avx512bw,avx512dq,avx512vbmi,avx512vbmi2,avx2,fma,bmi1,bmi2,lzcnt,popcnt";
            $($function)*
        }
    };
    ($($function:tt)*) => {
        $crate::vectorised! {
            @widest Avx512F,
            "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,bmi1,bmi2,lzcnt,popcnt";
            $($function)*
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    vectorised! {
        fn of_floats() -> u8 {
            LEVEL
        }
    }

    vectorised! {
        #![bytes]
        fn of_bytes() -> u8 {
            LEVEL
        }
    }

    #[test]
    fn a_body_runs_at_the_highest_level_that_it_is_compiled_for() {
        let level = level();
        assert_eq!(of_floats(), level.min(Level::Avx512F) as u8);
        assert_eq!(of_bytes(), if level == Level::Avx512F { Level::Avx2 } else { level } as u8);
    }

    #[test]
    fn a_process_is_kept_below_what_its_processor_has_and_never_above() {
        for detected in Level::ALL {
            for wanted in Level::ALL {
                assert_eq!(kept_below(wanted.name(), detected), wanted.min(detected));
            }
            assert_eq!(kept_below("", detected), detected);
            assert_eq!(kept_below("avx", detected), detected);
        }
    }
}
