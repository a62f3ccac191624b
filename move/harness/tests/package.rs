//! The package's own unit tests, and its agreement with `CONTRACT.md`.

use std::{collections::BTreeMap, error::Error, fs, process::Command};

use move_harness::{abi, build, package_dir};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

/// How many unit tests the package has; a test that is lost must be missed.
const UNIT_TESTS: usize = 150;
/// How many calls and views `CONTRACT.md` lists.
const CALLS: usize = 33;

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
fn bounds_agree_with_the_contract() -> Outcome {
    let text = fs::read_to_string(package_dir().join("CONTRACT.md"))?;
    let (source, mut bounds) = (source()?, 0);
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let constant = format!("const {}: u64 = {};", cells[1].trim_matches('`'), cells[2].replace(',', ""));
        assert!(source.contains(&constant), "the source lacks {constant:?}");
        bounds += 1;
    }
    assert_eq!(bounds, 7);
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

/// The calls of `CONTRACT.md`: the name, the types of the parameters, those of the results.
type Calls = BTreeMap<String, (Vec<String>, Vec<String>)>;

fn documented_calls() -> Result<Calls, Box<dyn Error>> {
    let text = fs::read_to_string(package_dir().join("CONTRACT.md"))?;
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut calls = Calls::new();
    for call in flat.split("- `").skip(1) {
        let (signature, _) = call.split_once('`').ok_or("a call without an end")?;
        let (name, rest) = signature.split_once('(').ok_or("a call without parameters")?;
        let (parameters, rest) = rest.split_once(')').ok_or("a call without an end of its parameters")?;
        let types =
            parameters.split(", ").filter_map(|one| one.split_once(": ")).map(|(_, kind)| known_as(kind)).collect();
        let results = rest.trim_start_matches(": ").trim_matches(['(', ')']);
        let results = results.split(", ").filter(|one| !one.is_empty()).map(known_as).collect();
        calls.insert(name.to_owned(), (types, results));
    }
    Ok(calls)
}

/// A type as the bytecode names it.
fn known_as(kind: &str) -> String {
    if kind == "String" { "0x1::string::String".to_owned() } else { kind.to_owned() }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn the_bytecode_offers_the_calls_of_the_contract() -> Outcome {
    let out = tempfile::tempdir()?;
    let modules: Result<Vec<_>, _> = build(out.path())?.iter().map(|code| abi(code)).collect();
    let modules = modules?;
    let module = modules.iter().find(|module| module["name"] == "training_rewards").ok_or("no such module")?;
    let mut offered = Calls::new();
    for function in module["exposed_functions"].as_array().ok_or("no functions")? {
        let name = function["name"].as_str().ok_or("a function without a name")?;
        assert_ne!(function["is_entry"], function["is_view"], "{name} is either a call or a view");
        offered.insert(name.to_owned(), (texts(&function["params"]), texts(&function["return"])));
    }
    let documented = documented_calls()?;
    assert_eq!(documented.len(), CALLS);
    assert_eq!(offered, documented);
    Ok(())
}
