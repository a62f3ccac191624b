//! The rules of the house: how wide, how long, said once, called by someone, pointing one way, made of what.

#![allow(clippy::unwrap_used, reason = "tests may, also in their helpers")]

use std::sync::OnceLock;

use tests::job::repository as root;
use tests::tidy::crates::MayKnow::{Everything, These};
use tests::tidy::crates::{House, MayKnow, uses_beyond};
use tests::tidy::packages::Rules;
use tests::tidy::{Repository, constants, documents, floats, functions, lengths, none};

fn repository() -> &'static Repository {
    static REPOSITORY: OnceLock<Repository> = OnceLock::new();
    REPOSITORY.get_or_init(|| Repository::read(&root()))
}

fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| House::of(&root()))
}

#[test]
fn no_line_is_wider_than_120_columns() {
    none(lengths::wide_lines(repository()));
}

#[test]
fn no_file_is_longer_than_400_lines_without_its_tests() {
    none(lengths::long_files(repository()));
}

/// Crates whose users are tests.
const TEST_CRATES: [&str; 2] = ["tests", "move/harness"];

/// Public functions that nothing calls yet.
const UNCALLED: &[functions::Allowed] = &[functions::Allowed {
    path: "aggregator/network/src/bench.rs",
    name: "throughput",
    reason: "called by the network bench to come",
}];

#[test]
fn every_public_function_has_a_caller_outside_of_tests() {
    none(functions::dead(repository(), |user, of| house().knows(user, of), &TEST_CRATES, UNCALLED));
}

#[test]
fn every_document_and_heading_that_is_named_is_there() {
    none(documents::dangling(repository()));
}

/// Constants of one name and one value that are no one fact, or cannot have one home.
const SAID_TWICE: &[constants::Allowed] = &[
    constants::Allowed { name: "FORMAT", reason: "each log counts the versions of its own format" },
    constants::Allowed { name: "HASH_BYTES", reason: "the ledger's hashes and those of files are two kinds" },
    constants::Allowed { name: "LENGTH_BYTES", reason: "two formats that say a length in as many bytes" },
    constants::Allowed { name: "PEERS_MAX", reason: "two tables that happen to be as long" },
    constants::Allowed { name: "VERSION", reason: "a payload and a data shard are two formats" },
];

#[test]
fn every_constant_has_one_home_or_is_tied() {
    none(constants::said_twice(repository(), SAID_TWICE));
}

#[test]
fn no_type_that_is_read_holds_a_float_behind_a_tag_or_flattened() {
    none(floats::unreadable(repository()));
}

/// The plan of the house: what of ours each crate may name.
const PLAN: &[(&str, MayKnow)] = &[
    ("disk", These(&[])),
    ("simd", These(&[])),
    ("kernels", These(&["simd"])),
    ("models", These(&["simd"])),
    ("rewards", These(&[])),
    ("contract", These(&["rewards"])),
    ("move-harness", These(&[])),
    ("protocol", These(&[])),
    ("network", These(&["protocol"])),
    ("record", These(&["contract", "disk", "protocol", "rewards"])),
    ("node", These(&["disk", "kernels", "models", "network", "protocol", "record", "rewards"])),
    ("ledger-client", These(&["contract", "disk", "rewards"])),
    ("ledger-embedded", These(&["contract", "disk"])),
    (
        "aggregator",
        These(&[
            "contract",
            "disk",
            "kernels",
            "ledger-client",
            "models",
            "network",
            "node",
            "protocol",
            "record",
            "rewards",
        ]),
    ),
    ("worker", Everything),
    ("benches", These(&["kernels", "models"])),
    ("tests", Everything),
];

/// Libraries whose types stay in a room: which of our crates may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("libp2p", &["network"]),
    ("aptos-sdk", &["ledger-client", "ledger-embedded"]),
    ("aptos-bcs", &["ledger-client", "ledger-embedded"]),
    ("reqwest", &["ledger-client"]),
    ("hyper", &["ledger-client", "ledger-embedded"]),
    ("burn", &["kernels", "models"]),
    ("burn-cubecl", &["kernels"]),
    ("cubecl", &["kernels"]),
    ("tokenizers", &["models"]),
    ("clap", &["worker"]),
    ("toml", &["node", "tests", "worker"]),
];

const TENSORS: [&str; 5] = ["burn", "cubecl", "kernels", "models", "libp2p"];

/// What a crate must build without, however far down.
const WITHOUT: &[(&str, &[&str])] = &[
    ("disk", &["burn", "libp2p", "aptos-sdk", "tokio"]),
    ("rewards", &["burn", "libp2p", "aptos-sdk", "tokio"]),
    ("contract", &["burn", "libp2p", "aptos-sdk", "tokio"]),
    ("protocol", &["burn", "kernels", "models", "libp2p", "aptos-sdk", "tokio"]),
    ("record", &["burn", "kernels", "models", "libp2p", "aptos-sdk", "tokio"]),
    ("network", &["burn", "kernels", "models", "aptos-sdk", "ledger-client"]),
    ("kernels", &["libp2p", "aptos-sdk", "protocol"]),
    ("models", &["libp2p", "aptos-sdk", "protocol", "kernels"]),
    ("ledger-client", &TENSORS),
    ("ledger-embedded", &TENSORS),
    ("node", &["aptos-sdk", "ledger-client", "ledger-embedded"]),
];

#[test]
fn dependencies_point_one_way() {
    none(house().against(PLAN, repository()));
}

#[test]
fn libraries_stay_in_their_rooms() {
    none(house().homeless(HOMES, repository()));
    none(house().burdened(WITHOUT, repository()));
}

#[test]
fn a_worker_takes_nothing_from_the_aggregator_but_the_role() {
    none(uses_beyond(repository(), "worker/src", "aggregator", &["driver"]));
}

#[test]
fn licences_sources_and_bans_are_kept() {
    none(Rules::of(repository()).refused(house()));
}
