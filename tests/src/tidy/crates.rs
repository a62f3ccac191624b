//! Which crate may know which: dependencies point one way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::rust::tokens;
use super::{Breach, Repository};

/// Every crate of this build and what it names.
#[derive(Debug)]
pub struct House {
    pub packages: Vec<Package>,
    /// From each package's id to those that it is built with, tests apart.
    edges: BTreeMap<String, Vec<String>>,
}

/// A crate, ours or not.
#[derive(Debug)]
pub struct Package {
    pub id: String,
    pub name: String,
    pub version: String,
    pub license: Option<String>,
    /// Where it comes from; none for what lies in this repository.
    pub source: Option<String>,
    /// Its `Cargo.toml`, from the repository's root on; its own path where it lies elsewhere.
    pub manifest: String,
    /// A member of the workspace.
    pub ours: bool,
    /// What its `Cargo.toml` names, for the build or for tests, and whether it is for tests alone.
    pub names: Vec<(String, bool)>,
}

/// What of ours a crate may name.
#[derive(Debug, Clone, Copy)]
pub enum MayKnow {
    These(&'static [&'static str]),
    /// It stands on top of the house.
    Everything,
}

impl House {
    /// Asks cargo, for this machine. What the workspace's own build fetched is enough, so that no network is needed;
    /// only where a part was built does cargo fetch the rest.
    ///
    /// # Panics
    /// When cargo has no answer.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        let ask = |program: &str, arguments: &[&str]| {
            let answer =
                Command::new(program).args(arguments).current_dir(root).output().expect("cargo and rustc start");
            let said = String::from_utf8_lossy(&answer.stderr).into_owned();
            if answer.status.success() { Ok(answer.stdout) } else { Err(format!("{program}: {said}")) }
        };
        let version = ask("rustc", &["-vV"]).unwrap_or_else(|said| panic!("{said}"));
        let version = String::from_utf8_lossy(&version);
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc knows its host");
        let question = ["metadata", "--format-version=1", "--filter-platform", host, "--offline"];
        let answer = ask(env!("CARGO"), &question).or_else(|_| ask(env!("CARGO"), &question[..4]));
        let metadata = answer.unwrap_or_else(|said| panic!("{said}"));
        Self::from_metadata(&serde_json::from_slice(&metadata).expect("cargo writes JSON"))
    }

    /// The house that `cargo metadata` describes.
    #[must_use]
    pub fn from_metadata(metadata: &Value) -> Self {
        let root = format!("{}/", text(&metadata["workspace_root"]));
        let ours: BTreeSet<String> = list(&metadata["workspace_members"]).map(text).collect();
        let package = |package: &Value| Package {
            id: text(&package["id"]),
            name: text(&package["name"]),
            version: text(&package["version"]),
            license: package["license"].as_str().map(str::to_owned),
            source: package["source"].as_str().map(str::to_owned),
            manifest: text(&package["manifest_path"]).trim_start_matches(&root).to_owned(),
            ours: ours.contains(&text(&package["id"])),
            names: list(&package["dependencies"]).map(|one| (text(&one["name"]), one["kind"] == "dev")).collect(),
        };
        let built = |kinds: &Value| list(kinds).any(|kind| kind["kind"] != "dev");
        let edges = list(&metadata["resolve"]["nodes"]).map(|node| {
            let to = list(&node["deps"]).filter(|to| built(&to["dep_kinds"])).map(|to| text(&to["pkg"]));
            (text(&node["id"]), to.collect())
        });
        Self { packages: list(&metadata["packages"]).map(package).collect(), edges: edges.collect() }
    }

    fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.ours)
    }

    /// The names of all that a package is built with, however far down.
    fn reached(&self, package: &Package) -> BTreeSet<&str> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut waiting = vec![package.id.as_str()];
        while let Some(id) = waiting.pop() {
            let next = self.edges.get(id).into_iter().flatten().map(String::as_str);
            waiting.extend(next.filter(|id| seen.insert(id)));
        }
        self.packages.iter().filter(|package| seen.contains(package.id.as_str())).map(|one| one.name.as_str()).collect()
    }

    /// Whether the crate of ours in the folder `user` can use what the one in the folder `of` offers.
    #[must_use]
    pub fn knows(&self, user: &str, of: &str) -> bool {
        let at = |folder: &str| self.ours().find(|package| package.manifest == format!("{folder}/Cargo.toml"));
        let (Some(user), Some(of)) = (at(user), at(of)) else { return false };
        user.names.iter().any(|(name, _)| *name == of.name) || self.reached(user).contains(of.name.as_str())
    }

    /// The crates that name one of ours which `plan` does not give them; what tests alone need is not asked about.
    #[must_use]
    pub fn against(&self, plan: &[(&str, MayKnow)], repository: &Repository) -> Vec<Breach> {
        let ours: BTreeSet<&str> = self.ours().map(|package| package.name.as_str()).collect();
        let mut breaches = Vec::new();
        for package in self.ours() {
            let Some((_, may)) = plan.iter().find(|(name, _)| *name == package.name) else {
                let advice = format!("`{}` has no place in the plan of the house: draw it there", package.name);
                breaches.push(package.breach("name", repository, advice));
                continue;
            };
            let MayKnow::These(may) = may else { continue };
            let named = package.names.iter().filter(|(name, tests)| !tests && ours.contains(name.as_str()));
            for (name, _) in named.filter(|(name, _)| !may.contains(&name.as_str())) {
                let advice = format!("`{}` may not know `{name}`: dependencies point the other way", package.name);
                breaches.push(package.breach(name, repository, advice));
            }
        }
        let gone = plan.iter().filter(|(name, _)| !ours.contains(name));
        breaches.extend(gone.map(|(name, _)| Breach {
            path: "tests/tests/tidy.rs".to_owned(),
            line: 0,
            advice: format!("the plan of the house has a room for `{name}`, which is no crate"),
        }));
        breaches
    }

    /// The crates that name a library which has another home; their tests are asked too.
    #[must_use]
    pub fn homeless(&self, homes: &[(&str, &[&str])], repository: &Repository) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for package in self.ours() {
            for (name, _) in &package.names {
                let home = homes.iter().find(|(library, _)| library == name);
                if let Some((_, home)) = home.filter(|(_, home)| !home.contains(&package.name.as_str())) {
                    let advice = format!("only {} may name `{name}`", home.join(" and "));
                    breaches.push(package.breach(name, repository, advice));
                }
            }
        }
        breaches
    }

    /// The crates that are built with something that they must do without, however far down.
    #[must_use]
    pub fn burdened(&self, without: &[(&str, &[&str])], repository: &Repository) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (name, unwanted) in without {
            let Some(package) = self.ours().find(|package| package.name == *name) else { continue };
            let reached = self.reached(package);
            for unwanted in unwanted.iter().filter(|unwanted| reached.contains(*unwanted)) {
                let advice = format!("`{name}` must build without `{unwanted}`: `cargo tree -p {name} -i {unwanted}`");
                breaches.push(package.breach("[dependencies]", repository, advice));
            }
        }
        breaches
    }
}

