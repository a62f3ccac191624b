//! Floats that nobody could read: `serde_json` counts with `arbitrary_precision` in this build (the ledger's client
//! library turns it on), and a number that a flattened, an untagged or an internally tagged type holds back for a
//! second look is then no float any more. Writing one is fine, so that only types that are read count.

use std::collections::BTreeSet;
use std::ops::Range;

use super::rust::{Token, tokens};
use super::{Breach, Repository, Rust, Source};

/// The types that hold a float where it cannot be read.
#[must_use]
pub fn unreadable(repository: &Repository) -> Vec<Breach> {
    let sources: Vec<(&Source, &Rust)> = repository.rust().filter(|(source, _)| !source.test).collect();
    let found = sources.iter().map(|(source, rust)| Room {
        source,
        folder: repository.crate_of(&source.path),
        types: types(rust),
    });
    let house = Types(found.collect());
    let mut breaches = Vec::new();
    for room in &house.0 {
        let float = |words: &[Token<'_>]| words.iter().any(|word| house.has_float(word.text, room));
        for found in room.types.iter().filter(|found| found.read) {
            if (found.held_back && float(&found.body)) || found.flattened.iter().any(|field| float(field)) {
                let advice = format!(
                    "`{}` holds a float in a flattened, untagged or internally tagged type, which cannot be read back: \
                     name the fields, or put the tag beside the content",
                    found.name
                );
                breaches.push(room.source.breach(found.at, advice));
            }
        }
    }
    breaches
}

/// Every type of the house, by the file that defines it.
struct Types<'a>(Vec<Room<'a>>);

struct Room<'a> {
    source: &'a Source,
    /// The crate's.
    folder: Option<&'a str>,
    types: Vec<Type<'a>>,
}

impl<'a> Types<'a> {
    /// Whether a word in a file means a float, or a type that holds one however deep.
    fn has_float(&'a self, word: &'a str, room: &'a Room<'a>) -> bool {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![(word, room)];
        while let Some((word, room)) = waiting.pop() {
            if matches!(word, "f32" | "f64") {
                return true;
            }
            for (found, home) in self.called(word, room) {
                if seen.insert((&home.source.path, found.at)) {
                    waiting.extend(found.body.iter().map(|word| (word.text, home)));
                }
            }
        }
        false
    }

    /// The types that a name may mean in a file: its own, else its crate's, else any.
    fn called(&'a self, name: &str, room: &Room<'_>) -> Vec<(&'a Type<'a>, &'a Room<'a>)> {
        let all = self.0.iter().flat_map(|home| home.types.iter().map(move |found| (found, home)));
        let mut all: Vec<_> = all.filter(|(found, _)| found.name == name).collect();
        let near = |home: &Room<'_>| (home.source.path == room.source.path, home.folder == room.folder);
        let nearest = all.iter().map(|(_, home)| near(home)).max();
        all.retain(|(_, home)| Some(near(home)) == nearest);
        all
    }
}

/// A struct or an enum.
struct Type<'a> {
    at: usize,
    name: &'a str,
    /// Whether it derives `Deserialize`.
    read: bool,
    /// Whether it is untagged or internally tagged.
    held_back: bool,
    body: Vec<Token<'a>>,
    /// The types of its flattened fields.
    flattened: Vec<Vec<Token<'a>>>,
}

fn types(rust: &Rust) -> Vec<Type<'_>> {
    let attributes = rust.attributes();
    let blank = blanked(&rust.code, &attributes);
    // Attributes are not part of what stands between two items: their words are looked at alone.
    let all = tokens(&rust.code);
    let mut types = Vec::new();
    for (index, word) in all.iter().enumerate() {
        let is_type = matches!(word.text, "struct" | "enum") && blank[word.at];
        let Some(name) = all.get(index + 1).filter(|_| is_type) else { continue };
        let end = body_end(&all[index..]);
        let body: Vec<Token<'_>> =
            all[index + 2..index + end].iter().filter(|token| blank[token.at]).copied().collect();
        let above = attributes_above(&all[..index], &attributes);
        let said = |range: &Range<usize>| tokens(&rust.code[range.clone()]).into_iter().map(|token| token.text);
        let words: Vec<&str> = above.iter().copied().flat_map(said).collect();
        let within = name.at..all.get(index + end).map_or(rust.code.len(), |token| token.at);
        let flattened = attributes.iter().filter(|range| within.contains(&range.start));
        let flattened = flattened.filter(|range| said(range).any(|word| word == "flatten"));
        types.push(Type {
            at: name.at,
            name: name.text,
            read: words.contains(&"Deserialize"),
            held_back: words.contains(&"untagged") || (words.contains(&"tag") && !words.contains(&"content")),
            body,
            flattened: flattened.map(|range| field_type(&all, range.end)).collect(),
        });
    }
    types
}

