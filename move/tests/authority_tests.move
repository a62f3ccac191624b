#[test_only]
module cotrain::authority_tests {
    use cotrain::setup::{Self, signed};
    use cotrain::training_rewards as ledger;

    #[test]
    #[expected_failure(abort_code = 327682, location = cotrain::training_rewards)] // ENOT_REPORTER
    fun create_session_is_a_reporter_s() {
        setup::session();
        ledger::create_session(&signed(@0xbad), 8, setup::hash(1), 1)
    }

    #[test]
    #[expected_failure(abort_code = 327682, location = cotrain::training_rewards)] // ENOT_REPORTER
    fun submit_detailed_contribution_is_a_reporter_s() {
        setup::session();
        ledger::submit_detailed_contribution(&signed(@0xbad), 7, @0xa1, 1, 1, 1, 1)
    }

    #[test]
    #[expected_failure(abort_code = 327682, location = cotrain::training_rewards)] // ENOT_REPORTER
    fun submit_contributions_is_a_reporter_s() {
        setup::session();
        ledger::submit_contributions(&signed(@0xbad), 7, 1, vector[@0xa1], vector[1], vector[1], vector[1], vector[1])
    }

    #[test]
    #[expected_failure(abort_code = 327682, location = cotrain::training_rewards)] // ENOT_REPORTER
    fun record_term_is_a_reporter_s() {
        setup::session();
        ledger::record_term(&signed(@0xbad), 7, 1, @0xa1, setup::hash(1))
    }

    #[test]
    #[expected_failure(abort_code = 327682, location = cotrain::training_rewards)] // ENOT_REPORTER
    fun record_anchor_is_a_reporter_s() {
        setup::session();
        ledger::record_anchor(&signed(@0xbad), 7, 1, setup::hash(1), setup::hash(2), setup::hash(3), 1, 2, 3)
    }

    #[test]
    #[expected_failure(abort_code = 327682, location = cotrain::training_rewards)] // ENOT_REPORTER
    fun distribute_rewards_is_a_reporter_s() {
        setup::session();
        ledger::distribute_rewards(&signed(@0xbad), 7)
    }

    #[test]
    #[expected_failure(abort_code = 327682, location = cotrain::training_rewards)] // ENOT_REPORTER
    fun publish_root_is_a_reporter_s() {
        setup::session();
        ledger::publish_root(&signed(@0xbad), 7, setup::hash(1), 1)
    }

    #[test]
    #[expected_failure(abort_code = 327681, location = cotrain::training_rewards)] // ENOT_ADMIN
    fun close_session_is_the_admin_s() {
        setup::session();
        ledger::set_reporter(&setup::admin(), @0xa3, true);
        ledger::close_session(&signed(@0xa3), 7)
    }

    #[test]
    #[expected_failure(abort_code = 327681, location = cotrain::training_rewards)] // ENOT_ADMIN
    fun invalidate_earning_is_the_admin_s() {
        setup::session();
        ledger::set_reporter(&setup::admin(), @0xa3, true);
        ledger::invalidate_earning(&signed(@0xa3), 7, @0xa1, b"why")
    }

