use super::*;
use proptest::prelude::*;

fn shard() -> TokenShard {
    TokenShard { vocabulary: 264, tokens: vec![0, 256, 97, 263] }
}

#[test]
fn is_laid_out_as_documented() {
    let bytes = shard().to_bytes().unwrap();
    assert_eq!(bytes[..8], [b'C', b'T', b'D', b'S', 1, 0, 2, 0]);
    assert_eq!(bytes[8..20], [8, 1, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[20..], [0, 0, 0, 1, 97, 0, 7, 1]);
}

#[test]
fn large_vocabularies_take_four_bytes() {
    let wide = TokenShard { vocabulary: 65_537, tokens: vec![65_536, 1] };
    let bytes = wide.to_bytes().unwrap();
    assert_eq!(bytes.len(), SHARD_HEADER_BYTES + 8);
    assert_eq!(TokenShard::parse(&bytes), Ok(wide));
    let narrow = TokenShard { vocabulary: 65_536, tokens: vec![65_535] };
    assert_eq!(narrow.to_bytes().unwrap().len(), SHARD_HEADER_BYTES + 2);
}

#[test]
fn each_damage_has_its_own_refusal() {
    let good = shard().to_bytes().unwrap();
    let damaged = |index: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[index] = value;
        TokenShard::parse(&bytes).unwrap_err()
    };
    assert!(matches!(damaged(0, b'X'), ShardError::Magic { .. }));
    assert!(matches!(damaged(4, 2), ShardError::Version { found: 2 }));
    assert!(matches!(damaged(6, 4), ShardError::Width { width: 4, .. }));
    assert!(matches!(damaged(12, 5), ShardError::Length { count: 5, .. }));
    assert!(matches!(damaged(19, 0xFF), ShardError::Length { .. }));
    assert!(matches!(damaged(27, 9), ShardError::TokenOutOfRange { position: 3, .. }));
    assert!(matches!(TokenShard::parse(&good[..19]), Err(ShardError::TooShort { found: 19 })));
    assert!(matches!(TokenShard::parse(&good[..27]), Err(ShardError::Length { .. })));
}

#[test]
fn does_not_write_what_it_would_not_read() {
    let bad = TokenShard { vocabulary: 3, tokens: vec![2, 3] };
    assert!(matches!(bad.to_bytes(), Err(ShardError::TokenOutOfRange { token: 3, position: 1, .. })));
}

proptest! {
    #[test]
    fn comes_back_as_it_was(vocabulary in 1u32..200_000, seeds in prop::collection::vec(any::<u32>(), 0..200)) {
        let tokens = seeds.into_iter().map(|seed| seed % vocabulary).collect();
        let shard = TokenShard { vocabulary, tokens };
        prop_assert_eq!(TokenShard::parse(&shard.to_bytes().unwrap()), Ok(shard));
    }

    #[test]
    fn hostile_bytes_are_refused_or_mean_themselves(
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        keep in 0usize..20,
    ) {
        let good = shard().to_bytes().unwrap();
        for (to, from) in bytes.iter_mut().zip(&good[..keep]) {
            *to = *from;
        }
        if let Ok(parsed) = TokenShard::parse(&bytes) {
            prop_assert_eq!(parsed.to_bytes().unwrap(), bytes);
        }
    }
}
