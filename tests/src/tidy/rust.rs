//! Rust as text: what is code, what a comment, what a literal, and which of it only tests see.
//!
//! Invariant: each view has the length and the lines of the text it was made from, with spaces for what it leaves out,
//! so that a place in one is the same place in all.

use std::ops::Range;

/// A file of Rust in views of itself.
#[derive(Debug)]
pub struct Rust {
    /// The code outside of comments, literals and what only tests see.
    pub code: String,
    /// As `code`, with what only tests see.
    pub whole_code: String,
    /// What stands in the literals.
    pub literals: String,
    /// What only tests see, as ranges of bytes.
    pub tests: Vec<Range<usize>>,
}

/// A word or a sign of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub at: usize,
    pub text: &'a str,
}

/// What a byte of a text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Rust {
    #[must_use]
    pub fn read(text: &str) -> Self {
        let kinds = kinds(text);
        let view = |kept: Kind| masked(text, |at| kinds[at] == kept);
        let whole_code = view(Kind::Code);
        let tests = tests(&whole_code);
        let mut seen = vec![true; text.len()];
        tests.iter().for_each(|range| seen[range.clone()].fill(false));
        let code = masked(&whole_code, |at| seen[at]);
        Self { code, whole_code, literals: view(Kind::Literal), tests }
    }

    /// The names of the modules in files of their own that only tests see.
    #[must_use]
    pub fn test_modules(&self) -> Vec<String> {
        let modules = self.tests.iter().filter_map(|range| {
            let tokens = tokens(&self.whole_code[range.clone()]);
            let at = tokens.iter().position(|token| token.text == "mod")?;
            let [name, end] = tokens.get(at + 1..at + 3)? else { return None };
            (end.text == ";").then(|| name.text.to_owned())
        });
        modules.collect()
    }

    /// The attributes of the code that is not for tests alone: each as its range of bytes.
    #[must_use]
    pub fn attributes(&self) -> Vec<Range<usize>> {
        let code = &self.code;
        let starts = code.match_indices('#').map(|(at, _)| at);
        let open = |at: usize| code[at + 1..].trim_start_matches('!').starts_with('[');
        starts.filter(|at| open(*at)).map(|at| at..attribute_end(code, at)).collect()
    }
}

