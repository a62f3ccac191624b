//! Unknown keys, found with their line before the values are read, so that a slip of the pen never falls back to a
//! default in silence.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use super::{CodecSection, CodecStage, Job, JobError, ModelSection};

/// Names further apart than this share of their length are not offered as what was meant.
const SIMILARITY_MIN: f64 = 0.5;

/// Every key of a job as `section.key`, in alphabetical order.
#[must_use]
pub fn known_keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (section, value) in schema() {
        for key in value.as_table().into_iter().flat_map(|table| table.keys()) {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

/// Refuses text that is not TOML and the first key that no job has.
pub(super) fn check(text: &str) -> Result<(), JobError> {
    let document = DeTable::parse(text).map_err(|error| syntax(text, &error))?;
    let schema = schema();
    check_table(text, "", document.get_ref(), &schema)
}

/// A parser's error with its line.
pub(super) fn syntax(text: &str, error: &toml::de::Error) -> JobError {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    JobError::Syntax { line, message: error.message().to_owned() }
}

/// A job in which every optional key is present.
fn schema() -> toml::Table {
    let codec = CodecSection { schedule: vec![CodecStage::default()], ..CodecSection::default() };
    let job = Job { model: ModelSection::every_key(), codec, ..Job::default() };
    // A table always: the default job is made of sections.
    toml::Table::try_from(&job).unwrap_or_default()
}

fn check_table(text: &str, section: &str, table: &DeTable<'_>, known: &toml::Table) -> Result<(), JobError> {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let Some(expected) = known.get(name) else {
            return Err(unknown(line_of(text, key.span().start), section, name, known));
        };
        let below = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        check_value(text, &below, value.get_ref(), expected)?;
    }
    Ok(())
}

fn check_value(text: &str, section: &str, value: &DeValue<'_>, known: &toml::Value) -> Result<(), JobError> {
    match (value, known) {
        (DeValue::Table(table), toml::Value::Table(known)) => check_table(text, section, table, known),
        (DeValue::Array(items), toml::Value::Array(known)) => {
            let Some(known) = known.first() else { return Ok(()) };
            items.iter().try_for_each(|item| check_value(text, section, item.get_ref(), known))
        }
        // A value of another kind is the deserialiser's to refuse, which knows what it wants.
        _ => Ok(()),
    }
}

fn unknown(line: usize, section: &str, key: &str, known: &toml::Table) -> JobError {
    let place = if section.is_empty() { "at the top level".to_owned() } else { format!("in [{section}]") };
    JobError::UnknownKey { line, key: key.to_owned(), place, hint: hint(section, key, known) }
}

/// The nearest key here, else the section that has this very key, else all keys there are. At the top level, where
/// every key is a section, a misplaced key is the likelier slip.
fn hint(section: &str, key: &str, known: &toml::Table) -> String {
    let near = nearest(key, known.keys().map(String::as_str)).map(|name| format!("did you mean `{name}`?"));
    let elsewhere = home_of(section, key).map(|other| format!("`{key}` belongs in [{other}]"));
    let choice = if section.is_empty() { elsewhere.or(near) } else { near.or(elsewhere) };
    if let Some(choice) = choice {
        return choice;
    }
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    format!("there are {}", names.join(", "))
}

/// Another section that has exactly this key.
fn home_of(section: &str, key: &str) -> Option<String> {
    let has = |value: &toml::Value| value.as_table().is_some_and(|table| table.contains_key(key));
    schema().into_iter().find(|(name, value)| name != section && has(value)).map(|(name, _)| name)
}

fn nearest<'a>(key: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A key of a hostile file may be long, and the distance is quadratic.
    let key: String = key.to_lowercase().chars().take(64).collect();
    names
        .map(|name| (strsim::normalized_damerau_levenshtein(&key, name), name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, name)| name)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
