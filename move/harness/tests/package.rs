//! The package's own unit tests, and its agreement with `CONTRACT.md`.

use std::{collections::BTreeMap, error::Error, fs, process::Command};

use move_harness::package_dir;

type Outcome = Result<(), Box<dyn Error>>;

/// How many unit tests the package has; a test that is lost must be missed.
const UNIT_TESTS: usize = 150;

#[test]
fn move_unit_tests_pass() -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_move-harness")).output()?;
    let report = String::from_utf8_lossy(&output.stdout);
    let expected = format!("Total tests: {UNIT_TESTS}; passed: {UNIT_TESTS}; failed: 0");
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    assert!(report.contains(&expected), "expected {expected:?} in\n{report}");
    Ok(())
}

/// A row of the table of aborts: the name, and its category and reason.
fn documented() -> Result<BTreeMap<String, (u64, u64)>, Box<dyn Error>> {
    let text = fs::read_to_string(package_dir().join("CONTRACT.md"))?;
    let rows = text.lines().filter(|line| line.contains("| `E") && !line.contains("_MAX"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let category = cells[3].split(['(', ')']).nth(1).ok_or("a category without a number")?;
        Ok((cells[2].trim_matches('`').to_owned(), (category.parse()?, cells[1].parse()?)))
    })
    .collect()
}

fn source() -> std::io::Result<String> {
    fs::read_to_string(package_dir().join("sources/training_rewards.move"))
}

#[test]
fn abort_codes_agree_with_the_contract() -> Outcome {
    let documented = documented()?;
    assert_eq!(documented.len(), 30);
    let source = source()?;
    let mut defined = BTreeMap::new();
    for (doc, line) in source.lines().zip(source.lines().skip(1)) {
        if let Some(constant) = line.trim().strip_prefix("const E")
            && let Some((name, reason)) = constant.split_once(": u64 = ")
            && let Ok(reason) = reason.trim_end_matches(';').parse::<u64>()
            && doc.trim().starts_with("///")
        {
            defined.insert(format!("E{name}"), reason);
        }
    }
    defined.remove("EVIDENCE_BYTES_MAX");
    let reasons = documented.iter().map(|(name, &(_, reason))| (name.clone(), reason)).collect();
    assert_eq!(defined, reasons);
    Ok(())
}

#[test]
fn every_abort_is_raised_in_its_category_and_tested() -> Outcome {
    let source = source()?;
    let mut tests = String::new();
    for entry in fs::read_dir(package_dir().join("tests"))? {
        tests += &fs::read_to_string(entry?.path())?;
    }
    for (name, (category, reason)) in documented()? {
        let maker = match category {
            1 => "invalid_argument",
            2 => "out_of_range",
            3 => "invalid_state",
            5 => "permission_denied",
            6 => "not_found",
            8 => "already_exists",
            _ => return Err(format!("{name} has the unknown category {category}").into()),
        };
        let raised = source.matches(&format!("({name})")).count();
        let in_category = source.matches(&format!("error::{maker}({name})")).count();
        assert!(raised > 0 && raised == in_category, "{name} is raised {raised} times, {in_category} in its category");
        let expected =
            format!("abort_code = {}, location = cotrain::training_rewards)] // {name}\n", category * 65_536 + reason);
        assert!(tests.contains(&expected), "no test expects {name}");
    }
    Ok(())
}

/// The part of a signature that calls depend on, without line breaks.
fn signatures(text: &str, prefix: &str) -> BTreeMap<String, String> {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(").replace(" )", ")");
    let parts = flat.split(prefix).skip(1);
    let known = parts.filter_map(|part| {
        let (name, rest) = part.split_once('(')?;
        let (arguments, rest) = rest.split_once(')')?;
        let result = rest.strip_prefix(": ").and_then(|rest| rest.split(['`', '{', ';']).next()).unwrap_or_default();
        let result = result.split(" acquires").next()?.split(" =").next()?.trim();
        name.chars()
            .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
            .then(|| (name.to_owned(), format!("({arguments}){result}")))
    });
    known.collect()
}

#[test]
fn calls_have_the_signatures_of_the_contract() -> Outcome {
    let text = fs::read_to_string(package_dir().join("CONTRACT.md"))?;
    let documented = signatures(&text, "- `");
    let source = source()?;
    let mut defined = signatures(&source, "public entry fun ");
    defined.extend(signatures(&source, "public fun "));
    defined.remove("init_for_test");
    assert_eq!(documented.len(), 33, "{:?}", documented.keys());
    assert_eq!(defined, documented);
    Ok(())
}