/// The words and signs of code, in order.
#[must_use]
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut characters = code.char_indices().peekable();
    while let Some((at, first)) = characters.next() {
        if first.is_whitespace() {
            continue;
        }
        let mut end = at + first.len_utf8();
        if is_word(first) {
            while let Some((next, _)) = characters.next_if(|(_, character)| is_word(*character)) {
                end = next + code[next..].chars().next().map_or(1, char::len_utf8);
            }
        } else if first == ':' && characters.next_if(|(_, character)| *character == ':').is_some() {
            end += 1;
        }
        tokens.push(Token { at, text: &code[at..end] });
    }
    tokens
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// The text with spaces where `keep` says no, lines as they are.
fn masked(text: &str, keep: impl Fn(usize) -> bool) -> String {
    let bytes = text.bytes().enumerate().map(|(at, byte)| if byte == b'\n' || keep(at) { byte } else { b' ' });
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

/// What each byte belongs to. Quotes and slashes that open something belong to code, so that a view keeps its shape.
fn kinds(text: &str) -> Vec<Kind> {
    let bytes = text.as_bytes();
    let mut kinds = vec![Kind::Code; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let (end, kind) = if rest.starts_with("//") {
            (at + rest.find('\n').unwrap_or(rest.len()), Kind::Comment)
        } else if rest.starts_with("/*") {
            (at + block_comment(rest), Kind::Comment)
        } else if let Some(length) = raw_string(rest).filter(|_| !follows_word(text, at)) {
            (at + length, Kind::Literal)
        } else if rest.starts_with('"') {
            (at + quoted(rest, b'"'), Kind::Literal)
        } else if rest.starts_with('\'') && is_character(rest) {
            (at + quoted(rest, b'\''), Kind::Literal)
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        kinds[at..end].fill(kind);
        at = end;
    }
    kinds
}

fn follows_word(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_some_and(is_word)
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a raw string that begins here (`r"`, `br#"`), if one does.
fn raw_string(rest: &str) -> Option<usize> {
    let after = ["br", "cr", "r"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let opened = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |length| opened + length + end.len()))
}

/// The length of a literal between two quotes.
fn quoted(rest: &str, quote: u8) -> usize {
    let mut bytes = rest.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' {
            bytes.next();
        } else if byte == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// Whether a quote begins a character and not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut characters = rest.chars().skip(1);
    match characters.next() {
        Some('\\') => true,
        Some(_) => characters.next() == Some('\''),
        None => false,
    }
}

/// The parts of code that only tests see: what `#[cfg(test)]` and `#[test]` stand before.
fn tests(code: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for mark in ["#[cfg(test)]", "#[cfg(all(test", "#[test]"] {
        for (at, _) in code.match_indices(mark) {
            if !ranges.iter().any(|range| range.contains(&at)) {
                ranges.push(at..item_end(code, at));
            }
        }
    }
    ranges
}

/// The end of what an attribute stands before.
fn item_end(code: &str, attribute: usize) -> usize {
    const ITEMS: [&str; 16] = [
        "fn",
        "mod",
        "use",
        "impl",
        "struct",
        "enum",
        "trait",
        "type",
        "const",
        "static",
        "macro_rules",
        "pub",
        "unsafe",
        "async",
        "extern",
        "let",
    ];
    let mut at = attribute;
    while code[at..].trim_start().starts_with('#') {
        at += code[at..].len() - code[at..].trim_start().len();
        at = attribute_end(code, at);
    }
    let tokens = tokens(&code[at..]);
    let item = tokens.first().is_some_and(|first| ITEMS.contains(&first.text));
    let mut depth = 0_i32;
    for token in &tokens {
        let end = at + token.at + token.text.len();
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return at + token.at,
            "}" if depth == 1 => return end,
            ")" | "]" | "}" => depth -= 1,
            ";" if depth == 0 => return end,
            // A field or a variant.
            "," if depth == 0 && !item => return end,
            _ => {}
        }
    }
    code.len()
}

/// The end of an attribute that begins at a `#`.
fn attribute_end(code: &str, at: usize) -> usize {
    let mut depth = 0_i32;
    for (offset, byte) in code[at..].bytes().enumerate() {
        depth += i32::from(byte == b'[') - i32::from(byte == b']');
        if byte == b']' && depth == 0 {
            return at + offset + 1;
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::{Rust, tokens};

    fn words(code: &str) -> Vec<&str> {
        tokens(code).iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let rust =
            Rust::read("/* a /* b */ */ fn c<'d>() { e(\"f \\\" g\", 'h', b'\\'', r#\"i\"j\"#) } // k 'l\n/// m\n");
        assert_eq!(words(&rust.code).concat(), "fnc<'d>(){e(,,b,)}");
        assert_eq!(words(&rust.literals).concat(), "\"f\\\"g\"'h''\\''r#\"i\"j\"#");
    }

    #[test]
    fn what_only_tests_see_is_no_code_either() {
        let text = "pub fn a() {}\n#[cfg(test)]\n#[path = \"c.rs\"]\nmod b;\n\
                    struct C {\n#[cfg(test)]\nd: u8,\ne: u8,\n}\n\
                    #[cfg(test)]\nmod f {\nuse g::{h};\n#[test]\nfn i() { j(); }\n}\nfn k() {}\n";
        let rust = Rust::read(text);
        assert_eq!(words(&rust.code).concat(), "pubfna(){}structC{e:u8,}fnk(){}");
        assert_eq!(rust.test_modules(), ["b"]);
        assert_eq!(rust.code.len(), text.len());
    }
}
