#[test_only]
module cotrain::nodes_tests {
    use std::string;
    use cotrain::setup::{Self, signed};
    use cotrain::training_rewards as ledger;

    #[test]
    fun a_node_is_what_it_registered() {
        setup::contract();
        ledger::register_p2p_node(
            &signed(@0xa1), string::utf8(setup::bytes(110, 128)), string::utf8(setup::bytes(107, 1)), 1, 2
        );
        let (id, key, capacity, bandwidth, at, beat, active, reputation) = ledger::get_p2p_node(@0xa1);
        assert!(string::length(&id) == 128 && string::length(&key) == 1, 0);
        assert!(capacity == 1 && bandwidth == 2 && at == 1000 && beat == 1000 && active && reputation == 50, 0)
    }

    #[test]
    fun a_heartbeat_moves_the_last_one() {
        setup::nodes();
        setup::later(5);
        ledger::update_node_heartbeat(&signed(@0xa1));
        let (_, _, _, _, at, beat, _, _) = ledger::get_p2p_node(@0xa1);
        assert!(at == 1000 && beat == 1005, 0)
    }

    #[test]
    fun a_node_that_returns_keeps_its_reputation() {
        setup::nodes();
        ledger::set_reputation(&setup::admin(), @0xa1, 90);
        ledger::deactivate_node(&signed(@0xa1));
        let (_, _, _, _, _, _, active, _) = ledger::get_p2p_node(@0xa1);
        assert!(!active, 0);
        setup::later(1);
        setup::register(@0xa1);
        let (_, _, _, _, at, _, active, reputation) = ledger::get_p2p_node(@0xa1);
        assert!(active && at == 1001 && reputation == 90, 0)
    }

    #[test]
    #[expected_failure(abort_code = 524292, location = cotrain::training_rewards)] // EALREADY_REGISTERED
    fun a_node_registers_once() {
        setup::nodes();
        setup::register(@0xa1)
    }

    #[test]
    #[expected_failure(abort_code = 65542, location = cotrain::training_rewards)] // EINVALID_STRING
    fun refuses_an_empty_id() {
        setup::contract();
        ledger::register_p2p_node(
            &signed(@0xa1), string::utf8(setup::bytes(110, 0)), string::utf8(setup::bytes(107, 1)), 1, 2
        )
    }

    #[test]
    #[expected_failure(abort_code = 65542, location = cotrain::training_rewards)] // EINVALID_STRING
    fun refuses_a_long_id() {
        setup::contract();
        ledger::register_p2p_node(
            &signed(@0xa1), string::utf8(setup::bytes(110, 129)), string::utf8(setup::bytes(107, 1)), 1, 2
        )
    }

    #[test]
    #[expected_failure(abort_code = 65542, location = cotrain::training_rewards)] // EINVALID_STRING
    fun refuses_an_empty_key() {
        setup::contract();
        ledger::register_p2p_node(
            &signed(@0xa1), string::utf8(setup::bytes(110, 1)), string::utf8(setup::bytes(107, 0)), 1, 2
        )
    }

    #[test]
    #[expected_failure(abort_code = 65542, location = cotrain::training_rewards)] // EINVALID_STRING
    fun refuses_a_long_key() {
        setup::contract();
        ledger::register_p2p_node(
            &signed(@0xa1), string::utf8(setup::bytes(110, 1)), string::utf8(setup::bytes(107, 129)), 1, 2
        )
    }

    #[test]
    #[expected_failure(abort_code = 393221, location = cotrain::training_rewards)] // ENOT_REGISTERED
    fun a_heartbeat_needs_a_node() {
        setup::contract();
        ledger::update_node_heartbeat(&signed(@0xa1))
    }

    #[test]
    #[expected_failure(abort_code = 196638, location = cotrain::training_rewards)] // ENODE_INACTIVE
    fun a_deactivated_node_has_no_heartbeat() {
        setup::nodes();
        ledger::deactivate_node(&signed(@0xa1));
        ledger::update_node_heartbeat(&signed(@0xa1))
    }

    #[test]
    #[expected_failure(abort_code = 393221, location = cotrain::training_rewards)] // ENOT_REGISTERED
    fun deactivation_needs_a_node() {
        setup::contract();
        ledger::deactivate_node(&signed(@0xa1))
    }

    #[test]
    #[expected_failure(abort_code = 196638, location = cotrain::training_rewards)] // ENODE_INACTIVE
    fun a_node_is_deactivated_once() {
        setup::nodes();
        ledger::deactivate_node(&signed(@0xa1));
        ledger::deactivate_node(&signed(@0xa1))
    }

    #[test]
    #[expected_failure(abort_code = 393221, location = cotrain::training_rewards)] // ENOT_REGISTERED
    fun a_view_needs_a_node() {
        setup::contract();
        ledger::get_p2p_node(@0xa1);
    }

    #[test]
    #[expected_failure(abort_code = 327682, location = cotrain::training_rewards)] // ENOT_REPORTER
    fun reputation_is_a_reporter_s() {
        setup::nodes();
        ledger::set_reputation(&signed(@0xbad), @0xa1, 1)
    }

    #[test]
    #[expected_failure(abort_code = 393221, location = cotrain::training_rewards)] // ENOT_REGISTERED
    fun reputation_needs_a_node() {
        setup::contract();
        ledger::set_reputation(&setup::admin(), @0xa1, 101)
    }

    #[test]
    #[expected_failure(abort_code = 65546, location = cotrain::training_rewards)] // EINVALID_RATIO
    fun reputation_ends_at_100() {
        setup::nodes();
        ledger::set_reputation(&setup::admin(), @0xa1, 101)
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun register_stops_in_a_pause() {
        setup::nodes();
        ledger::set_paused(&setup::admin(), true);
        setup::register(@0xa4)
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun heartbeat_stops_in_a_pause() {
        setup::nodes();
        ledger::set_paused(&setup::admin(), true);
        ledger::update_node_heartbeat(&signed(@0xa1))
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun reputation_stops_in_a_pause() {
        setup::nodes();
        ledger::set_paused(&setup::admin(), true);
        ledger::set_reputation(&setup::admin(), @0xa1, 1)
    }

    #[test]
    fun a_node_may_leave_in_a_pause() {
        setup::nodes();
        ledger::set_paused(&setup::admin(), true);
        ledger::deactivate_node(&signed(@0xa1))
    }
}
