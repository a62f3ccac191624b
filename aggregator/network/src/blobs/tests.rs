use super::*;

fn bytes_of(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index ^ (index >> 9)) as u8).collect()
}

fn request(hash: Hash, index: u32, with_list: bool) -> PieceRequest {
    PieceRequest { hash, index, with_list }
}

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("cotrain-blobs-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    path
}

fn piece(served: Served) -> Option<PieceFrame> {
    match served {
        Served::Piece(frame) => Some(frame),
        Served::File(read) => read.run().unwrap(),
        Served::Pending | Served::Missing => None,
    }
}

#[test]
fn memory_and_files_serve_the_same_pieces() {
    for len in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES - 7] {
        let (bytes, memory, disk) = (bytes_of(len), BlobStore::new(), BlobStore::new());
        let path = file(&format!("same-{len}"), &bytes);
        let hash = memory.insert(bytes.clone()).unwrap();
        assert_eq!(disk.insert_file(&path).unwrap(), hash);
        assert_eq!(hash, Hash::of(&bytes));
        let pieces = len.div_ceil(PIECE_BYTES).max(1) as u32;
        let mut whole = Vec::new();
        for index in 0..pieces {
            let a = piece(memory.serve(&request(hash, index, index == 0))).unwrap();
            let b = piece(disk.serve(&request(hash, index, index == 0))).unwrap();
            assert_eq!((a.len, &a.list, &a.bytes), (b.len, &b.list, &b.bytes));
            assert_eq!(a.len, len as u64);
            assert_eq!(a.list.len(), if index == 0 { pieces as usize * 32 } else { 0 });
            whole.extend_from_slice(&a.bytes);
        }
        assert_eq!(whole, bytes);
        assert!(piece(memory.serve(&request(hash, pieces, false))).is_none());
        assert_eq!(*memory.read(&hash).unwrap().unwrap(), bytes);
        assert_eq!(*disk.read(&hash).unwrap().unwrap(), bytes);
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_file_that_shrank_or_went_is_missing() {
    let bytes = bytes_of(PIECE_BYTES + 10);
    let (store, path) = (BlobStore::new(), file("shrinks", &bytes));
    let hash = store.insert_file(&path).unwrap();
    std::fs::write(&path, &bytes[..100]).unwrap();
    assert!(piece(store.serve(&request(hash, 0, true))).is_none());
    std::fs::remove_file(&path).unwrap();
    match store.serve(&request(hash, 0, true)) {
        Served::File(read) => assert!(read.run().is_err()),
        _ => panic!("not a file"),
    }
    assert!(matches!(store.read(&hash), Err(StoreError::File { .. })));
    assert!(matches!(store.insert_file(&path), Err(StoreError::File { .. })));
}

#[test]
fn a_removed_blob_is_missing_and_an_expected_one_is_pending() {
    let store = BlobStore::new();
    let hash = store.insert(vec![1, 2, 3]).unwrap();
    assert!(store.contains(&hash) && store.remove(&hash) && !store.remove(&hash));
    assert!(matches!(store.serve(&request(hash, 0, true)), Served::Missing));
    assert!(store.begin(&hash).is_none());
    assert!(store.begin(&hash).is_none());
    store.settle(&hash, None);
    assert!(matches!(store.serve(&request(hash, 0, true)), Served::Pending));
    store.settle(&hash, None);
    assert!(matches!(store.serve(&request(hash, 0, true)), Served::Missing));
}

#[test]
fn unfinished_transfers_are_kept_up_to_a_bound() {
    let store = BlobStore::new();
    let mut hashes = Vec::new();
    for seed in 0..PARTIALS_MAX + 2 {
        let list = PieceList::of(&vec![seed as u8; 2 * PIECE_BYTES]).unwrap();
        let hash = list.hash();
        let mut partial = Partial::new(list);
        partial.store(1, &vec![seed as u8; PIECE_BYTES]).unwrap();
        store.begin(&hash);
        store.settle(&hash, Some(partial));
        hashes.push(hash);
    }
    assert!(store.begin(&hashes[1]).is_none());
    let partial = store.begin(&hashes[2]).unwrap();
    assert_eq!((partial.stored_count(), partial.missing().make_contiguous().to_vec()), (1, vec![0]));
}

#[test]
fn a_wrong_piece_is_not_stored() {
    let bytes = bytes_of(2 * PIECE_BYTES);
    let mut partial = Partial::new(PieceList::of(&bytes).unwrap());
    let mut wrong = bytes[..PIECE_BYTES].to_vec();
    wrong[5] ^= 1;
    assert_eq!(partial.store(0, &wrong), Err(PieceError::Piece(0)));
    assert!(partial.store(0, &wrong[1..]).is_err());
    assert!(partial.store(2, &bytes[..PIECE_BYTES]).is_err());
    assert_eq!(partial.stored_count(), 0);
    partial.store(0, &bytes[..PIECE_BYTES]).unwrap();
    partial.store(0, &bytes[..PIECE_BYTES]).unwrap(); // twice is once
    assert!(!partial.is_complete());
    partial.store(1, &bytes[PIECE_BYTES..]).unwrap();
    assert!(partial.is_complete());
    assert_eq!(partial.into_parts().1, bytes);
}
