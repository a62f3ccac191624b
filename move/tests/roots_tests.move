#[test_only]
module cotrain::roots_tests {
    use std::vector;
    use cotrain::merkle;
    use cotrain::setup::{Self, signed};
    use cotrain::training_rewards as ledger;

    #[test]
    fun a_root_waits_then_pays() {
        setup::session();
        let leaf = merkle::leaf(7, @0xa1, 300);
        let other = merkle::leaf(7, @0xa2, 200);
        ledger::publish_root(&setup::admin(), 7, merkle::parent(leaf, other), 500);
        let (root, total, pending, pending_total, at) = ledger::get_root(7);
        assert!(vector::is_empty(&root) && total == 0 && pending == merkle::parent(other, leaf), 0);
        assert!(pending_total == 500 && at == 87400, 0);
        setup::later(86400);
        let (root, total, pending, _, _) = ledger::get_root(7);
        assert!(vector::length(&root) == 32 && total == 500 && vector::is_empty(&pending), 0);
        ledger::claim(&signed(@0xa1), 7, 300, vector[other]);
        assert!(setup::held(@0xa1) == 300 && ledger::get_claimed(7, @0xa1) == 300, 0);
        ledger::publish_root(&setup::admin(), 7, merkle::leaf(7, @0xa1, 450), 700);
        setup::later(86400);
        ledger::claim(&signed(@0xa1), 7, 450, vector[]);
        assert!(setup::held(@0xa1) == 450, 0);
        ledger::close_session(&setup::admin(), 7);
        assert!(setup::held(@cotrain) == 9300 && ledger::vault_balance() == 250, 0)
    }

    #[test]
    #[expected_failure(abort_code = 196634, location = cotrain::training_rewards)] // EROOT_PENDING
    fun one_root_waits_at_a_time() {
        setup::session();
        setup::root(1, 5);
        setup::root(2, 6)
    }

    #[test]
    #[expected_failure(abort_code = 65552, location = cotrain::training_rewards)] // EINVALID_HASH
    fun a_root_is_a_hash() {
        setup::session();
        ledger::publish_root(&setup::admin(), 7, b"short", 1)
    }

    #[test]
    #[expected_failure(abort_code = 131099, location = cotrain::training_rewards)] // EPOOL_EXCEEDED
    fun a_root_stays_within_the_pool() {
        setup::session();
        setup::root(1, 1001)
    }

    #[test]
    #[expected_failure(abort_code = 131099, location = cotrain::training_rewards)] // EPOOL_EXCEEDED
    fun a_root_takes_nothing_back() {
        setup::session();
        setup::root(1, 5);
        setup::later(86400);
        setup::root(2, 4)
    }

    #[test]
    fun an_invalid_root_is_dropped() {
        setup::session();
        setup::root(1, 5);
        ledger::invalidate_root(&setup::admin(), 7, b"why");
        let (root, _, pending, total, at) = ledger::get_root(7);
        assert!(vector::is_empty(&root) && vector::is_empty(&pending) && total == 0 && at == 0, 0);
        setup::root(2, 6)
    }

    #[test]
    #[expected_failure(abort_code = 196631, location = cotrain::training_rewards)] // ETOO_LATE
    fun a_due_root_stands() {
        setup::session();
        setup::root(1, 5);
        setup::later(86400);
        ledger::invalidate_root(&setup::admin(), 7, b"why")
    }

    #[test]
    #[expected_failure(abort_code = 196631, location = cotrain::training_rewards)] // ETOO_LATE
    fun without_a_root_none_is_invalid() {
        setup::session();
        ledger::invalidate_root(&setup::admin(), 7, b"why")
    }

    #[test]
    #[expected_failure(abort_code = 65564, location = cotrain::training_rewards)] // EINVALID_EVIDENCE
    fun no_evidence_no_invalid_root() {
        setup::session();
        setup::root(1, 5);
        ledger::invalidate_root(&setup::admin(), 7, b"")
    }

