#[test_only]
/// What the tests start from: the contract of an admin with 10,000 of the asset, at second 1,000; accounts 0xa1 to 0xa3
/// registered; session 7 with a pool of 1,000.
module cotrain::setup {
    use std::bcs;
    use std::hash;
    use std::string;
    use std::vector;
    use aptos_framework::account;
    use aptos_framework::stub_faucet;
    use aptos_framework::timestamp;
    use cotrain::training_rewards as ledger;

    public fun signed(who: address): signer {
        account::create_signer_for_test(who)
    }

    public fun admin(): signer {
        signed(@cotrain)
    }

    public fun contract() {
        timestamp::update_global_time_for_test_secs(1000);
        ledger::init_for_test(&admin());
        stub_faucet::mint(&signed(@aptos_framework), @payout_asset, @cotrain, 10000)
    }

    public fun register(who: address) {
        ledger::register_p2p_node(&signed(who), string::utf8(b"node"), string::utf8(b"key"), 10, 20)
    }

    public fun nodes() {
        contract();
        register(@0xa1);
        register(@0xa2);
        register(@0xa3)
    }

    public fun session() {
        nodes();
        ledger::create_session(&admin(), 7, hash(1), 1000)
    }

    /// Nodes 0xa2 and 0xa1 contributed, in this order; 0xa1 with a mean quality above the threshold.
    public fun contributed() {
        session();
        submit(@0xa2, 100, 50, 50);
        submit(@0xa1, 50, 100, 100)
    }

    public fun distributed() {
        contributed();
        ledger::distribute_rewards(&admin(), 7)
    }

    public fun submit(who: address, time: u64, quality: u64, data: u64) {
        ledger::submit_detailed_contribution(&admin(), 7, who, time, quality, data, 100)
    }

    public fun root(hash: u8, total: u64) {
        ledger::publish_root(&admin(), 7, hash(hash), total)
    }

    public fun later(seconds: u64) {
        timestamp::update_global_time_for_test_secs(timestamp::now_seconds() + seconds)
    }

    /// A hash of one byte repeated.
    public fun hash(byte: u8): vector<u8> {
        bytes(byte, 32)
    }

    public fun bytes(byte: u8, length: u64): vector<u8> {
        let list = vector[];
        while (vector::length(&list) < length) vector::push_back(&mut list, byte);
        list
    }

    /// Addresses that differ, in no order.
    public fun numbered(i: u64): address {
        account::create_address_for_test(hash::sha3_256(bcs::to_bytes(&i)))
    }

    public fun held(who: address): u64 {
        stub_faucet::balance(@payout_asset, who)
    }
}
