//! How wide a line and how long a file may be.

use super::{Breach, Repository, Source};

/// The widest line, in characters, of sources, scripts and settings; a document's tables and links may be wider.
pub const COLUMNS_MAX: usize = 120;
/// The longest file without its tests, in lines.
pub const LINES_MAX: usize = 400;
/// The longest file of tests, in lines.
pub const TEST_LINES_MAX: usize = 700;

/// The lines that are wider than [`COLUMNS_MAX`].
#[must_use]
pub fn wide_lines(repository: &Repository) -> Vec<Breach> {
    let sources = repository.sources.iter().filter(|source| !source.path.ends_with(".md"));
    sources.flat_map(wide_lines_of).collect()
}

fn wide_lines_of(source: &Source) -> Vec<Breach> {
    let lines = source.text.lines().enumerate().map(|(index, line)| (index + 1, line.chars().count()));
    let breach = |(line, columns): (usize, usize)| Breach {
        path: source.path.clone(),
        line,
        advice: format!("{columns} columns: wrap the line at {COLUMNS_MAX}"),
    };
    lines.filter(|(_, columns)| *columns > COLUMNS_MAX).map(breach).collect()
}

/// The files that are longer than [`LINES_MAX`] without their tests, or [`TEST_LINES_MAX`] where they are tests.
#[must_use]
pub fn long_files(repository: &Repository) -> Vec<Breach> {
    let long = repository.rust().filter_map(|(source, rust)| {
        let lines = |text: &str| text.lines().count();
        let of_tests: usize = rust.tests.iter().map(|range| lines(&source.text[range.clone()])).sum();
        let (count, max, what) = if source.test {
            (lines(&source.text), TEST_LINES_MAX, "a file of tests")
        } else {
            (lines(&source.text) - of_tests, LINES_MAX, "a file without its tests")
        };
        let advice = format!("{count} lines, of at most {max} in {what}: it is two things, so make it two files");
        (count > max).then(|| Breach { path: source.path.clone(), line: 0, advice })
    });
    long.collect()
}

#[cfg(test)]
mod tests {
    use super::{Repository, long_files, wide_lines};

    #[test]
    fn a_wide_line_is_found_in_characters() {
        let text = format!("// {}\n// {}\n", "→".repeat(117), "→".repeat(118));
        let breaches = wide_lines(&Repository::planted(&[("a/src/lib.rs", &text), ("README.md", &text)]));
        assert_eq!(breaches.len(), 1);
        assert_eq!(breaches[0].to_string(), "a/src/lib.rs:2: 121 columns: wrap the line at 120");
    }

    #[test]
    fn a_long_file_is_found_without_its_tests() {
        let (code, tests) = ("fn a() {}\n".repeat(400), "    fn b() {}\n".repeat(400));
        let longest = format!("{code}#[cfg(test)]\nmod tests {{\n{tests}}}\n");
        let longer = format!("fn c() {{}}\n{longest}");
        let of_tests = format!("fn c() {{}}\n{}", "fn d() {}\n".repeat(700));
        let breaches = long_files(&Repository::planted(&[
            ("a/src/longest.rs", &longest),
            ("a/src/longer.rs", &longer),
            ("a/tests/long.rs", &of_tests),
        ]));
        let paths: Vec<&str> = breaches.iter().map(|breach| breach.path.as_str()).collect();
        assert_eq!(paths, ["a/src/longer.rs", "a/tests/long.rs"]);
    }
}
