//! Pieces against BLAKE3 of the whole.

use super::{PieceError, PieceList, PieceListBuilder};
use crate::{
    Hash,
    limits::{PIECE_BYTES, PIECES_MAX},
};

fn blob(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8 ^ (index >> 16) as u8).collect()
}

const LENGTHS: [usize; 9] = [
    0,
    1,
    PIECE_BYTES - 1,
    PIECE_BYTES,
    PIECE_BYTES + 1,
    2 * PIECE_BYTES,
    3 * PIECE_BYTES + 5,
    5 * PIECE_BYTES,
    7 * PIECE_BYTES + 1_025,
];

#[test]
fn the_list_merges_to_the_plain_hash() {
    for length in LENGTHS {
        let bytes = blob(length);
        let list = PieceList::of(&bytes).unwrap();
        assert_eq!(list.hash(), Hash::of(&bytes), "{length} bytes");
        assert_eq!(PieceList::verified(Hash::of(&bytes), length as u64, list.values().to_vec()), Ok(list));
    }
}

#[test]
fn every_piece_verifies_alone() {
    for length in LENGTHS {
        let bytes = blob(length);
        let list = PieceList::of(&bytes).unwrap();
        for index in (0..list.pieces() as u32).rev() {
            let (start, size) = list.range(index).unwrap();
            let piece = &bytes[start as usize..start as usize + size];
            assert_eq!(list.verify_piece(index, piece), Ok(()), "piece {index} of {length} bytes");
        }
        assert_eq!(list.range(list.pieces() as u32), None);
    }
}

#[test]
fn a_changed_piece_is_refused() {
    let bytes = blob(2 * PIECE_BYTES + 10);
    let list = PieceList::of(&bytes).unwrap();
    let mut piece = bytes[PIECE_BYTES..2 * PIECE_BYTES].to_vec();
    piece[77] ^= 1;
    assert_eq!(list.verify_piece(1, &piece), Err(PieceError::Piece(1)));
}

#[test]
fn a_piece_in_another_place_is_refused() {
    let bytes = [vec![3_u8; PIECE_BYTES], vec![3_u8; PIECE_BYTES]].concat();
    let list = PieceList::of(&bytes).unwrap();
    assert_ne!(list.values()[0], list.values()[1], "the place is part of the value");
}

#[test]
fn a_piece_of_another_length_is_refused() {
    let bytes = blob(PIECE_BYTES + 10);
    let list = PieceList::of(&bytes).unwrap();
    let expected = PieceError::Length { index: 1, found: 9, expected: 10 };
    assert_eq!(list.verify_piece(1, &bytes[PIECE_BYTES..PIECE_BYTES + 9]), Err(expected));
    assert_eq!(list.verify_piece(2, &[]), Err(PieceError::Index { index: 2, pieces: 2 }));
}

#[test]
fn a_list_of_another_blob_is_refused() {
    let bytes = blob(3 * PIECE_BYTES);
    let mut values = PieceList::of(&bytes).unwrap().values().to_vec();
    values.swap(0, 1);
    assert_eq!(
        PieceList::verified(Hash::of(&bytes), bytes.len() as u64, values),
        Err(PieceError::List(Hash::of(&bytes)))
    );
}

#[test]
fn a_list_of_another_length_is_refused() {
    let bytes = blob(3 * PIECE_BYTES);
    let values = PieceList::of(&bytes).unwrap().values().to_vec();
    let refused = PieceList::verified(Hash::of(&bytes), 4 * PIECE_BYTES as u64, values);
    assert_eq!(refused, Err(PieceError::Count { found: 3, expected: 4 }));
}

#[test]
fn a_blob_of_too_many_pieces_is_refused() {
    let bytes = (PIECES_MAX * PIECE_BYTES) as u64;
    assert!(PieceListBuilder::new(bytes).is_ok());
    assert_eq!(PieceListBuilder::new(bytes + 1).unwrap_err(), PieceError::TooLarge(bytes + 1));
    assert_eq!(PieceListBuilder::new(u64::MAX).unwrap_err(), PieceError::TooLarge(u64::MAX));
}

#[test]
fn a_list_built_with_a_piece_missing_is_refused() {
    let builder = PieceListBuilder::new(PIECE_BYTES as u64 + 1).unwrap();
    assert_eq!(builder.finish(), Err(PieceError::Count { found: 0, expected: 2 }));
}
