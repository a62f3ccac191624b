//! Public functions that nobody calls: the compiler warns of private ones only.
//!
//! A function is known here by its name alone, so one that shares its name with something that is used passes.

use std::collections::{BTreeMap, BTreeSet};

use super::rust::{Token, tokens};
use super::{Breach, Repository, Rust, Source};

/// A public function that may be without a caller, and why.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    pub path: &'static str,
    pub name: &'static str,
    pub reason: &'static str,
}

/// The public functions whose name stands nowhere else in code that is not for tests alone, of their own crate or of
/// one that knows it: `knows(user, of)` says whether the crate in the folder `user` does. `test_crates` are the folders
/// of crates that exist for tests, so that tests are their users.
#[must_use]
pub fn dead(
    repository: &Repository,
    knows: impl Fn(&str, &str) -> bool,
    test_crates: &[&str],
    allowed: &[Allowed],
) -> Vec<Breach> {
    let crates = crates(repository);
    let mut missing: Vec<(&str, &str)> = allowed.iter().map(|entry| (entry.path, entry.name)).collect();
    let mut breaches = Vec::new();
    for (folder, of) in &crates {
        let for_tests = test_crates.contains(folder);
        let users = crates.iter().filter(|(user, _)| user == &folder || knows(user, folder));
        let used: Vec<&BTreeSet<&str>> = users
            .flat_map(|(user, all)| {
                [Some(&all.used), Some(&all.used_by_tests).filter(|_| for_tests || test_crates.contains(user))]
            })
            .flatten()
            .collect();
        for (source, function) in &of.functions {
            if used.iter().any(|used| used.contains(function.text)) || (source.test && !for_tests) {
                continue;
            }
            let entry = (source.path.as_str(), function.text);
            if allowed.iter().any(|allowed| (allowed.path, allowed.name) == entry) {
                missing.retain(|missing| *missing != entry);
                continue;
            }
            let advice = format!("nothing but tests calls `{}`: delete it, or move it to the tests", function.text);
            breaches.push(source.breach(function.at, advice));
        }
    }
    breaches.extend(missing.into_iter().map(|(path, name)| Breach {
        path: path.to_owned(),
        line: 0,
        advice: format!("`{name}` is called or gone: take it off the list of what nothing calls"),
    }));
    breaches
}

/// What a crate defines for others and which names it uses.
#[derive(Default)]
struct Crate<'a> {
    functions: Vec<(&'a Source, Token<'a>)>,
    used: BTreeSet<&'a str>,
    used_by_tests: BTreeSet<&'a str>,
}

/// Every crate by its folder.
fn crates(repository: &Repository) -> BTreeMap<&str, Crate<'_>> {
    let mut crates: BTreeMap<&str, Crate<'_>> = BTreeMap::new();
    for (source, rust) in repository.rust() {
        let known = crates.entry(repository.crate_of(&source.path).unwrap_or_default()).or_default();
        known.functions.extend(public_functions(&rust.code).into_iter().map(|function| (source, function)));
        collect_uses(&rust.whole_code, &mut known.used_by_tests);
        if !source.test {
            collect_uses(&rust.code, &mut known.used);
            known.used.extend(named_in_attributes(rust));
        }
    }
    crates
}

fn public_functions(code: &str) -> Vec<Token<'_>> {
    let tokens = tokens(code);
    let name = |at: usize| {
        let qualifiers = tokens[at + 1..].iter().take_while(|token| is_qualifier(token.text)).count();
        let rest = &tokens[at + 1 + qualifiers..];
        rest.first().filter(|token| token.text == "fn").and(rest.get(1)).filter(|token| token.text != "$")
    };
    (0..tokens.len()).filter(|at| tokens[*at].text == "pub").filter_map(name).copied().collect()
}

fn is_qualifier(text: &str) -> bool {
    matches!(text, "const" | "async" | "unsafe" | "extern")
}

/// The names that code uses: called, passed or named in a path, but not defined, imported, or those of fields and
/// locals.
fn collect_uses<'a>(code: &'a str, used: &mut BTreeSet<&'a str>) {
    let tokens = tokens(code);
    let mut importing = false;
    for (index, token) in tokens.iter().enumerate() {
        let text = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or("", |token| token.text);
        let (before, after) = (text(index.checked_sub(1)), text(Some(index + 1)));
        match token.text {
            "use" if after != "<" => importing = true,
            ";" => importing = false,
            name if importing => {
                if after == "as" {
                    used.insert(name);
                }
            }
            name => {
                let defined = matches!(before, "fn" | "mod" | "let" | "mut" | "ref" | "struct" | "enum");
                let field = after == ":" || (before == "." && !matches!(after, "(" | "::"));
                if !defined && !field {
                    used.insert(name);
                }
            }
        }
    }
}

/// Functions that a derive calls: `#[serde(default = "name")]`.
fn named_in_attributes(rust: &Rust) -> Vec<&str> {
    let literals = rust.attributes().into_iter().flat_map(|range| tokens(&rust.literals[range]));
    literals.map(|token| token.text).collect()
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Repository, dead};

    #[test]
    fn a_function_without_a_caller_is_found() {
        let lib = "pub use inner::only_exported;\n/// [`only_in_a_doc`]\npub fn only_in_a_doc() {}\n\
                   pub fn called() {}\npub fn only_tests() { called(); passed(&[1].map(other)) }\n\
                   pub(crate) fn inside() {}\n\
                   pub const fn allowed() {}\nfn field(a: &A) -> u8 { a.name + A { name: 1 }.name }\npub fn name() {}\n\
                   #[serde(default = \"in_a_derive\")]\nstruct A;\npub fn in_a_derive() {}\n\
                   #[cfg(test)]\nmod tests { fn a() { only_tests(); } }\n";
        let inner = "pub fn only_exported() {}\npub fn passed() {}\npub fn other() {}\n";
        let repository = Repository::planted(&[
            ("a/Cargo.toml", "[package]"),
            ("a/src/lib.rs", lib),
            ("a/src/inner.rs", inner),
            ("a/tests/all.rs", "fn a() { only_exported(); helper(); }"),
            ("b/Cargo.toml", "[package]"),
            ("b/src/lib.rs", "fn a() { used_above(); unknown_above(); }\n"),
            ("t/Cargo.toml", "[package]"),
            ("t/src/lib.rs", "pub fn helper() {}\npub fn forgotten() {}\n"),
            ("t/tests/all.rs", "fn a() { helper(); used_in_a_test_crate(); }"),
            ("u/Cargo.toml", "[package]"),
            ("u/src/lib.rs", "pub fn used_above() {}\npub fn used_in_a_test_crate() {}\n"),
            ("v/Cargo.toml", "[package]"),
            ("v/src/lib.rs", "pub fn unknown_above() {}\n"),
        ]);
        let knows = |user: &str, of: &str| of == "u" && matches!(user, "b" | "t");
        let entry = |name| Allowed { path: "a/src/lib.rs", name, reason: "planted" };
        let breaches = dead(&repository, knows, &["t"], &[entry("allowed"), entry("called")]);
        let found: Vec<String> = breaches.iter().map(|breach| format!("{}:{}", breach.path, breach.line)).collect();
        let expected = [
            "a/src/lib.rs:3",
            "a/src/lib.rs:5",
            "a/src/lib.rs:9",
            "a/src/inner.rs:1",
            "t/src/lib.rs:2",
            "v/src/lib.rs:1",
            "a/src/lib.rs:0",
        ];
        assert_eq!(found, expected, "{breaches:#?}");
        assert!(breaches[0].advice.contains("`only_in_a_doc`"), "{}", breaches[0]);
    }
}
