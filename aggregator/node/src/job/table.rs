//! What a key of a job is, and the form in which the table of [`super::keys`] states it.
//!
//! One entry holds all that is known of a key: its documentation, name, type, default and bounds, and the flag and the
//! variable that set it, where there are any. Field, default, check, hints, flags and reference page follow from it.

use super::JobError;
use super::bounds::Bound;
use super::kinds::{FromText, Kind};

/// A section of a job.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its name; `a.b` for the tables that the list `b` of section `a` holds.
    pub name: &'static str,
    /// What its keys are about.
    pub documentation: &'static str,
    /// Its keys, in the order of the canonical text.
    pub keys: &'static [Key],
}

/// A key of a job.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The section's name.
    pub section: &'static str,
    /// The key's name in it.
    pub name: &'static str,
    /// What it means, in whole sentences.
    pub documentation: &'static str,
    /// What kind of value it takes, as a sentence begins.
    pub kind: &'static str,
    /// The values that it takes and what each means, where they are few.
    pub choices: &'static [(&'static str, &'static str)],
    /// What the value must be besides, in words; empty when the kind says it all.
    pub bounds: fn() -> String,
    /// The flag and the variable that set it.
    pub flag: Option<Flag>,
}

/// A flag of the program that sets a key.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The flag without dashes in front.
    pub name: &'static str,
    /// The environment variable of the same meaning.
    pub variable: &'static str,
    /// What stands for its value in the help.
    pub value: &'static str,
    /// Reads and checks the value, or says what it must be.
    pub parse: fn(&str) -> Result<toml::Value, String>,
}

impl Key {
    /// The key as `section.key`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The value of this key in a job as a table; none where it has none.
    #[must_use]
    pub fn value_in<'a>(&self, job: &'a toml::Table) -> Option<&'a toml::Value> {
        job.get(self.section)?.get(self.name)
    }
}

/// Refuses a value that is out of its bounds.
pub(super) fn check<T: Kind>(
    section: &'static str,
    key: &'static str,
    value: &T,
    bound: &impl Bound<T>,
) -> Result<(), JobError> {
    bound.check(value).map_err(|expected| JobError::value(section, key, value.shown(), expected))
}

/// Reads a flag's value.
pub(super) fn parse<T: FromText>(text: &str, bound: &impl Bound<T>) -> Result<toml::Value, String> {
    let value = T::from_text(text)?;
    bound.check(&value)?;
    toml::Value::try_from(&value).map_err(|error| error.to_string())
}

/// The text of documentation whose lines were put together.
pub(super) const fn text(documentation: &'static str) -> &'static str {
    documentation.trim_ascii()
}

/// Makes a section of its entries: the struct, its defaults, the check of its bounds and its part of the table.
///
/// An entry is `name: type = default, bounds;` or `name: type = default, bounds, flag(name, variable, value);` under
/// its documentation.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $(#[serde($($option:tt)+)])?
        $section:ident as $name:literal {
            $(
                $(#[doc = $documentation:literal])+
                $(#[serde($($key_option:tt)+)])?
                $key:ident: $type:ty = $default:expr, $bounds:expr
                $(, flag($flag:literal, $variable:literal, $value:literal))?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        $(#[serde($($option)+)])?
        pub struct $section {
            $(
                $(#[doc = $documentation])+
                $(#[serde($($key_option)+)])?
                pub $key: $type,
            )+
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        impl $section {
            pub(super) const SECTION: $crate::job::Section = $crate::job::Section {
                name: $name,
                documentation: $crate::job::table::text(concat!($($about),+)),
                keys: &[$($crate::job::Key {
                    section: $name,
                    name: stringify!($key),
                    documentation: $crate::job::table::text(concat!($($documentation),+)),
                    kind: <$type as $crate::job::kinds::Kind>::WORDS,
                    choices: <$type as $crate::job::kinds::Kind>::CHOICES,
                    bounds: || $crate::job::bounds::Bound::<$type>::words(&$bounds),
                    flag: $crate::job::table::section!(@flag $type, $bounds $(, $flag, $variable, $value)?),
                }),+],
            };

            /// Refuses the first value that is out of its bounds.
            pub(super) fn check(&self) -> Result<(), $crate::job::JobError> {
                $($crate::job::table::check($name, stringify!($key), &self.$key, &$bounds)?;)+
                Ok(())
            }
        }
    };
    (@flag $type:ty, $bounds:expr) => { None };
    (@flag $type:ty, $bounds:expr, $flag:literal, $variable:literal, $value:literal) => {
        Some($crate::job::Flag {
            name: $flag,
            variable: $variable,
            value: $value,
            parse: |text| $crate::job::table::parse::<$type>(text, &$bounds),
        })
    };
}

pub(super) use section;
