//! References to documents: what a text names must be in the repository.

use super::{Breach, Repository, Source};

/// The references to documents, headings and files that are not there.
#[must_use]
pub fn dangling(repository: &Repository) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for source in &repository.sources {
        breaches.extend(named_documents(repository, source));
        breaches.extend(sections(repository, source));
        if source.path.ends_with(".md") {
            breaches.extend(links(repository, source));
        }
    }
    breaches.sort();
    breaches
}

/// Names such as `FORMAT.md`, with or without folders before them.
fn named_documents(repository: &Repository, source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (end, _) in source.text.match_indices(".md") {
        let after = &source.text[end + 3..];
        let name = trailing(&source.text[..end], |one| one.is_ascii_alphanumeric() || "_-./".contains(one));
        let stem = name.rsplit('/').next().unwrap_or(name);
        let document = stem.chars().any(|one| one.is_ascii_uppercase()) && !name.starts_with("//");
        if !document || after.starts_with(|next: char| next.is_alphanumeric()) {
            continue;
        }
        let name = format!("{name}.md");
        if find(repository, source, &name).is_none() {
            breaches.push(source.breach(end, format!("`{name}` is not in the repository: name a document that is")));
        }
    }
    breaches
}

/// Sections of documents, named after the document and a section's sign; the document's ending may be left out.
fn sections(repository: &Repository, source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (sign, _) in source.text.match_indices('§') {
        let before = source.text[..sign].trim_end_matches([' ', '`', ')']);
        let word = trailing(before, |one| one.is_ascii_alphanumeric() || "_-./".contains(one));
        let short = word.len() > 2 && word.chars().all(|one| one.is_ascii_uppercase() || one == '_');
        if !short && !word.ends_with(".md") {
            continue;
        }
        let name = if short { format!("{word}.md") } else { word.to_owned() };
        let section = source.text[sign + '§'.len_utf8()..].trim_start();
        let Some(document) = find(repository, source, &name) else {
            if short {
                breaches
                    .push(source.breach(sign, format!("`{name}` is not in the repository: name a document that is")));
            }
            continue;
        };
        if !headings(&document.text).iter().any(|heading| is_named(heading, section)) {
            breaches.push(source.breach(sign, format!("`{name}` has no section that begins like this one's name")));
        }
    }
    breaches
}

/// Whether the text after a section's sign begins with this heading, its number or its words.
fn is_named(heading: &str, section: &str) -> bool {
    let numbered = heading.split_once(' ').filter(|(number, _)| number.starts_with(|one: char| one.is_ascii_digit()));
    let (number, words) = numbered.map_or(("", heading), |(number, words)| (number.trim_end_matches('.'), words));
    let starts = |name: &str| {
        let rest =
            section.get(..name.len()).filter(|begin| begin.eq_ignore_ascii_case(name)).map(|_| &section[name.len()..]);
        !name.is_empty() && rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
    };
    starts(heading) || starts(words) || starts(number)
}

/// The links of a document, `[text](file#heading)`.
fn links(repository: &Repository, source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let prose = prose(&source.text);
    for (open, _) in prose.match_indices("](") {
        let target = &source.text[open + 2..];
        let target = target.split([')', ' ', '\n']).next().unwrap_or(target);
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = if file.is_empty() { Some(source.path.clone()) } else { resolved(&source.path, file) };
        let there = path.as_ref().is_some_and(|path| {
            let inside = format!("{path}/");
            path.is_empty() || repository.files.iter().any(|one| one == path || one.starts_with(&inside))
        });
        if !there {
            breaches.push(source.breach(open, format!("the link to `{target}` leads nowhere")));
            continue;
        }
        let document = path.and_then(|path| repository.get(&path));
        let known = document.is_some_and(|document| headings(&document.text).iter().any(|one| slug(one) == anchor));
        if !anchor.is_empty() && !known {
            breaches.push(source.breach(open, format!("`{target}`: no heading makes this anchor")));
        }
    }
    breaches
}

/// The document of this name: from the text's own folder, from its crate's, from the root, or anywhere by the end of
/// its path.
fn find<'a>(repository: &'a Repository, source: &Source, name: &str) -> Option<&'a Source> {
    let manifest = repository.crate_of(&source.path).map(|folder| format!("{folder}/Cargo.toml"));
    let bases = [Some(source.path.as_str()), manifest.as_deref(), Some("")];
    let near = bases.into_iter().flatten().filter_map(|base| resolved(base, name));
    near.filter_map(|path| repository.get(&path)).next().or_else(|| {
        let ending = format!("/{}", name.trim_start_matches('/'));
        repository.sources.iter().find(|source| !name.contains("..") && source.path.ends_with(&ending))
    })
}