/// For each byte, whether it lies outside of all attributes.
fn blanked(code: &str, attributes: &[Range<usize>]) -> Vec<bool> {
    let mut outside = vec![true; code.len()];
    for range in attributes {
        outside[range.clone()].fill(false);
    }
    outside
}

/// How many tokens a type takes from its first word on.
fn body_end(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_i32;
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" if depth == 1 => return index + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// The attributes right above an item whose first word comes after `before`.
fn attributes_above<'r>(before: &[Token<'_>], attributes: &'r [Range<usize>]) -> Vec<&'r Range<usize>> {
    let mut rest = before;
    let mut above = Vec::new();
    while let Some(last) = rest.last() {
        if let Some(range) = attributes.iter().find(|range| range.contains(&last.at)) {
            above.push(range);
            rest = &rest[..rest.iter().position(|token| range.contains(&token.at)).unwrap_or(0)];
        } else if matches!(last.text, "pub" | "(" | ")" | "crate" | "super" | "in" | "self" | "::") {
            rest = &rest[..rest.len() - 1];
        } else {
            break;
        }
    }
    above
}

/// The words of the type of the field that follows an attribute.
fn field_type<'a>(tokens: &[Token<'a>], from: usize) -> Vec<Token<'a>> {
    let after = tokens.iter().skip_while(|token| token.at < from || token.text != ":");
    let mut depth = 0_i32;
    let ends = move |token: &&Token<'_>| {
        depth += i32::from(matches!(token.text, "(" | "[" | "<")) - i32::from(matches!(token.text, ")" | "]" | ">"));
        depth >= 0 && token.text != "}" && (depth > 0 || token.text != ",")
    };
    after.skip(1).take_while(ends).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::{Repository, unreadable};

    #[test]
    fn a_float_that_cannot_be_read_back_is_found() {
        let flattened = "#[derive(Serialize, Deserialize)]\npub struct Row {\n    share: f64,\n    \
                         #[serde(flatten)]\n    part: Option<Part>,\n    last: u8,\n}\n";
        let part = "#[derive(Deserialize)]\nstruct Part { times: Vec<Timing> }\nstruct Timing(f32);\n";
        let whole = "#[derive(Deserialize)]\nstruct Part { count: u64 }\n";
        let tagged =
            "#[derive(Debug, Deserialize)]\n#[serde(tag = \"type\")]\npub(crate) enum Event { A { loss: f32 }, B }\n";
        let untagged = tagged.replace("tag = \"type\"", "untagged");
        let written = tagged.replace("Deserialize", "Serialize");
        let plain = tagged.replace("#[serde(tag = \"type\")]", "");
        let found = |texts: &[(&str, &str)]| -> Vec<usize> {
            unreadable(&Repository::planted(texts)).iter().map(|breach| breach.line).collect()
        };
        assert_eq!(found(&[("a/src/lib.rs", &format!("{flattened}{part}"))]), [2]);
        assert_eq!(found(&[("a/src/lib.rs", &format!("{flattened}{whole}")), ("b/src/lib.rs", part)]), [0; 0]);
        assert_eq!(found(&[("a/src/lib.rs", flattened), ("b/src/lib.rs", part)]), [2]);
        assert_eq!(found(&[("a/src/lib.rs", tagged)]), [3]);
        assert_eq!(found(&[("a/src/lib.rs", &untagged)]), [3]);
        assert_eq!(found(&[("a/src/lib.rs", &written)]), [0; 0]);
        assert_eq!(found(&[("a/src/lib.rs", &plain)]), [0; 0]);
    }
}