impl Package {
    /// A breach at the line of this package's `Cargo.toml` that begins with a word.
    #[must_use]
    pub fn breach(&self, word: &str, repository: &Repository, advice: impl Into<String>) -> Breach {
        let text = repository.get(&self.manifest).map_or("", |manifest| manifest.text.as_str());
        let line = text.lines().position(|line| line.starts_with(word)).map_or(0, |index| index + 1);
        Breach { path: self.manifest.clone(), line, advice: advice.into() }
    }
}

/// The places in the folder `inside` that use something of the crate `of` other than its modules `may`.
#[must_use]
pub fn uses_beyond(repository: &Repository, inside: &str, of: &str, may: &[&str]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (source, rust) in repository.rust().filter(|(source, _)| source.path.starts_with(inside) && !source.test) {
        let tokens = tokens(&rust.code);
        // A module of the same name, imported from nearby, hides the crate.
        let imports = tokens.split(|token| token.text == "use").skip(1);
        let mut imports = imports.map(|rest| rest.split(|token| token.text == ";").next().unwrap_or(rest));
        let hidden = imports.any(|words| {
            let nearby = words.first().is_some_and(|first| matches!(first.text, "crate" | "super" | "self"));
            nearby && words.iter().any(|word| word.text == of)
        });
        for words in tokens.windows(3) {
            let [name, colons, module] = words else { continue };
            let local = hidden || is_after_path(&tokens, name.at);
            if name.text == of && colons.text == "::" && !local && !may.contains(&module.text) {
                let advice = format!("`{of}::{}` is not for {inside}: only {} is", module.text, may.join(", "));
                breaches.push(source.breach(name.at, advice));
            }
        }
    }
    breaches
}

