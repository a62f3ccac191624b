use super::{PROOF_MAX, Tree, leaf, node, verify};
use proptest::prelude::*;
use sha3::{Digest, Sha3_256};
use std::collections::BTreeMap;

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    Sha3_256::digest(parts.concat()).into()
}

#[test]
fn sha3_is_the_standards() {
    let empty = [0xa7, 0xff, 0xc6, 0xf8, 0xbf, 0x1e, 0xd7, 0x66, 0x51, 0xc1, 0x47, 0x56, 0xa0, 0x61, 0xd6, 0x62];
    assert_eq!(hash(&[])[..16], empty);
}

#[test]
fn leaves_and_nodes_are_the_contracts() {
    let address = [7; 32];
    let expected = hash(&[&[0], &3_u64.to_le_bytes(), &address, &500_u64.to_le_bytes()]);
    assert_eq!(leaf(3, &address, 500), expected);
    let (low, high) = ([1; 32], [2; 32]);
    assert_eq!(node(&low, &high), hash(&[&[1], &low, &high]));
    assert_eq!(node(&high, &low), node(&low, &high));
}

#[test]
fn one_leaf_is_the_root_and_an_odd_one_goes_up_unchanged() {
    let accounts: Vec<[u8; 32]> = (1..=3).map(|byte| [byte; 32]).collect();
    let single = Tree::new(1, BTreeMap::from([(accounts[0], 5)])).unwrap();
    assert_eq!(single.root(), leaf(1, &accounts[0], 5));
    assert_eq!(single.proof(&accounts[0]), Some((5, vec![])));
    let three = Tree::new(1, accounts.iter().map(|account| (*account, 5)).collect()).unwrap();
    let leaves: Vec<_> = accounts.iter().map(|account| leaf(1, account, 5)).collect();
    let pair = node(&leaves[0], &leaves[1]);
    assert_eq!(three.root(), node(&pair, &leaves[2]));
    assert_eq!(three.proof(&accounts[2]), Some((5, vec![pair])));
    assert_eq!(three.proof(&[9; 32]), None);
    assert_eq!(three.total(), Some(15));
    assert_eq!(Tree::new(1, BTreeMap::new()), None);
}

#[test]
fn a_proof_above_the_bound_never_verifies() {
    let start = leaf(1, &[1; 32], 1);
    let siblings = vec![[3; 32]; PROOF_MAX + 1];
    let root = |proof: &[[u8; 32]]| proof.iter().fold(start, |below, sibling| node(&below, sibling));
    assert!(verify(&root(&siblings[1..]), start, &siblings[1..]));
    assert!(!verify(&root(&siblings), start, &siblings));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_account_proves_its_own_amount_and_no_other(
        amounts in prop::collection::btree_map(any::<[u8; 32]>(), any::<u64>(), 1..70),
        session in any::<u64>(),
    ) {
        let tree = Tree::new(session, amounts.clone()).unwrap();
        for (address, amount) in &amounts {
            let (cumulative, proof) = tree.proof(address).unwrap();
            prop_assert_eq!(cumulative, *amount);
            prop_assert!(verify(&tree.root(), leaf(session, address, *amount), &proof));
            prop_assert!(!verify(&tree.root(), leaf(session, address, amount ^ 1), &proof));
            prop_assert!(!verify(&tree.root(), leaf(session ^ 1, address, *amount), &proof));
            for cut in 0..proof.len() {
                let mut altered = proof.clone();
                altered[cut][0] ^= 1;
                prop_assert!(!verify(&tree.root(), leaf(session, address, *amount), &altered));
            }
        }
    }
}
