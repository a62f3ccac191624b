//! Unknown keys, found with their line before the values are read, so that a slip of the pen never falls back to a
//! default in silence.

use toml::de::{DeTable, DeValue};

use super::{JobError, Key, SECTIONS, Section};

/// Names further apart than this share of their length are not offered as what was meant.
const SIMILARITY_MIN: f64 = 0.5;

/// Refuses text that is not TOML and the first key that no job has.
pub(super) fn check(text: &str) -> Result<(), JobError> {
    let document = DeTable::parse(text).map_err(|error| syntax(text, &error))?;
    for (name, value) in document.get_ref() {
        let line = line_of(text, name.span().start);
        let section = section(name.get_ref()).ok_or_else(|| unknown_section(line, name.get_ref()))?;
        check_value(text, section, value.get_ref())?;
    }
    Ok(())
}

/// A parser's error with its line.
pub(super) fn syntax(text: &str, error: &toml::de::Error) -> JobError {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    JobError::Syntax { line, message: error.message().to_owned() }
}

/// A value of another kind than a table or a list of them is the deserialiser's to refuse, which knows what it wants.
fn check_value(text: &str, section: &Section, value: &DeValue<'_>) -> Result<(), JobError> {
    match value {
        DeValue::Table(table) => check_table(text, section, table),
        DeValue::Array(items) => items.iter().try_for_each(|item| check_value(text, section, item.get_ref())),
        _ => Ok(()),
    }
}

fn check_table(text: &str, section: &Section, table: &DeTable<'_>) -> Result<(), JobError> {
    for (name, value) in table {
        let (line, key) = (line_of(text, name.span().start), name.get_ref().as_ref());
        if !section.keys.iter().any(|known| known.name == key) {
            return Err(unknown_key(line, section, key));
        }
        if let Some(below) = self::section(&format!("{}.{key}", section.name)) {
            check_value(text, below, value.get_ref())?;
        }
    }
    Ok(())
}

fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

/// The sections that stand at the top level.
fn top() -> impl Iterator<Item = &'static Section> {
    SECTIONS.iter().filter(|section| !section.name.contains('.'))
}

/// The section that has this very key, else the nearest section: at the top level, where every key is a section, a
/// misplaced key is the likelier slip.
fn unknown_section(line: usize, key: &str) -> JobError {
    let near = || nearest(key, top().map(|section| (section.name, section.name))).map(meant);
    let all = || format!("there are {}", top().map(|section| section.name).collect::<Vec<_>>().join(", "));
    let hint = home_of(key, "").or_else(near).unwrap_or_else(all);
    JobError::UnknownKey { line, key: key.to_owned(), place: "at the top level".to_owned(), hint }
}

/// The nearest key here, by its own name or its flag's, else the section that has this very key, else all keys there
/// are.
fn unknown_key(line: usize, section: &Section, key: &str) -> JobError {
    let names = section.keys.iter().flat_map(|known| names(known).map(|name| (name, known.name)));
    let all = || format!("there are {}", section.keys.iter().map(|known| known.name).collect::<Vec<_>>().join(", "));
    let hint = nearest(key, names).map(meant).or_else(|| home_of(key, section.name)).unwrap_or_else(all);
    JobError::UnknownKey { line, key: key.to_owned(), place: format!("in [{}]", section.name), hint }
}

fn meant(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// Another section that has exactly this key.
fn home_of(key: &str, besides: &str) -> Option<String> {
    let keys = top().filter(|section| section.name != besides).flat_map(|section| section.keys);
    let home = keys.into_iter().find(|known| names(known).any(|name| name == key))?;
    Some(format!("`{}` belongs in [{}]", home.name, home.section))
}

/// What a key goes by: its name, and what people write on the command line.
fn names(key: &Key) -> impl Iterator<Item = &'static str> {
    std::iter::once(key.name).chain(key.flag.map(|flag| flag.name))
}

/// Of pairs of a name and what it stands for, what the nearest name stands for.
fn nearest(key: &str, names: impl Iterator<Item = (&'static str, &'static str)>) -> Option<&'static str> {
    // A key of a hostile file may be long, and the distance is quadratic.
    let key: String = key.to_lowercase().chars().take(64).collect();
    names
        .map(|(name, stands_for)| (strsim::normalized_damerau_levenshtein(&key, name), stands_for))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, stands_for)| stands_for)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
