#[test_only]
module cotrain::administration_tests {
    use aptos_framework::object;
    use cotrain::payout;
    use cotrain::setup::{Self, signed};
    use cotrain::training_rewards as ledger;

    #[test]
    fun starts_with_the_documented_configuration() {
        setup::contract();
        let (admin, paused, base, bonus, threshold, delay) = ledger::get_config();
        assert!(admin == @cotrain && !paused && base == 80 && bonus == 20 && threshold == 90 && delay == 86400, 0);
        assert!(ledger::is_reporter(@cotrain) && !ledger::is_reporter(@0xbad), 0);
        assert!(ledger::vault_balance() == 0, 0)
    }

    #[test]
    fun an_object_s_owner_is_its_admin() {
        let constructor = object::create_named_object(&signed(@0xd0), b"code");
        assert!(payout::owner_of_for_test(&object::generate_signer(&constructor)) == @0xd0, 0);
        assert!(payout::owner_of_for_test(&signed(@0xd0)) == @0xd0, 0)
    }

    #[test]
    fun the_admin_changes_when_the_proposed_one_accepts() {
        setup::contract();
        ledger::propose_admin(&setup::admin(), @0xa1);
        ledger::propose_admin(&setup::admin(), @0xa2);
        ledger::accept_admin(&signed(@0xa2));
        let (admin, _, _, _, _, _) = ledger::get_config();
        assert!(admin == @0xa2 && !ledger::is_reporter(@cotrain), 0)
    }

    #[test]
    #[expected_failure(abort_code = 327699, location = cotrain::training_rewards)] // ENOT_PENDING_ADMIN
    fun a_replaced_proposal_is_void() {
        setup::contract();
        ledger::propose_admin(&setup::admin(), @0xa1);
        ledger::propose_admin(&setup::admin(), @0xa2);
        ledger::accept_admin(&signed(@0xa1))
    }

    #[test]
    #[expected_failure(abort_code = 327699, location = cotrain::training_rewards)] // ENOT_PENDING_ADMIN
    fun a_proposal_is_used_up() {
        setup::contract();
        ledger::propose_admin(&setup::admin(), @0xa2);
        ledger::accept_admin(&signed(@0xa2));
        ledger::accept_admin(&signed(@0xa2))
    }

    #[test]
    fun configures_what_is_earned_from_then_on() {
        setup::contract();
        ledger::configure_rewards(&setup::admin(), 70, 30, 50);
        ledger::set_claim_delay(&setup::admin(), 2592000);
        ledger::set_reporter(&setup::admin(), @0xa1, true);
        ledger::set_paused(&setup::admin(), true);
        let (_, paused, base, bonus, threshold, delay) = ledger::get_config();
        assert!(paused && base == 70 && bonus == 30 && threshold == 50 && delay == 2592000, 0);
        assert!(ledger::is_reporter(@0xa1), 0);
        ledger::set_reporter(&setup::admin(), @0xa1, false);
        assert!(!ledger::is_reporter(@0xa1), 0)
    }

    #[test]
    #[expected_failure(abort_code = 327681, location = cotrain::training_rewards)] // ENOT_ADMIN
    fun set_paused_is_the_admin_s() {
        setup::contract();
        ledger::set_paused(&signed(@0xbad), true)
    }

    #[test]
    #[expected_failure(abort_code = 327681, location = cotrain::training_rewards)] // ENOT_ADMIN
    fun propose_admin_is_the_admin_s() {
        setup::contract();
        ledger::propose_admin(&signed(@0xbad), @0xa1)
    }

    #[test]
    #[expected_failure(abort_code = 327681, location = cotrain::training_rewards)] // ENOT_ADMIN
    fun set_reporter_is_the_admin_s() {
        setup::contract();
        ledger::set_reporter(&signed(@0xbad), @0xa1, true)
    }

    #[test]
    #[expected_failure(abort_code = 327681, location = cotrain::training_rewards)] // ENOT_ADMIN
    fun configure_rewards_is_the_admin_s() {
        setup::contract();
        ledger::configure_rewards(&signed(@0xbad), 80, 20, 90)
    }

    #[test]
    #[expected_failure(abort_code = 327681, location = cotrain::training_rewards)] // ENOT_ADMIN
    fun set_claim_delay_is_the_admin_s() {
        setup::contract();
        ledger::set_claim_delay(&signed(@0xbad), 1)
    }

    #[test]
    #[expected_failure(abort_code = 65551, location = cotrain::training_rewards)] // EINVALID_PERCENTAGES
    fun refuses_a_wrong_sum() {
        setup::contract();
        ledger::configure_rewards(&setup::admin(), 80, 21, 90)
    }

    #[test]
    #[expected_failure(abort_code = 65551, location = cotrain::training_rewards)] // EINVALID_PERCENTAGES
    fun refuses_a_wrong_base() {
        setup::contract();
        ledger::configure_rewards(&setup::admin(), 101, 0, 90)
    }

    #[test]
    #[expected_failure(abort_code = 65551, location = cotrain::training_rewards)] // EINVALID_PERCENTAGES
    fun refuses_a_wrong_threshold() {
        setup::contract();
        ledger::configure_rewards(&setup::admin(), 80, 20, 101)
    }

    #[test]
    #[expected_failure(abort_code = 65556, location = cotrain::training_rewards)] // EINVALID_DELAY
    fun refuses_a_delay_above_the_bound() {
        setup::contract();
        ledger::set_claim_delay(&setup::admin(), 2592001)
    }
}
