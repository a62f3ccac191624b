//! The reference page of all keys, as Markdown.

use super::{Job, Key, SECTIONS, Section};

/// The most characters of a line of the page.
const COLUMNS: usize = 120;

const OPENING: &str = "\
# The keys of a job

What all nodes of a session agree on, as a TOML file of the sections below. Every key may be left out and takes its
default then; a key that is not listed here is refused, with its line and the nearest key. A flag wins over its
variable, the variable over the file, the file over the default; `cotrain config explain` shows each value and where it
came from. `cotrain config keys` prints this page.
";

/// The page; `aggregator/node/JOB.md` is this text.
///
/// # Errors
/// When the default job cannot be TOML, which its checks rule out.
pub fn reference() -> Result<String, toml::ser::Error> {
    let defaults = toml::Table::try_from(Job::default())?;
    let mut page = OPENING.to_owned();
    for section in &SECTIONS {
        page.push_str(&heading(section));
        for key in section.keys {
            page.push_str(&entry(key, &defaults));
        }
    }
    Ok(page)
}

fn heading(section: &Section) -> String {
    let name = match section.name.split_once('.') {
        Some(_) => format!("[[{}]]", section.name),
        None => format!("[{}]", section.name),
    };
    format!("\n## `{name}`\n\n{}\n\n", wrapped("", "", section.documentation))
}

fn entry(key: &Key, defaults: &toml::Table) -> String {
    let default = key.value_in(defaults).map(|value| format!(" = {value}")).unwrap_or_default();
    let flag = key.flag.map(|flag| format!(" Flag `--{} {}`, variable `{}`.", flag.name, flag.value, flag.variable));
    let about = format!("`{}{default}`: {} {}", key.name, key.documentation, allowed(key));
    let mut lines = wrapped("- ", "  ", &(about + &flag.unwrap_or_default()));
    lines.push('\n');
    for (choice, documentation) in key.choices {
        lines.push_str(&wrapped("  - ", "    ", &format!("`{choice}`: {documentation}")));
        lines.push('\n');
    }
    lines
}

/// The kind of a key's value and its bounds, as a sentence.
fn allowed(key: &Key) -> String {
    let bounds = (key.bounds)();
    match (key.choices, bounds.as_str()) {
        ([], "") => format!("{}.", key.kind),
        ([], bounds) => format!("{}, {bounds}.", key.kind),
        _ => format!("{}:", key.kind),
    }
}

/// The words in lines of at most [`COLUMNS`] characters, `first` before the first and `indent` before each further one.
fn wrapped(first: &str, indent: &str, text: &str) -> String {
    let (mut lines, mut width) = (first.to_owned(), first.len());
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && width + 1 + length > COLUMNS {
            lines.push('\n');
            lines.push_str(indent);
            width = indent.len();
        } else if index > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_the_table() {
        let page = reference().unwrap();
        assert!(page == include_str!("../../JOB.md"), "renew it: cotrain config keys > aggregator/node/JOB.md");
    }

    #[test]
    fn lines_end_at_the_last_column_and_no_key_is_left_out() {
        let page = reference().unwrap();
        assert!(page.lines().all(|line| line.chars().count() <= COLUMNS));
        for key in super::super::keys() {
            assert!(page.contains(&format!("\n- `{}", key.name)), "{}", key.path());
        }
    }
}