    #[test]
    #[expected_failure(abort_code = 327681, location = cotrain::training_rewards)] // ENOT_ADMIN
    fun invalidate_root_is_the_admin_s() {
        setup::session();
        ledger::set_reporter(&setup::admin(), @0xa3, true);
        ledger::invalidate_root(&signed(@0xa3), 7, b"why")
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun create_session_stops_in_a_pause() {
        setup::session();
        ledger::set_paused(&setup::admin(), true);
        ledger::create_session(&setup::admin(), 8, setup::hash(1), 1)
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun submit_detailed_contribution_stops_in_a_pause() {
        setup::session();
        ledger::set_paused(&setup::admin(), true);
        ledger::submit_detailed_contribution(&setup::admin(), 7, @0xa1, 1, 1, 1, 1)
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun submit_contributions_stops_in_a_pause() {
        setup::session();
        ledger::set_paused(&setup::admin(), true);
        ledger::submit_contributions(&setup::admin(), 7, 1, vector[@0xa1], vector[1], vector[1], vector[1], vector[1])
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun record_term_stops_in_a_pause() {
        setup::session();
        ledger::set_paused(&setup::admin(), true);
        ledger::record_term(&setup::admin(), 7, 1, @0xa1, setup::hash(1))
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun record_anchor_stops_in_a_pause() {
        setup::session();
        ledger::set_paused(&setup::admin(), true);
        ledger::record_anchor(&setup::admin(), 7, 1, setup::hash(1), setup::hash(2), setup::hash(3), 1, 2, 3)
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun distribute_rewards_stops_in_a_pause() {
        setup::session();
        ledger::set_paused(&setup::admin(), true);
        ledger::distribute_rewards(&setup::admin(), 7)
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun publish_root_stops_in_a_pause() {
        setup::session();
        ledger::set_paused(&setup::admin(), true);
        ledger::publish_root(&setup::admin(), 7, setup::hash(1), 1)
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun claim_reward_stops_in_a_pause() {
        setup::session();
        ledger::set_paused(&setup::admin(), true);
        ledger::claim_reward(&setup::admin(), 7)
    }

    #[test]
    #[expected_failure(abort_code = 196611, location = cotrain::training_rewards)] // EPAUSED
    fun claim_stops_in_a_pause() {
        setup::session();
        ledger::set_paused(&setup::admin(), true);
        ledger::claim(&setup::admin(), 7, 1, vector[])
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun submit_detailed_contribution_needs_a_session() {
        setup::nodes();
        ledger::submit_detailed_contribution(&setup::admin(), 7, @0xa1, 1, 1, 1, 1)
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun submit_contributions_needs_a_session() {
        setup::nodes();
        ledger::submit_contributions(&setup::admin(), 7, 1, vector[@0xa1], vector[1], vector[1], vector[1], vector[1])
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun record_term_needs_a_session() {
        setup::nodes();
        ledger::record_term(&setup::admin(), 7, 1, @0xa1, setup::hash(1))
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun record_anchor_needs_a_session() {
        setup::nodes();
        ledger::record_anchor(&setup::admin(), 7, 1, setup::hash(1), setup::hash(2), setup::hash(3), 1, 2, 3)
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun distribute_rewards_needs_a_session() {
        setup::nodes();
        ledger::distribute_rewards(&setup::admin(), 7)
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun publish_root_needs_a_session() {
        setup::nodes();
        ledger::publish_root(&setup::admin(), 7, setup::hash(1), 1)
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun claim_reward_needs_a_session() {
        setup::nodes();
        ledger::claim_reward(&setup::admin(), 7)
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun claim_needs_a_session() {
        setup::nodes();
        ledger::claim(&setup::admin(), 7, 1, vector[])
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun close_session_needs_a_session() {
        setup::nodes();
        ledger::close_session(&setup::admin(), 7)
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun invalidate_earning_needs_a_session() {
        setup::nodes();
        ledger::invalidate_earning(&setup::admin(), 7, @0xa1, b"why")
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun invalidate_root_needs_a_session() {
        setup::nodes();
        ledger::invalidate_root(&setup::admin(), 7, b"why")
    }

    #[test]
    #[expected_failure(abort_code = 196617, location = cotrain::training_rewards)] // ESESSION_CLOSED
    fun submit_detailed_contribution_needs_an_open_session() {
        setup::session();
        ledger::close_session(&setup::admin(), 7);
        ledger::submit_detailed_contribution(&setup::admin(), 7, @0xa1, 1, 1, 1, 1)
    }

    #[test]
    #[expected_failure(abort_code = 196617, location = cotrain::training_rewards)] // ESESSION_CLOSED
    fun submit_contributions_needs_an_open_session() {
        setup::session();
        ledger::close_session(&setup::admin(), 7);
        ledger::submit_contributions(&setup::admin(), 7, 1, vector[@0xa1], vector[1], vector[1], vector[1], vector[1])
    }

    #[test]
    #[expected_failure(abort_code = 196617, location = cotrain::training_rewards)] // ESESSION_CLOSED
    fun record_term_needs_an_open_session() {
        setup::session();
        ledger::close_session(&setup::admin(), 7);
        ledger::record_term(&setup::admin(), 7, 1, @0xa1, setup::hash(1))
    }

    #[test]
    #[expected_failure(abort_code = 196617, location = cotrain::training_rewards)] // ESESSION_CLOSED
    fun record_anchor_needs_an_open_session() {
        setup::session();
        ledger::close_session(&setup::admin(), 7);
        ledger::record_anchor(&setup::admin(), 7, 1, setup::hash(1), setup::hash(2), setup::hash(3), 1, 2, 3)
    }

    #[test]
    #[expected_failure(abort_code = 196617, location = cotrain::training_rewards)] // ESESSION_CLOSED
    fun distribute_rewards_needs_an_open_session() {
        setup::session();
        ledger::close_session(&setup::admin(), 7);
        ledger::distribute_rewards(&setup::admin(), 7)
    }

    #[test]
    #[expected_failure(abort_code = 196617, location = cotrain::training_rewards)] // ESESSION_CLOSED
    fun publish_root_needs_an_open_session() {
        setup::session();
        ledger::close_session(&setup::admin(), 7);
        ledger::publish_root(&setup::admin(), 7, setup::hash(1), 1)
    }

    #[test]
    #[expected_failure(abort_code = 196617, location = cotrain::training_rewards)] // ESESSION_CLOSED
    fun close_session_needs_an_open_session() {
        setup::session();
        ledger::close_session(&setup::admin(), 7);
        ledger::close_session(&setup::admin(), 7)
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun get_session_needs_a_session() {
        setup::nodes();
        ledger::get_session(7);
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun get_contribution_needs_a_session() {
        setup::nodes();
        ledger::get_contribution(7, @0xa1);
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun get_earning_needs_a_session() {
        setup::nodes();
        ledger::get_earning(7, @0xa1);
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun get_root_needs_a_session() {
        setup::nodes();
        ledger::get_root(7);
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun get_claimed_needs_a_session() {
        setup::nodes();
        ledger::get_claimed(7, @0xa1);
    }

    #[test]
    #[expected_failure(abort_code = 393224, location = cotrain::training_rewards)] // ENO_SESSION
    fun get_anchor_needs_a_session() {
        setup::nodes();
        ledger::get_anchor(7);
    }
}