    #[test]
    #[expected_failure(abort_code = 393241, location = cotrain::training_rewards)] // ENO_ROOT
    fun a_claim_needs_a_root() {
        setup::session();
        ledger::claim(&signed(@0xa1), 7, 1, vector[])
    }

    #[test]
    #[expected_failure(abort_code = 393241, location = cotrain::training_rewards)] // ENO_ROOT
    fun a_pending_root_pays_nothing() {
        setup::session();
        setup::root(1, 5);
        ledger::claim(&signed(@0xa1), 7, 1, vector[])
    }

    #[test]
    #[expected_failure(abort_code = 65549, location = cotrain::training_rewards)] // ETOO_MANY
    fun a_proof_has_a_bound() {
        setup::session();
        ledger::publish_root(&setup::admin(), 7, merkle::leaf(7, @0xa1, 300), 500);
        setup::later(86400);
        let proof = vector[];
        while (vector::length(&proof) < 33) vector::push_back(&mut proof, setup::hash(1));
        ledger::claim(&signed(@0xa1), 7, 300, proof)
    }

    #[test]
    #[expected_failure(abort_code = 65552, location = cotrain::training_rewards)] // EINVALID_HASH
    fun a_proof_is_of_hashes() {
        setup::session();
        ledger::publish_root(&setup::admin(), 7, merkle::leaf(7, @0xa1, 300), 500);
        setup::later(86400);
        ledger::claim(&signed(@0xa1), 7, 300, vector[b"short"])
    }

    #[test]
    #[expected_failure(abort_code = 65560, location = cotrain::training_rewards)] // EINVALID_PROOF
    fun a_proof_is_the_claimant_s() {
        setup::session();
        ledger::publish_root(&setup::admin(), 7, merkle::leaf(7, @0xa1, 300), 500);
        setup::later(86400);
        ledger::claim(&signed(@0xa2), 7, 300, vector[])
    }

    #[test]
    #[expected_failure(abort_code = 65560, location = cotrain::training_rewards)] // EINVALID_PROOF
    fun a_proof_is_of_the_amount() {
        setup::session();
        ledger::publish_root(&setup::admin(), 7, merkle::leaf(7, @0xa1, 300), 500);
        setup::later(86400);
        ledger::claim(&signed(@0xa1), 7, 301, vector[])
    }

    #[test]
    #[expected_failure(abort_code = 196629, location = cotrain::training_rewards)] // ENOTHING_TO_CLAIM
    fun a_root_pays_once() {
        setup::session();
        ledger::publish_root(&setup::admin(), 7, merkle::leaf(7, @0xa1, 300), 500);
        setup::later(86400);
        ledger::claim(&signed(@0xa1), 7, 300, vector[]);
        ledger::claim(&signed(@0xa1), 7, 300, vector[])
    }

    #[test]
    #[expected_failure(abort_code = 131099, location = cotrain::training_rewards)] // EPOOL_EXCEEDED
    fun a_root_pays_no_more_than_its_total() {
        setup::session();
        ledger::publish_root(&setup::admin(), 7, merkle::leaf(7, @0xa1, 300), 299);
        setup::later(86400);
        ledger::claim(&signed(@0xa1), 7, 300, vector[])
    }

    #[test]
    #[expected_failure(abort_code = 196634, location = cotrain::training_rewards)] // EROOT_PENDING
    fun a_session_waits_for_its_root() {
        setup::session();
        setup::root(1, 5);
        ledger::close_session(&setup::admin(), 7)
    }

    #[test]
    fun a_closed_session_still_pays() {
        setup::session();
        ledger::publish_root(&setup::admin(), 7, merkle::leaf(7, @0xa1, 300), 500);
        setup::later(86400);
        ledger::close_session(&setup::admin(), 7);
        assert!(ledger::vault_balance() == 500, 0);
        ledger::claim(&signed(@0xa1), 7, 300, vector[]);
        assert!(setup::held(@0xa1) == 300, 0)
    }
}
