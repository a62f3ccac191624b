//! What may be built from elsewhere: licences, sources and bans, as `.cargo/deny.toml` states them. cargo-deny reads
//! the same file and sees more (advisories, other platforms); this needs nothing but cargo.

use toml::{Table, Value};

use super::crates::{House, Package};
use super::{Breach, Repository};

/// Where the rules are stated.
pub const DENY_FILE: &str = ".cargo/deny.toml";
/// How cargo names the registry that cargo-deny names by its index.
const REGISTRY: &str = "registry+";
/// Stand-ins of our own, in place of crates that no target of ours compiles.
const STUBS: &str = ".cargo/stubs/";

/// The rules of `deny.toml` that are checked here.
#[derive(Debug)]
pub struct Rules {
    licenses: Vec<String>,
    /// Licences for single crates.
    exceptions: Vec<(String, Vec<String>)>,
    /// What crates are licensed under that say so in a file alone.
    clarified: Vec<(String, String)>,
    /// Crates that may not be built with.
    banned: Vec<String>,
    /// Crates of which there may be one version only.
    single: Vec<String>,
    registries: Vec<String>,
}

impl Rules {
    /// # Panics
    /// When the file is not there, or not what cargo-deny reads.
    #[must_use]
    pub fn of(repository: &Repository) -> Self {
        let text = &repository.get(DENY_FILE).unwrap_or_else(|| panic!("{DENY_FILE} states the rules")).text;
        let file: Table = text.parse().unwrap_or_else(|error| panic!("{DENY_FILE}: {error}"));
        let entries = |section: &str, key: &str| -> Vec<Value> {
            let list = file.get(section).and_then(|section| section.get(key)).and_then(Value::as_array);
            list.cloned().unwrap_or_default()
        };
        let named = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let single = |entry: &Value| entry.get("deny-multiple-versions").and_then(Value::as_bool) == Some(true);
        let denied = entries("bans", "deny");
        let crates = |alone: bool| {
            let denied = denied.iter().filter(|entry| single(entry) == alone);
            denied.map(|entry| named(entry, "crate")).collect()
        };
        Self {
            licenses: strings(&entries("licenses", "allow")),
            exceptions: entries("licenses", "exceptions")
                .iter()
                .map(|one| {
                    (named(one, "crate"), strings(one.get("allow").and_then(Value::as_array).map_or(&[], |l| l)))
                })
                .collect(),
            clarified: entries("licenses", "clarify")
                .iter()
                .map(|one| (named(one, "crate"), named(one, "expression")))
                .collect(),
            banned: crates(false),
            single: crates(true),
            registries: strings(&entries("sources", "allow-registry")),
        }
    }

    /// The crates that these rules refuse.
    #[must_use]
    pub fn refused(&self, house: &House) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for package in &house.packages {
            breaches
                .extend(self.license(package).into_iter().chain(self.source(package)).chain(self.ban(package, house)));
        }
        breaches
    }

    fn license(&self, package: &Package) -> Option<Breach> {
        let clarified = self.clarified.iter().find(|(name, _)| *name == package.name);
        let Some(license) = clarified.map(|(_, license)| license).or(package.license.as_ref()) else {
            return Some(refusal(package, "states no licence: clarify it"));
        };
        let own = self.exceptions.iter().filter(|(name, _)| *name == package.name).flat_map(|(_, allowed)| allowed);
        let allowed: Vec<&str> = self.licenses.iter().chain(own).map(String::as_str).collect();
        (!is_allowed(license, &allowed)).then(|| refusal(package, &format!("is under {license}, which is not allowed")))
    }

    fn source(&self, package: &Package) -> Option<Breach> {
        let Some(source) = &package.source else {
            let here = package.ours || package.manifest.starts_with(STUBS);
            return (!here).then(|| refusal(package, "lies outside the repository"));
        };
        let known = source.strip_prefix(REGISTRY).is_some_and(|index| self.registries.iter().any(|one| one == index));
        (!known).then(|| refusal(package, &format!("comes from {source}, which is not allowed")))
    }

    fn ban(&self, package: &Package, house: &House) -> Option<Breach> {
        let versions = || house.packages.iter().filter(|other| other.name == package.name).count();
        if self.banned.contains(&package.name) {
            return Some(refusal(package, "is banned"));
        }
        let twice = self.single.contains(&package.name) && versions() > 1;
        twice.then(|| refusal(package, "is built in more than one version"))
    }
}

