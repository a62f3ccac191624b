//! What a value must be, said in words and checked.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};

use kernels::Codec;

/// A bound of values of type `T`.
pub(super) trait Bound<T> {
    /// What a value must be; empty when its type says it all.
    fn words(&self) -> String;

    /// Whether a value is that.
    fn holds(&self, value: &T) -> bool;

    /// Refuses a value that is not, saying what it must be.
    fn check(&self, value: &T) -> Result<(), String> {
        if self.holds(value) { Ok(()) } else { Err(format!("must be {}", self.words())) }
    }
}

/// Numbers between two that are allowed themselves; neither a NaN nor an infinity is.
impl<T: PartialOrd + Display> Bound<T> for RangeInclusive<T> {
    fn words(&self) -> String {
        format!("from {} to {}", self.start(), self.end())
    }

    fn holds(&self, value: &T) -> bool {
        self.contains(value)
    }
}

/// Real numbers up to one that is not allowed itself.
impl Bound<f64> for Range<f64> {
    fn words(&self) -> String {
        format!("at least {} and below {}", self.start, self.end)
    }

    fn holds(&self, value: &f64) -> bool {
        self.contains(value)
    }
}

/// Real numbers above 0, up to this one.
pub(super) struct AboveZero(pub(super) f64);

impl Bound<f64> for AboveZero {
    fn words(&self) -> String {
        format!("above 0 and at most {}", self.0)
    }

    fn holds(&self, value: &f64) -> bool {
        *value > 0.0 && *value <= self.0
    }
}

/// Whatever its type holds, or what a check of several keys decides.
pub(super) struct Any;

impl<T> Bound<T> for Any {
    fn words(&self) -> String {
        String::new()
    }

    fn holds(&self, _: &T) -> bool {
        true
    }
}

/// A list of at most so many entries.
pub(super) struct Entries(pub(super) usize);

impl<T> Bound<Vec<T>> for Entries {
    fn words(&self) -> String {
        format!("at most {} entries", self.0)
    }

    fn holds(&self, value: &Vec<T>) -> bool {
        value.len() <= self.0
    }
}

/// `bytes`, or the path of a tokenizer.
pub(super) struct Tokenizer;

impl Bound<String> for Tokenizer {
    fn words(&self) -> String {
        "\"bytes\" or a path".to_owned()
    }

    fn holds(&self, value: &String) -> bool {
        !value.is_empty()
    }
}

/// The name of a codec.
pub(super) struct CodecName;

impl Bound<String> for CodecName {
    fn words(&self) -> String {
        format!("one of {}", Codec::ALL.map(|codec| codec.name()).join(", "))
    }

    fn holds(&self, value: &String) -> bool {
        value.parse::<Codec>().is_ok()
    }

    /// The codec's own error names the nearest codec.
    fn check(&self, value: &String) -> Result<(), String> {
        value.parse::<Codec>().map(|_| ()).map_err(|error| error.to_string())
    }
}

/// A fraction from 0 to 1 as numerator and denominator.
pub(super) struct Fraction;

impl Bound<[u32; 2]> for Fraction {
    fn words(&self) -> String {
        "a fraction from 0 to 1, [numerator, denominator], with a denominator up to 65536".to_owned()
    }

    fn holds(&self, [numerator, denominator]: &[u32; 2]) -> bool {
        (1..=1 << 16).contains(denominator) && numerator <= denominator
    }
}
