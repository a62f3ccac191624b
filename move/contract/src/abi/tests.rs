//! The page `move/CONTRACT.md` and the code say the same.

use crate::{Abort, Type, abi};

const PAGE: &str = include_str!("../../../CONTRACT.md");

#[test]
fn the_table_of_aborts_is_the_codes() {
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|row| row.len() == 6 && row[2].starts_with("`E"))
        .collect();
    assert_eq!(rows.len(), Abort::ALL.len());
    for (row, abort) in rows.iter().zip(Abort::ALL) {
        let category = row[3].rsplit('(').next().unwrap().trim_end_matches(')');
        assert_eq!(row[1], abort.reason().to_string());
        assert_eq!(row[2], format!("`{}`", abort.name()));
        assert_eq!(category, (abort.code() >> 16).to_string(), "{}", abort.name());
        assert_eq!(abort.code() & 0xffff, abort.reason());
        assert_eq!(row[4], abort.doc());
        assert_eq!(Abort::from_code(abort.code()), Some(abort));
    }
    assert_eq!(Abort::from_code(0), None);
    assert_eq!(Abort::Paused.to_string(), "EPAUSED(0x30003): the contract is paused");
}

#[test]
fn the_functions_are_the_pages() {
    // An item may go over several lines, which the page indents.
    let page = PAGE.replace("\n  ", " ");
    let items: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("- `")).collect();
    let signature = |item: &str| item.split('`').next().unwrap().to_owned();
    let written: Vec<String> = items.into_iter().map(signature).filter(|item| item.contains('(')).collect();
    let names: Vec<&str> = written.iter().map(|item| item.split('(').next().unwrap()).collect();
    assert_eq!(names, abi().iter().map(|function| function.name).collect::<Vec<_>>());
    for (item, function) in written.iter().zip(abi()) {
        let (params, returns) = item.split_once('(').unwrap().1.split_once(')').unwrap();
        let params: Vec<&str> =
            params.split(", ").filter(|p| !p.is_empty()).map(|p| p.split(": ").nth(1).unwrap()).collect();
        assert_eq!(params, names_of(function.params), "{}", function.name);
        let returns = returns.trim_start_matches(": ").trim_matches(['(', ')']);
        let returns: Vec<&str> = returns.split(", ").filter(|r| !r.is_empty()).collect();
        assert_eq!(returns, names_of(function.returns), "{}", function.name);
        assert_eq!(function.is_entry, function.params.first() == Some(&Type::Signer));
        assert_ne!(function.is_entry, function.is_view);
    }
}

fn names_of(types: &[Type]) -> Vec<String> {
    types.iter().map(|ty| ty.name().replace("0x1::string::", "")).collect()
}