fn refusal(package: &Package, what: &str) -> Breach {
    let advice =
        format!("`{} {}` {what}: do without it, or change the rule with its reason", package.name, package.version);
    Breach { path: DENY_FILE.to_owned(), line: 0, advice }
}

fn strings(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether an expression of licences (SPDX, or the older form with a slash) can be met with the allowed ones.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest, allowed) && rest.is_empty()
}

fn any(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = all(words, allowed);
    while let Some(rest) = words.strip_prefix(&["OR"]) {
        *words = rest;
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while let Some(rest) = words.strip_prefix(&["AND"]) {
        *words = rest;
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    let Some((first, rest)) = words.split_first() else { return false };
    *words = rest;
    if *first == "(" {
        let met = any(words, allowed);
        return words.strip_prefix(&[")"]).is_some_and(|rest| {
            *words = rest;
            met
        });
    }
    match *words {
        ["WITH", exception, rest @ ..] => {
            *words = rest;
            allowed.contains(&format!("{first} WITH {exception}").as_str())
        }
        _ => allowed.contains(first),
    }
}

#[cfg(test)]
mod tests {
    use super::{DENY_FILE, House, Repository, Rules, is_allowed};
    use serde_json::{Value, json};

    #[test]
    fn an_expression_of_licences_is_read_as_it_is_meant() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
        for met in
            ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "(GPL-3.0 OR MIT) AND ISC", "Apache-2.0 WITH LLVM-exception"]
        {
            assert!(is_allowed(met, &allowed), "{met}");
        }
        for unmet in
            ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "MIT AND (GPL-3.0 OR AGPL-3.0)", "", "MIT ISC", "(MIT"]
        {
            assert!(!is_allowed(unmet, &allowed), "{unmet}");
        }
    }

    #[test]
    fn what_the_rules_refuse_is_found() {
        const INDEX: &str = "registry+https://index";
        let rules = "[licenses]\nallow = [\"MIT\"]\nexceptions = [{ crate = \"weak\", allow = [\"MPL-2.0\"] }]\n\
                     clarify = [{ crate = \"file\", expression = \"MIT\" }]\n[bans]\ndeny = [{ crate = \"c-code\" }, \
                     { crate = \"twice\", deny-multiple-versions = true }]\n\
                     [sources]\nallow-registry = [\"https://index\"]\n";
        let package = |name: &str, version: u8, license: Value, source: Value| {
            json!({ "id": format!("{name} {version}"), "name": name, "version": format!("{version}.0.0"),
                    "license": license, "source": source, "manifest_path": "/elsewhere/Cargo.toml",
                    "dependencies": [] })
        };
        let house =
            House::from_metadata(&json!({ "workspace_root": "/house", "workspace_members": ["ours 1"], "packages": [
                package("ours", 1, json!("MIT"), json!(null)), package("good", 1, json!("MIT OR X"), json!(INDEX)),
                package("good", 2, json!("MIT"), json!(INDEX)), package("weak", 1, json!("MPL-2.0"), json!(INDEX)),
                package("file", 1, json!(null), json!(INDEX)), package("bad", 1, json!("MPL-2.0"), json!(INDEX)),
                package("none", 1, json!(null), json!(INDEX)), package("fork", 1, json!("MIT"), json!("git+https://a")),
                package("path", 1, json!("MIT"), json!(null)), package("c-code", 1, json!("MIT"), json!(INDEX)),
                package("twice", 1, json!("MIT"), json!(INDEX)), package("twice", 2, json!("MIT"), json!(INDEX)),
            ]}));
        let refused = Rules::of(&Repository::planted(&[(DENY_FILE, rules)])).refused(&house);
        let names: Vec<&str> = refused.iter().filter_map(|one| one.advice.split(['`', ' ']).nth(1)).collect();
        assert_eq!(names, ["bad", "none", "fork", "path", "c-code", "twice", "twice"], "{refused:#?}");
    }
}