/// A path relative to a file as a path from the root; none where it leaves the repository.
fn resolved(file: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The document without its blocks of code and its code between backticks, each byte in its place.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let lines = text.split_inclusive('\n').map(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if fenced || fence { blank(line, |_| true) } else { without_code(line) }
    });
    lines.collect()
}

fn without_code(line: &str) -> String {
    let mut code = false;
    let mut inside = Vec::with_capacity(line.len());
    for byte in line.bytes() {
        code ^= byte == b'`';
        inside.push(code);
    }
    blank(line, |at| inside[at])
}

fn blank(line: &str, at: impl Fn(usize) -> bool) -> String {
    let bytes = line.bytes().enumerate().map(|(place, byte)| if at(place) && byte != b'\n' { b' ' } else { byte });
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

/// The headings of a document, without their signs.
fn headings(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut headings = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced && line.starts_with('#') {
            headings.push(line.trim_start_matches('#').trim().replace('`', ""));
        }
    }
    headings
}

/// The anchor that a forge makes of a heading.
fn slug(heading: &str) -> String {
    let kept =
        heading.to_lowercase().chars().filter(|one| one.is_alphanumeric() || " -_".contains(*one)).collect::<String>();
    kept.replace(' ', "-")
}

fn trailing(text: &str, of: impl Fn(char) -> bool) -> &str {
    let start = text.char_indices().rev().take_while(|(_, one)| of(*one)).last().map_or(text.len(), |(at, _)| at);
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::{Repository, dangling};

    /// The sign of a section and a page, spelt so that these texts are no references themselves.
    const SECTION: char = '\u{a7}';

    const PAGE: &str = concat!("a/PAGE", ".md");

    fn found(texts: &[(&str, &str)]) -> Vec<String> {
        dangling(&Repository::planted(texts)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_document_that_is_not_there_is_found() {
        let document = |name: &str| format!("//! As {name}.{} says.\n", "md");
        let here = ("kernels/FORMAT.md", "# Format\n");
        assert_eq!(found(&[here, ("a/src/lib.rs", &document("FORMAT"))]), [""; 0]);
        assert_eq!(found(&[here, ("b/src/lib.rs", &document("../../kernels/FORMAT"))]), [""; 0]);
        let manifest = ("b/Cargo.toml", "[package]");
        assert_eq!(found(&[here, manifest, ("b/src/c/d.rs", &document("../kernels/FORMAT"))]), [""; 0]);
        assert_eq!(found(&[here, ("b/src/lib.rs", &document("https://example.org/OTHER"))]), [""; 0]);
        for gone in ["OTHER", "b/FORMAT", "../FORMAT"] {
            let breaches = found(&[here, ("b/src/lib.rs", &document(gone))]);
            assert!(breaches.len() == 1 && breaches[0].starts_with("b/src/lib.rs:1: "), "{breaches:?}");
        }
    }

    #[test]
    fn a_section_that_is_not_there_is_found() {
        let document = ("FORMAT.md", "# Format\n\n## 1. The header\n");
        let count = |text: &str| found(&[document, ("a.rs", &text.replace('$', &SECTION.to_string()))]).len();
        for known in ["FORMAT $ The header", "`FORMAT.md` $1, first line", "FORMAT $1. The header.", "GPT-2 $2.3"] {
            assert_eq!(count(&format!("// {known}\n")), 0, "{known}");
        }
        for gone in ["FORMAT $ The tail", "FORMAT.md $2", "FORMAT $11", "DESIGN $1"] {
            assert_eq!(count(&format!("// {gone}\n")), 1, "{gone}");
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let count = |link: &str| found(&[(PAGE, &format!("# One `two`, three\n[a]({link})\n")), ("b/c.rs", "")]).len();
        for known in ["../b/c.rs", "../b/", "..", "#one-two-three", "https://example.org/d.rs"] {
            assert_eq!(count(known), 0, "{known}");
        }
        for gone in ["b/c.rs", "../b/d.rs", "../../b", "#one", "../b/c.rs#one"] {
            assert_eq!(count(gone), 1, "{gone}");
        }
        assert_eq!(found(&[(PAGE, "`[a](b)`\n```\n[a](b)\n```\n")]), [""; 0]);
    }
}
