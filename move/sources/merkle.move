/// The tree of `CONTRACT.md`: SHA3-256, leaves and nodes told apart by their first byte, so that no node passes for a
/// leaf.
module cotrain::merkle {
    use std::bcs;
    use std::hash;
    use std::vector;
    use cotrain::ordering;

    const LEAF: u8 = 0;
    const NODE: u8 = 1;

    #[view]
    /// The leaf that says what `participant` earned in the session since its start.
    public fun leaf(session_id: u64, participant: address, cumulative: u64): vector<u8> {
        let bytes = vector[LEAF];
        vector::append(&mut bytes, bcs::to_bytes(&session_id));
        vector::append(&mut bytes, bcs::to_bytes(&participant));
        vector::append(&mut bytes, bcs::to_bytes(&cumulative));
        hash::sha3_256(bytes)
    }

    /// The parent of two nodes, whichever stood left.
    public fun parent(a: vector<u8>, b: vector<u8>): vector<u8> {
        let (lesser, greater) = if (ordering::bytes_less(&a, &b)) (a, b) else (b, a);
        let bytes = vector[NODE];
        vector::append(&mut bytes, lesser);
        vector::append(&mut bytes, greater);
        hash::sha3_256(bytes)
    }

    #[view]
    /// The root to which a leaf leads through the siblings on its way up.
    public fun root(leaf: vector<u8>, proof: vector<vector<u8>>): vector<u8> {
        let node = leaf;
        let i = 0;
        while (i < vector::length(&proof)) {
            node = parent(node, *vector::borrow(&proof, i));
            i = i + 1;
        };
        node
    }
}
