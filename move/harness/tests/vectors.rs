//! The Move split and Merkle tree give what the Rust ones give, on the vectors that both are tested on.

use std::{error::Error, fs};

use move_harness::{Vm, args, package_dir};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

fn vectors(name: &str) -> Result<Vec<Value>, Box<dyn Error>> {
    let text = fs::read_to_string(package_dir().join("vectors").join(name))?;
    let Value::Array(cases) = serde_json::from_str(&text)? else { return Err("the vectors are no list".into()) };
    assert!(!cases.is_empty());
    Ok(cases)
}

/// A number, which the vectors write as a string because JSON readers may round it.
fn number(value: &Value) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(args::u64(value.as_str().ok_or("a number is a string")?.parse()?))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<Vec<&'a Value>, Box<dyn Error>> {
    Ok(value[key].as_array().ok_or_else(|| format!("{key} is a list"))?.iter().collect())
}

fn column(rows: &[&Value], key: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let cells: Result<Vec<_>, _> = rows.iter().map(|row| number(&row[key])).collect();
    Ok(args::vector(&cells?))
}

/// The 32 bytes after `0x`.
fn hash(value: &Value) -> Result<[u8; 32], Box<dyn Error>> {
    let text = value.as_str().and_then(|text| text.strip_prefix("0x")).ok_or("a hash begins with 0x")?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)?;
    Ok(bytes)
}

/// Bytes as the machine shows them, with or without `0x`.
fn same_bytes(shown: &Value, expected: &Value) -> bool {
    let bare = |value: &Value| value.as_str().map(|text| text.trim_start_matches("0x").to_owned());
    bare(shown) == bare(expected)
}

#[test]
fn the_split_gives_the_vectors_results() -> Outcome {
    let mut vm = Vm::new()?;
    for case in vectors("rewards.json")? {
        let name = &case["name"];
        let mut rows = list(&case, "participants")?;
        rows.sort_by_key(|row| row["address"].as_str());
        let call = [
            number(&case["pool"])?,
            number(&case["base_percentage"])?,
            number(&case["quality_threshold"])?,
            column(&rows, "compute_time")?,
            column(&rows, "data_transmitted")?,
            column(&rows, "quality_sum")?,
            column(&rows, "uptime_sum")?,
            column(&rows, "count")?,
        ];
        let result = vm.view("reward_split::split_columns", &call)?;
        let shares = list(&case, "shares")?;
        assert_eq!(shares.len(), rows.len(), "{name}");
        for (column, key) in ["score", "base", "bonus"].into_iter().enumerate() {
            let expected: Vec<_> = shares.iter().map(|share| share[key].clone()).collect();
            assert_eq!(result[column], Value::Array(expected), "{key} of {name}");
        }
    }
    Ok(())
}

#[test]
fn the_tree_gives_the_vectors_results() -> Outcome {
    let mut vm = Vm::new()?;
    for case in vectors("merkle.json")? {
        for claim in list(&case, "claims")? {
            let call =
                [number(&case["session_id"])?, args::address(hash(&claim["address"])?), number(&claim["cumulative"])?];
            let leaf = vm.view("merkle::leaf", &call)?;
            assert!(same_bytes(&leaf, &claim["leaf"]), "{leaf} is not the leaf of {claim}");
            let proof: Result<Vec<_>, _> = list(claim, "proof")?
                .into_iter()
                .map(|sibling| hash(sibling).map(|bytes| args::bytes(&bytes)))
                .collect();
            let call = [args::bytes(&hash(&claim["leaf"])?), args::vector(&proof?)];
            let root = vm.view("merkle::root", &call)?;
            assert!(same_bytes(&root, &case["root"]), "{root} is not the root of {claim}");
        }
    }
    Ok(())
}
