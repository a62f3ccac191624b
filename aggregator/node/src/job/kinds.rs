//! The kinds of values that keys take.

use serde::{Deserialize, Serialize};

use super::CodecStage;

/// A type that a key may have.
pub(super) trait Kind {
    /// The kind in words.
    const WORDS: &'static str;
    /// The values and what each means, where they are few.
    const CHOICES: &'static [(&'static str, &'static str)] = &[];

    /// The value as an error shows it.
    fn shown(&self) -> String;
}

/// A kind whose values a flag or a variable can hold.
pub(super) trait FromText: Kind + Serialize + Sized {
    /// Reads a value, or says why it is none.
    fn from_text(text: &str) -> Result<Self, String>;
}

macro_rules! numbers {
    ($($number:ty: $words:literal),+) => {$(
        impl Kind for $number {
            const WORDS: &'static str = $words;

            fn shown(&self) -> String {
                self.to_string()
            }
        }

        impl FromText for $number {
            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error| format!("{error}"))
            }
        }
    )+};
}

numbers!(u32: "Whole number", u64: "Whole number", usize: "Whole number", f64: "Number");

impl Kind for bool {
    const WORDS: &'static str = "True or false";

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Kind for String {
    const WORDS: &'static str = "Text";

    fn shown(&self) -> String {
        format!("\"{self}\"")
    }
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Kind for [u32; 2] {
    const WORDS: &'static str = "Two whole numbers";

    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

/// A list is shown by its length.
impl Kind for Vec<String> {
    const WORDS: &'static str = "List of texts";

    fn shown(&self) -> String {
        self.len().to_string()
    }
}

impl Kind for Vec<CodecStage> {
    const WORDS: &'static str = "List of tables";

    fn shown(&self) -> String {
        self.len().to_string()
    }
}

/// A value that something else stands in for where it is absent.
impl<T: Kind> Kind for Option<T> {
    const WORDS: &'static str = T::WORDS;
    const CHOICES: &'static [(&'static str, &'static str)] = T::CHOICES;

    fn shown(&self) -> String {
        self.as_ref().map_or_else(|| "nothing".to_owned(), T::shown)
    }
}

impl<T: FromText> FromText for Option<T> {
    fn from_text(text: &str) -> Result<Self, String> {
        T::from_text(text).map(Some)
    }
}

/// Makes a kind of a few named values.
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        $choice:ident {
            $($(#[doc = $documentation:literal])+ $variant:ident = $name:literal,)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $choice {
            $($(#[doc = $documentation])+ #[serde(rename = $name)] $variant,)+
        }

        impl Kind for $choice {
            const WORDS: &'static str = "One of";
            const CHOICES: &'static [(&'static str, &'static str)] =
                &[$(($name, concat!($($documentation),+).trim_ascii())),+];

            fn shown(&self) -> String {
                match self {
                    $(Self::$variant => format!("\"{}\"", $name),)+
                }
            }
        }
    };
}

choice! {
    /// What workers exchange.
    Exchange {
        /// The difference that `inner_steps` local optimiser steps made.
        PseudoGradient = "pseudo-gradient",
        /// Gradients of every step, weighted by tokens: synchronous data parallelism, the baseline.
        Gradient = "gradient",
    }
}

choice! {
    /// How the batch is shared among workers.
    Balance {
        /// Every worker takes `batch_sequences`.
        Equal = "equal",
        /// A faster worker takes a larger batch, in whole multiples of `batch_sequences`, by what rounds recorded of
        /// its speed.
        Speed = "speed",
    }
}

choice! {
    /// How contributions become weights.
    ScorePolicy {
        /// The quality score: weights follow standing and tokens, norms are clipped to the median.
        Quality = "quality",
        /// Gates only: whatever is valid is accepted, weighted by tokens and not clipped. For parity runs among
        /// friends.
        Gates = "gates",
    }
}
