//! The rules of the house, checked on the repository's own text: `tests/tests/tidy.rs` states them, this module finds
//! what breaks them.
//!
//! Invariants: a rule is a function of the texts alone, so that its own test can plant a breach; a breach names the
//! file and the line and says what to do; text is looked at as written, without a compiler, so a rule may miss what
//! only a compiler sees, but what it reports is there.

pub mod constants;
pub mod crates;
pub mod documents;
pub mod floats;
pub mod functions;
pub mod lengths;
pub mod packages;
mod rust;

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};

pub use rust::Rust;

/// What the rules read: endings of file names, and the folders whose files have none.
const ENDINGS: [&str; 6] = ["rs", "move", "sh", "py", "toml", "md"];
const SCRIPTS: &str = ".ci/";
/// Folders whose names begin with a dot belong to tools, but for these.
const DOT_FOLDERS: [&str; 3] = [".cargo", ".ci", ".github"];
/// What a build, a run or Python leaves in a checkout.
const NOT_OURS: [&str; 4] = ["target", "runs", "__pycache__", "node_modules"];

/// One text of the repository.
#[derive(Debug)]
pub struct Source {
    /// From the root on, with `/` between folders.
    pub path: String,
    pub text: String,
    /// The text as Rust, for files that are.
    pub rust: Option<Rust>,
    /// Whether only tests see it: it lies under a `tests` folder, is named so, or is declared under `cfg(test)`.
    pub test: bool,
}

/// All texts of the repository, in the order of their paths.
#[derive(Debug)]
pub struct Repository {
    pub sources: Vec<Source>,
    /// Every file there is, so that links can be followed.
    pub files: Vec<String>,
}

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    pub path: String,
    /// From 1 on; 0 where no line is to blame.
    pub line: usize,
    /// What is wrong and what to do.
    pub advice: String,
}

impl Display for Breach {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path, self.advice),
            line => write!(formatter, "{}:{line}: {}", self.path, self.advice),
        }
    }
}

impl Repository {
    /// Reads what lies under `root`.
    ///
    /// # Panics
    /// When a file cannot be read.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let mut files = Vec::new();
        walk(root, root, &mut files);
        files.sort();
        let texts = files.iter().filter(|path| is_text(path)).map(|path| {
            let text = fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            (path.clone(), String::from_utf8(text).unwrap_or_else(|error| panic!("{path}: {error}")))
        });
        let texts: Vec<_> = texts.collect();
        Self::of(texts, files)
    }

    /// A repository of these texts alone, for tests of the rules.
    #[must_use]
    pub fn planted(texts: &[(&str, &str)]) -> Self {
        let files = texts.iter().map(|(path, _)| (*path).to_owned()).collect();
        Self::of(texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect(), files)
    }

    fn of(texts: Vec<(String, String)>, files: Vec<String>) -> Self {
        let mut sources: Vec<Source> = texts
            .into_iter()
            .map(|(path, text)| {
                let rust = path.ends_with(".rs").then(|| Rust::read(&text));
                let test = path.split('/').any(|part| part == "tests" || part == "tests.rs");
                Source { path, text, rust, test }
            })
            .collect();
        let declared: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
        for source in &mut sources {
            source.test |= declared.iter().any(|module| {
                source.path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            });
        }
        Self { sources, files }
    }

    /// The files of Rust, each with its reading.
    pub fn rust(&self) -> impl Iterator<Item = (&Source, &Rust)> {
        self.sources.iter().filter_map(|source| source.rust.as_ref().map(|rust| (source, rust)))
    }

    /// The text at this path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.path == path)
    }

    /// The folder of the crate that a file belongs to: the nearest one above it with a package in its `Cargo.toml`.
    #[must_use]
    pub fn crate_of(&self, path: &str) -> Option<&str> {
        let manifests =
            self.sources.iter().filter_map(|source| Some((source.path.strip_suffix("/Cargo.toml")?, source)));
        let above = manifests.filter(|(folder, _)| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')));
        above
            .filter(|(_, manifest)| manifest.text.contains("[package]"))
            .map(|(folder, _)| folder)
            .max_by_key(|folder| folder.len())
    }
}

impl Source {
    /// A breach at a byte of this text.
    #[must_use]
    pub fn breach(&self, at: usize, advice: impl Into<String>) -> Breach {
        let line = 1 + self.text[..at].bytes().filter(|byte| *byte == b'\n').count();
        Breach { path: self.path.clone(), line, advice: advice.into() }
    }

    /// The paths, without ending, of the modules that this file declares for tests alone.
    fn test_modules(&self) -> Vec<String> {
        let Some(rust) = &self.rust else { return Vec::new() };
        let stem = self.path.trim_end_matches(".rs");
        let folder = match stem.rsplit_once('/') {
            Some((folder, "lib" | "main" | "mod")) => folder,
            _ => stem,
        };
        rust.test_modules().iter().map(|name| format!("{folder}/{name}")).collect()
    }
}

/// Fails with every breach, unless there is none.
///
/// # Panics
/// When there is one.
pub fn none(breaches: Vec<Breach>) {
    let lines: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} to mend:\n{}", lines.len(), lines.join("\n"));
}

fn is_text(path: &str) -> bool {
    let ending = path.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending));
    ending || path.starts_with(SCRIPTS)
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<String>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let ours = !NOT_OURS.contains(&name.as_str())
            && (!name.starts_with('.') || DOT_FOLDERS.contains(&name.as_str()) || folder != root);
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if ours {
                walk(root, &path, files);
            }
        } else {
            files.push(relative(root, &path));
        }
    }
}

fn relative(root: &Path, path: &Path) -> String {
    let parts: PathBuf = path.strip_prefix(root).unwrap_or(path).to_path_buf();
    parts.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::Repository;

    #[test]
    fn a_file_is_a_tests_by_its_place_or_by_its_declaration() {
        let repository = Repository::planted(&[
            ("a/Cargo.toml", "[package]\nname = \"a\""),
            ("a/b/Cargo.toml", "[package]\nname = \"b\""),
            ("a/src/lib.rs", "mod used;\n#[cfg(test)]\nmod testing;\n"),
            ("a/src/testing.rs", ""),
            ("a/src/testing/world.rs", ""),
            ("a/src/used.rs", "#[cfg(test)]\nmod cases;\n"),
            ("a/src/used/cases.rs", ""),
            ("a/src/used/tests.rs", ""),
            ("a/tests/all.rs", ""),
            ("a/b/src/lib.rs", ""),
        ]);
        let tests: Vec<&str> =
            repository.sources.iter().filter(|source| source.test).map(|source| source.path.as_str()).collect();
        assert_eq!(
            tests,
            [
                "a/src/testing.rs",
                "a/src/testing/world.rs",
                "a/src/used/cases.rs",
                "a/src/used/tests.rs",
                "a/tests/all.rs"
            ]
        );
        assert_eq!(repository.crate_of("a/src/used.rs"), Some("a"));
        assert_eq!(repository.crate_of("a/b/src/lib.rs"), Some("a/b"));
        assert_eq!(repository.crate_of("README.md"), None);
    }
}
