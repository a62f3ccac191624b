/// Instructions of the machine on vectors, and the few loops that the contract needs.
module std::vector {
    #[bytecode_instruction]
    native public fun empty<Element>(): vector<Element>;
    #[bytecode_instruction]
    native public fun length<Element>(self: &vector<Element>): u64;
    #[bytecode_instruction]
    native public fun borrow<Element>(self: &vector<Element>, i: u64): &Element;
    #[bytecode_instruction]
    native public fun push_back<Element>(self: &mut vector<Element>, e: Element);
    #[bytecode_instruction]
    native public fun borrow_mut<Element>(self: &mut vector<Element>, i: u64): &mut Element;
    #[bytecode_instruction]
    native public fun pop_back<Element>(self: &mut vector<Element>): Element;
    #[bytecode_instruction]
    native public fun destroy_empty<Element>(self: vector<Element>);
    #[bytecode_instruction]
    native public fun swap<Element>(self: &mut vector<Element>, i: u64, j: u64);

    public fun is_empty<Element>(self: &vector<Element>): bool {
        length(self) == 0
    }

    public fun append<Element: copy + drop>(self: &mut vector<Element>, other: vector<Element>) {
        let i = 0;
        while (i < length(&other)) {
            push_back(self, *borrow(&other, i));
            i = i + 1;
        }
    }

    /// Puts `e` at the end and lets it sink to place `i`.
    public fun insert<Element>(self: &mut vector<Element>, i: u64, e: Element) {
        push_back(self, e);
        let at = length(self) - 1;
        while (at > i) {
            swap(self, at - 1, at);
            at = at - 1;
        }
    }
}

/// Abort codes: a category above a reason of 16 bits.
module std::error {
    public fun canonical(category: u64, reason: u64): u64 {
        category * 65536 + reason
    }

    public fun invalid_argument(r: u64): u64 { canonical(1, r) }
    public fun out_of_range(r: u64): u64 { canonical(2, r) }
    public fun invalid_state(r: u64): u64 { canonical(3, r) }
    public fun permission_denied(r: u64): u64 { canonical(5, r) }
    public fun not_found(r: u64): u64 { canonical(6, r) }
    public fun already_exists(r: u64): u64 { canonical(8, r) }
}

module std::signer {
    native public fun borrow_address(s: &signer): &address;

    public fun address_of(s: &signer): address {
        *borrow_address(s)
    }
}

module std::bcs {
    native public fun to_bytes<MoveValue>(v: &MoveValue): vector<u8>;
}

module std::hash {
    native public fun sha3_256(data: vector<u8>): vector<u8>;
}

module std::string {
    /// The bytes are not UTF-8.
    const EINVALID_UTF8: u64 = 1;

    struct String has copy, drop, store {
        bytes: vector<u8>
    }

    native fun internal_check_utf8(v: &vector<u8>): bool;

    public fun utf8(bytes: vector<u8>): String {
        assert!(internal_check_utf8(&bytes), EINVALID_UTF8);
        String { bytes }
    }

    public fun bytes(self: &String): &vector<u8> {
        &self.bytes
    }

    public fun length(self: &String): u64 {
        std::vector::length(&self.bytes)
    }
}

/// The compiler's test mode looks for this module.
module std::unit_test {
    #[test_only]
    native public fun create_signers_for_testing(num_signers: u64): vector<signer>;

    public fun unit_test_poison() {}
}
