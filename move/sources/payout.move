/// The vault: an object that holds the pools of all sessions in one fungible asset. The only module that knows the
/// asset, so that another one, or a stand-in in tests, changes nothing else.
module cotrain::payout {
    use std::signer;
    use aptos_framework::fungible_asset::Metadata;
    use aptos_framework::object::{Self, ExtendRef, Object, ObjectCore};
    use aptos_framework::primary_fungible_store;
    friend cotrain::training_rewards;

    const SEED: vector<u8> = b"cotrain vault";

    /// The right to sign for the vault.
    struct Vault has key {
        extend_ref: ExtendRef
    }

    /// Makes the vault under the module's address.
    public(friend) fun create_vault(deployer: &signer) {
        let constructor = object::create_named_object(deployer, SEED);
        move_to(deployer, Vault { extend_ref: object::generate_extend_ref(&constructor) })
    }

    /// Who answers for the code: the publishing account, or the owner of the object to which it was published, for
    /// which nobody holds a key.
    public(friend) fun owner_of(deployer: &signer): address {
        let at = signer::address_of(deployer);
        if (object::is_object(at)) object::owner(object::address_to_object<ObjectCore>(at)) else at
    }

    /// Moves `amount` from the signer into the vault.
    public(friend) fun deposit(from: &signer, amount: u64) acquires Vault {
        if (amount > 0) {
            primary_fungible_store::transfer(from, asset(), vault_address(), amount)
        }
    }

    /// Pays `amount` out of the vault.
    public(friend) fun pay(to: address, amount: u64) acquires Vault {
        if (amount > 0) {
            let vault = object::generate_signer_for_extending(&borrow_global<Vault>(@cotrain).extend_ref);
            primary_fungible_store::transfer(&vault, asset(), to, amount)
        }
    }

    /// What an account holds of the asset.
    public fun balance(account: address): u64 {
        primary_fungible_store::balance(account, asset())
    }

    /// What the vault holds.
    public fun vault_balance(): u64 acquires Vault {
        balance(vault_address())
    }

    fun asset(): Object<Metadata> {
        object::address_to_object<Metadata>(@payout_asset)
    }

    fun vault_address(): address acquires Vault {
        object::address_from_extend_ref(&borrow_global<Vault>(@cotrain).extend_ref)
    }

    #[test_only]
    public fun owner_of_for_test(deployer: &signer): address {
        owner_of(deployer)
    }
}
