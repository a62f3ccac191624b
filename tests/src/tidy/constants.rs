//! One home for a fact: constants of the same name and the same value in two files.

use std::collections::BTreeMap;

use super::rust::tokens;
use super::{Breach, Repository};

/// A constant that may be said more than once, and why.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    pub name: &'static str,
    pub reason: &'static str,
}

/// The constants that are said in more than one file, unless a `const _: () = assert!(…)` that names both ties them.
#[must_use]
pub fn said_twice(repository: &Repository, allowed: &[Allowed]) -> Vec<Breach> {
    let mut places: BTreeMap<(String, String), Vec<Breach>> = BTreeMap::new();
    let mut tied = Vec::new();
    for (source, rust) in repository.rust().filter(|(source, _)| !source.test) {
        for constant in constants(&rust.code, &source.text) {
            if constant.name == "_" {
                tied.extend(named_twice(&constant.value));
                continue;
            }
            let Some(value) = fact(&constant.value) else { continue };
            let known = places.entry((constant.name.to_owned(), value.clone())).or_default();
            let advice = format!("`{}` is {value} in more than one file: give it one home, or tie them", constant.name);
            known.push(source.breach(constant.at, advice));
        }
    }
    let mut breaches = Vec::new();
    let mut needless: Vec<&str> = allowed.iter().map(|entry| entry.name).collect();
    for ((name, _), known) in places {
        let files = known.iter().zip(known.iter().skip(1)).any(|(one, next)| one.path != next.path);
        if !files || tied.contains(&name) {
            continue;
        }
        match allowed.iter().find(|entry| entry.name == name) {
            Some(entry) => needless.retain(|needless| *needless != entry.name),
            None => breaches.extend(known),
        }
    }
    breaches.extend(needless.into_iter().map(|name| Breach {
        path: "tests/tests/tidy.rs".to_owned(),
        line: 0,
        advice: format!("`{name}` has one home or is tied: take it off the list of what may be said twice"),
    }));
    breaches
}

struct Constant<'a> {
    at: usize,
    name: &'a str,
    value: String,
}

/// Every `const NAME: TYPE = VALUE;`.
fn constants<'a>(code: &'a str, text: &str) -> Vec<Constant<'a>> {
    let tokens = tokens(code);
    let constant = |index: usize| {
        let [word, name, colon] = tokens.get(index..index + 3)? else { return None };
        if word.text != "const" || colon.text != ":" {
            return None;
        }
        let mut depth = 0_i32;
        let mut value = None;
        for token in &tokens[index + 3..] {
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                "=" if depth == 0 && value.is_none() => value = Some(token.at + 1),
                // A parameter of a generic type has no value.
                ">" | "," if depth == 0 && value.is_none() => return None,
                ";" if depth <= 0 => {
                    let value = text.get(value?..token.at)?.split_whitespace().collect::<Vec<_>>().join(" ");
                    return Some(Constant { at: name.at, name: name.text, value });
                }
                _ => {}
            }
            if depth < 0 {
                return None;
            }
        }
        None
    };
    (0..tokens.len()).filter_map(constant).collect()
}

/// A value in the form in which it is compared: numbers by what they are. One that is another constant's is no fact of
/// its own.
fn fact(value: &str) -> Option<String> {
    let number = value.split("<<").map(sum).reduce(|value, places| value?.checked_shl(u32::try_from(places?).ok()?));
    if let Some(Some(number)) = number {
        return Some(number.to_string());
    }
    let path = value.chars().all(|character| character == '_' || character == ':' || character.is_alphanumeric());
    let negative = value.starts_with('-');
    (!path || negative || value.starts_with(|first: char| first.is_ascii_digit())).then(|| value.to_owned())
}

fn sum(value: &str) -> Option<u128> {
    value.split('+').map(product).try_fold(0_u128, |sum, addend| sum.checked_add(addend?))
}

fn product(value: &str) -> Option<u128> {
    value.split('*').map(integer).try_fold(1_u128, |product, factor| product.checked_mul(factor?))
}

fn integer(text: &str) -> Option<u128> {
    let digits = text.trim().replace('_', "");
    match digits.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    }
}

/// The names that an assertion holds twice.
fn named_twice(assertion: &str) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for token in tokens(assertion) {
        *counts.entry(token.text).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Repository, said_twice};

    #[test]
    fn a_fact_with_two_homes_is_found() {
        let one = "pub const BYTES: u64 = 4 * 1024;\nconst MEMBERS: usize = 64;\nconst NAME: &str = \"a\";\n\
                   const OTHER: u8 = 1;\nconst FORMAT: u8 = 1;\n\
                   fn f<const N: usize>() { const IN: [u8; 2] = [1, 2]; }\n";
        let two = "const BYTES: usize = 0x1000;\npub const MEMBERS: u64 = 1 << 6;\nconst NAME: &str = \"a\";\n\
                   const OTHER: u8 = 2;\nconst FORMAT: u8 = 1;\nconst SAME: u8 = one::SAME;\n\
                   fn g() { const IN: [u8; 2] = [1, 2]; }\n";
        let tie = "const _: () = assert!(one::MEMBERS == two::MEMBERS as usize);\n";
        let repository = Repository::planted(&[("a/src/one.rs", one), ("b/src/two.rs", two), ("c/src/lib.rs", tie)]);
        let breaches = said_twice(
            &repository,
            &[Allowed { name: "FORMAT", reason: "planted" }, Allowed { name: "SAME", reason: "planted" }],
        );
        let found: Vec<String> = breaches.iter().map(|breach| format!("{}:{}", breach.path, breach.line)).collect();
        let twice = ["1", "1", "6", "7", "3", "3"];
        let expected: Vec<String> = twice
            .iter()
            .enumerate()
            .map(|(index, line)| format!("{}:{line}", ["a/src/one.rs", "b/src/two.rs"][index % 2]))
            .chain(["tests/tests/tidy.rs:0".to_owned()])
            .collect();
        assert_eq!(found, expected, "{breaches:#?}");
        assert!(breaches[0].advice.contains("`BYTES` is 4096"), "{}", breaches[0]);
    }
}
