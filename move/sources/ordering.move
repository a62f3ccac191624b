/// The order of addresses and hashes: by their bytes.
module cotrain::ordering {
    use std::bcs;
    use std::vector;

    /// Whether `a` stands before `b`; both have the same length.
    public fun bytes_less(a: &vector<u8>, b: &vector<u8>): bool {
        let i = 0;
        let length = vector::length(a);
        while (i < length) {
            let x = *vector::borrow(a, i);
            let y = *vector::borrow(b, i);
            if (x != y) return x < y;
            i = i + 1;
        };
        false
    }

    /// The place at which `key` keeps the ascending `list` in order.
    public fun position(list: &vector<address>, key: address): u64 {
        let bytes = bcs::to_bytes(&key);
        let low = 0;
        let high = vector::length(list);
        while (low < high) {
            let middle = (low + high) / 2;
            if (bytes_less(&bcs::to_bytes(vector::borrow(list, middle)), &bytes)) {
                low = middle + 1
            } else {
                high = middle
            }
        };
        low
    }
}