fn is_after_path(tokens: &[super::rust::Token<'_>], at: usize) -> bool {
    tokens.iter().take_while(|token| token.at < at).last().is_some_and(|token| token.text == "::")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::{House, MayKnow, Repository, uses_beyond};
    use serde_json::{Value, json};

    fn package(name: &str, dependencies: &[&str]) -> Value {
        let dependencies: Vec<Value> = dependencies.iter().map(|name| json!({ "name": name, "kind": null })).collect();
        json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT", "source": null,
                "manifest_path": format!("/house/{name}/Cargo.toml"), "dependencies": dependencies })
    }

    fn house() -> House {
        let node = |id: &str, to: &[&str]| {
            let to: Vec<Value> = to.iter().map(|to| json!({ "pkg": to, "dep_kinds": [{ "kind": null }] })).collect();
            json!({ "id": id, "deps": to })
        };
        House::from_metadata(&json!({
            "workspace_root": "/house", "workspace_members": ["disk", "node", "extra"],
            "packages": [
                package("disk", &["node"]), package("node", &["burn"]), package("extra", &[]), package("burn", &[]),
            ],
            "resolve": { "nodes": [node("disk", &["node"]), node("node", &["burn"]), node("burn", &[])] },
        }))
    }

    #[test]
    fn a_direction_against_the_plan_is_found() {
        let manifests =
            Repository::planted(&[("disk/Cargo.toml", "[package]\n\n[dependencies]\nnode.workspace = true\n")]);
        let plan = [("disk", MayKnow::These(&[])), ("node", MayKnow::Everything), ("gone", MayKnow::Everything)];
        let found: Vec<String> = house().against(&plan, &manifests).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("disk/Cargo.toml:4: `disk` may not know `node`"), "{found:?}");
        assert!(found[1].contains("`extra` has no place"), "{found:?}");
        assert!(found[2].contains("a room for `gone`"), "{found:?}");
        let homes = house().homeless(&[("burn", &["models"])], &manifests);
        assert!(homes.len() == 1 && homes[0].path == "node/Cargo.toml", "{homes:?}");
        assert!(house().knows("disk", "node") && !house().knows("node", "disk") && !house().knows("extra", "node"));
        let burdened = house().burdened(&[("disk", &["burn", "tokio"]), ("extra", &["burn"])], &manifests);
        assert!(burdened.len() == 1 && burdened[0].line == 3, "{burdened:?}");
    }

    #[test]
    fn a_use_beyond_the_role_is_found() {
        let beyond = |text: &str| {
            let repository = Repository::planted(&[("worker/src/lib.rs", text)]);
            uses_beyond(&repository, "worker/src", "aggregator", &["driver"]).len()
        };
        assert_eq!(beyond("use aggregator::driver::Config;\nfn a() { aggregator::driver::run() }\n"), 0);
        assert_eq!(beyond("use crate::commands::{aggregator, worker};\nfn a() { aggregator::run() }\n"), 0);
        assert_eq!(beyond("fn a() { super::aggregator::run() }\n"), 0);
        assert_eq!(beyond("use aggregator::journal::Journal;\nfn a() { aggregator::recover::run() }\n"), 2);
    }
}
