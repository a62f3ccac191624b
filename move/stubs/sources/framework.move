/// What the machine of the tests knows of the block.
module aptos_framework::block {
    native public fun get_block_info(): (u64, u64);

    #[test_only]
    native public fun set_block_info(height: u64, timestamp: u64);
}

module aptos_framework::timestamp {
    use aptos_framework::block;

    public fun now_seconds(): u64 {
        let (_, seconds) = block::get_block_info();
        seconds
    }

    #[test_only]
    public fun update_global_time_for_test_secs(timestamp_seconds: u64) {
        block::set_block_info(1, timestamp_seconds)
    }
}

module aptos_framework::event {
    public fun emit<T: store + drop>(msg: T) {
        emit_event<T>(&msg)
    }

    native fun emit_event<T: drop>(msg: &T);

    #[test_only]
    native public fun emitted_events<T: drop>(): vector<T>;
}

/// The machine's way to sign for an address; only objects use it.
module aptos_framework::account {
    friend aptos_framework::object;

    native public(friend) fun create_signer(addr: address): signer;

    native public(friend) fun create_address(bytes: vector<u8>): address;

    #[test_only]
    public fun create_signer_for_test(addr: address): signer {
        create_signer(addr)
    }

    #[test_only]
    public fun create_address_for_test(bytes: vector<u8>): address {
        create_address(bytes)
    }
}

module aptos_framework::object {
    use std::bcs;
    use std::hash;
    use std::signer;
    use std::vector;
    use aptos_framework::account;

    /// There is no object at this address.
    const ENO_OBJECT: u64 = 1;

    struct ObjectCore has key {
        owner: address
    }

    struct Object<phantom T> has copy, drop, store {
        inner: address
    }

    struct ConstructorRef has drop {
        self: address
    }

    struct ExtendRef has drop, store {
        self: address
    }

    public fun create_object_address(source: &address, seed: vector<u8>): address {
        let bytes = bcs::to_bytes(source);
        vector::append(&mut bytes, seed);
        vector::push_back(&mut bytes, 0xFE);
        account::create_address(hash::sha3_256(bytes))
    }

    public fun create_named_object(creator: &signer, seed: vector<u8>): ConstructorRef {
        let owner = signer::address_of(creator);
        let self = create_object_address(&owner, seed);
        move_to(&account::create_signer(self), ObjectCore { owner });
        ConstructorRef { self }
    }

    public fun generate_signer(ref: &ConstructorRef): signer {
        account::create_signer(ref.self)
    }

    public fun generate_extend_ref(ref: &ConstructorRef): ExtendRef {
        ExtendRef { self: ref.self }
    }

    public fun generate_signer_for_extending(ref: &ExtendRef): signer {
        account::create_signer(ref.self)
    }

    public fun address_from_extend_ref(ref: &ExtendRef): address {
        ref.self
    }

    public fun is_object(object: address): bool {
        exists<ObjectCore>(object)
    }

    public fun address_to_object<T: key>(object: address): Object<T> {
        Object { inner: object }
    }

    public fun object_address<T: key>(object: &Object<T>): address {
        object.inner
    }

    public fun owner<T: key>(object: Object<T>): address acquires ObjectCore {
        assert!(exists<ObjectCore>(object.inner), ENO_OBJECT);
        borrow_global<ObjectCore>(object.inner).owner
    }
}

module aptos_framework::fungible_asset {
    /// The type by which an asset is named; the tests never make one.
    struct Metadata has key {}
}

/// Balances of every asset, kept at the framework's address by the first mint.
module aptos_framework::primary_fungible_store {
    use std::signer;
    use aptos_std::table::{Self, Table};
    use aptos_framework::object::{Self, Object};
    friend aptos_framework::stub_faucet;

    /// The store holds less than is taken.
    const EINSUFFICIENT: u64 = 65540;

    struct Balances has key {
        of: Table<Store, u64>
    }

    struct Store has copy, drop, store {
        asset: address,
        owner: address
    }

    public fun balance<T: key>(account: address, metadata: Object<T>): u64 acquires Balances {
        if (!exists<Balances>(@aptos_framework)) return 0;
        let of = &borrow_global<Balances>(@aptos_framework).of;
        let store = Store { asset: object::object_address(&metadata), owner: account };
        if (table::contains(of, store)) *table::borrow(of, store) else 0
    }

    public fun transfer<T: key>(
        sender: &signer, metadata: Object<T>, recipient: address, amount: u64
    ) acquires Balances {
        let asset = object::object_address(&metadata);
        let owner = signer::address_of(sender);
        assert!(balance(owner, metadata) >= amount, EINSUFFICIENT);
        let held = table::borrow_mut(
            &mut borrow_global_mut<Balances>(@aptos_framework).of,
            Store { asset, owner }
        );
        *held = *held - amount;
        add(asset, recipient, amount)
    }

    public(friend) fun mint(framework: &signer, asset: address, owner: address, amount: u64) acquires Balances {
        if (!exists<Balances>(@aptos_framework)) {
            move_to(framework, Balances { of: table::new() })
        };
        add(asset, owner, amount)
    }

    fun add(asset: address, owner: address, amount: u64) acquires Balances {
        let of = &mut borrow_global_mut<Balances>(@aptos_framework).of;
        let store = Store { asset, owner };
        if (!table::contains(of, store)) table::add(of, store, 0);
        let held = table::borrow_mut(of, store);
        *held = *held + amount
    }
}

/// Only in the stand-in: makes assets out of nothing, signed by the framework's address.
module aptos_framework::stub_faucet {
    use aptos_framework::fungible_asset::Metadata;
    use aptos_framework::object;
    use aptos_framework::primary_fungible_store;

    public entry fun mint(framework: &signer, asset: address, owner: address, amount: u64) {
        primary_fungible_store::mint(framework, asset, owner, amount)
    }

    #[view]
    public fun balance(asset: address, owner: address): u64 {
        primary_fungible_store::balance(owner, object::address_to_object<Metadata>(asset))
    }
}

/// The machine of the tests hands its genesis over to this module; there is nothing to keep.
module aptos_framework::code {
    use std::string::String;

    public entry fun init_genesis(
        _chain: &signer, _module_ids: vector<String>, _allowed_publishers: vector<address>
    ) {}
}
