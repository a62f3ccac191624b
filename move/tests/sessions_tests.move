#[test_only]
module cotrain::sessions_tests {
    use std::vector;
    use cotrain::setup;
    use cotrain::training_rewards as ledger;

    #[test]
    fun a_session_takes_its_pool() {
        setup::session();
        assert!(ledger::vault_balance() == 1000 && setup::held(@cotrain) == 9000, 0);
        let (sponsor, pool, closed, at, settlement, term, aggregator, participants, claimed) = ledger::get_session(7);
        assert!(sponsor == @cotrain && pool == 1000 && !closed && at == 1000 && settlement == 0, 0);
        assert!(term == 0 && aggregator == @0x0 && participants == 0 && claimed == 0, 0);
        let (time, quality, data, uptime, count) = ledger::get_contribution(7, @0xa1);
        assert!(time == 0 && quality == 0 && data == 0 && uptime == 0 && count == 0, 0)
    }

    #[test]
    #[expected_failure(abort_code = 524295, location = cotrain::training_rewards)] // ESESSION_EXISTS
    fun a_session_s_number_is_used_once() {
        setup::session();
        ledger::create_session(&setup::admin(), 7, setup::hash(1), 1)
    }

    #[test]
    #[expected_failure(abort_code = 65552, location = cotrain::training_rewards)] // EINVALID_HASH
    fun a_session_needs_a_fingerprint() {
        setup::nodes();
        ledger::create_session(&setup::admin(), 7, setup::bytes(1, 31), 1)
    }

    #[test]
    #[expected_failure(abort_code = 196637, location = cotrain::training_rewards)] // EINSUFFICIENT_BALANCE
    fun a_session_needs_its_pool() {
        setup::nodes();
        ledger::create_session(&setup::admin(), 7, setup::hash(1), 10001)
    }

    #[test]
    fun contributions_add_up() {
        setup::session();
        setup::submit(@0xa1, 5, 60, 7);
        ledger::submit_contributions(
            &setup::admin(), 7, 1, vector[@0xa2, @0xa1], vector[1, 2], vector[3, 4], vector[5, 6], vector[8, 9]
        );
        let (time, quality, data, uptime, count) = ledger::get_contribution(7, @0xa1);
        assert!(time == 7 && quality == 64 && data == 13 && uptime == 109 && count == 2, 0);
        let (_, _, _, _, settlement, _, _, participants, _) = ledger::get_session(7);
        assert!(settlement == 1 && participants == 2, 0)
    }

    #[test]
    #[expected_failure(abort_code = 393221, location = cotrain::training_rewards)] // ENOT_REGISTERED
    fun a_contribution_needs_a_node() {
        setup::session();
        setup::submit(@0xa9, 1, 101, 1)
    }

    #[test]
    #[expected_failure(abort_code = 65546, location = cotrain::training_rewards)] // EINVALID_RATIO
    fun quality_ends_at_100() {
        setup::session();
        setup::submit(@0xa1, 1, 101, 1)
    }

    #[test]
    #[expected_failure(abort_code = 65546, location = cotrain::training_rewards)] // EINVALID_RATIO
    fun uptime_ends_at_100() {
        setup::session();
        ledger::submit_detailed_contribution(&setup::admin(), 7, @0xa1, 1, 1, 1, 101)
    }

    #[test]
    #[expected_failure(abort_code = 131083, location = cotrain::training_rewards)] // EOVERFLOW
    fun time_does_not_overflow() {
        setup::session();
        setup::submit(@0xa1, 18446744073709551615, 1, 1);
        setup::submit(@0xa1, 1, 1, 1)
    }

    #[test]
    #[expected_failure(abort_code = 131083, location = cotrain::training_rewards)] // EOVERFLOW
    fun data_does_not_overflow() {
        setup::session();
        setup::submit(@0xa1, 1, 1, 18446744073709551615);
        setup::submit(@0xa1, 1, 1, 1)
    }

    #[test]
    #[expected_failure(abort_code = 65549, location = cotrain::training_rewards)] // ETOO_MANY
    fun a_batch_is_not_empty() {
        setup::session();
        ledger::submit_contributions(&setup::admin(), 7, 1, vector[], vector[1], vector[1], vector[1], vector[1])
    }

    #[test]
    #[expected_failure(abort_code = 65549, location = cotrain::training_rewards)] // ETOO_MANY
    fun a_batch_has_a_bound() {
        setup::session();
        let many = vector[];
        while (vector::length(&many) < 257) vector::push_back(&mut many, @0xa1);
        ledger::submit_contributions(&setup::admin(), 7, 1, many, vector[1], vector[1], vector[1], vector[1])
    }

    #[test]
    #[expected_failure(abort_code = 65548, location = cotrain::training_rewards)] // ELENGTHS_DIFFER
    fun a_batch_has_all_its_times() {
        setup::session();
        ledger::submit_contributions(&setup::admin(), 7, 1, vector[@0xa1], vector[], vector[1], vector[1], vector[1])
    }

    #[test]
    #[expected_failure(abort_code = 65548, location = cotrain::training_rewards)] // ELENGTHS_DIFFER
    fun a_batch_has_all_its_qualities() {
        setup::session();
        ledger::submit_contributions(&setup::admin(), 7, 1, vector[@0xa1], vector[1], vector[], vector[1], vector[1])
    }

    #[test]
    #[expected_failure(abort_code = 65548, location = cotrain::training_rewards)] // ELENGTHS_DIFFER
    fun a_batch_has_all_its_data() {
        setup::session();
        ledger::submit_contributions(&setup::admin(), 7, 1, vector[@0xa1], vector[1], vector[1], vector[], vector[1])
    }

    #[test]
    #[expected_failure(abort_code = 65548, location = cotrain::training_rewards)] // ELENGTHS_DIFFER
    fun a_batch_has_all_its_uptimes() {
        setup::session();
        ledger::submit_contributions(&setup::admin(), 7, 1, vector[@0xa1], vector[1], vector[1], vector[1], vector[])
    }

    #[test]
    #[expected_failure(abort_code = 196622, location = cotrain::training_rewards)] // ESETTLEMENT_OUT_OF_ORDER
    fun a_settlement_is_not_skipped() {
        setup::session();
        ledger::submit_contributions(&setup::admin(), 7, 2, vector[@0xa1], vector[1], vector[1], vector[1], vector[1])
    }

    #[test]
    #[expected_failure(abort_code = 196622, location = cotrain::training_rewards)] // ESETTLEMENT_OUT_OF_ORDER
    fun a_settlement_is_not_repeated() {
        setup::session();
        ledger::submit_contributions(&setup::admin(), 7, 0, vector[@0xa1], vector[1], vector[1], vector[1], vector[1])
    }

    #[test]
    fun terms_rise() {
        setup::session();
        ledger::record_term(&setup::admin(), 7, 3, @0xa1, setup::hash(1));
        let (_, _, _, _, _, term, aggregator, _, _) = ledger::get_session(7);
        assert!(term == 3 && aggregator == @0xa1, 0)
    }

    #[test]
    #[expected_failure(abort_code = 196625, location = cotrain::training_rewards)] // ESTALE_TERM
    fun a_term_is_not_repeated() {
        setup::session();
        ledger::record_term(&setup::admin(), 7, 3, @0xa1, setup::hash(1));
        ledger::record_term(&setup::admin(), 7, 3, @0xa2, setup::hash(1))
    }

    #[test]
    #[expected_failure(abort_code = 65552, location = cotrain::training_rewards)] // EINVALID_HASH
    fun a_term_needs_its_certificate() {
        setup::session();
        ledger::record_term(&setup::admin(), 7, 0, @0xa1, b"short")
    }

    #[test]
    fun the_last_anchor_is_shown() {
        setup::session();
        let (round, checkpoint, _, _, _, _, _) = ledger::get_anchor(7);
        assert!(round == 0 && vector::is_empty(&checkpoint), 0);
        ledger::record_anchor(
            &setup::admin(), 7, 1, setup::bytes(1, 32), setup::bytes(2, 32), setup::bytes(3, 32), 4, 5, 6
        );
        ledger::record_anchor(
            &setup::admin(), 7, 9, setup::bytes(1, 32), setup::bytes(2, 32), setup::bytes(3, 32), 4, 5, 6
        );
        let (round, checkpoint, manifest, audit, loss, tokens, duration) = ledger::get_anchor(7);
        assert!(round == 9 && checkpoint == setup::hash(1) && manifest == setup::hash(2) && audit == setup::hash(3), 0);
        assert!(loss == 4 && tokens == 5 && duration == 6, 0)
    }

    #[test]
    #[expected_failure(abort_code = 196626, location = cotrain::training_rewards)] // ESTALE_ANCHOR
    fun an_anchor_is_not_repeated() {
        setup::session();
        ledger::record_anchor(
            &setup::admin(), 7, 9, setup::bytes(1, 32), setup::bytes(2, 32), setup::bytes(3, 32), 4, 5, 6
        );
        ledger::record_anchor(
            &setup::admin(), 7, 9, setup::bytes(1, 32), setup::bytes(2, 32), setup::bytes(3, 32), 4, 5, 6
        )
    }

    #[test]
    #[expected_failure(abort_code = 65552, location = cotrain::training_rewards)] // EINVALID_HASH
    fun an_anchor_needs_its_checkpoint() {
        setup::session();
        ledger::record_anchor(
            &setup::admin(), 7, 1, setup::bytes(1, 33), setup::bytes(2, 32), setup::bytes(3, 32), 4, 5, 6
        )
    }

    #[test]
    #[expected_failure(abort_code = 65552, location = cotrain::training_rewards)] // EINVALID_HASH
    fun an_anchor_needs_its_manifest() {
        setup::session();
        ledger::record_anchor(
            &setup::admin(), 7, 1, setup::bytes(1, 32), setup::bytes(2, 33), setup::bytes(3, 32), 4, 5, 6
        )
    }

    #[test]
    #[expected_failure(abort_code = 65552, location = cotrain::training_rewards)] // EINVALID_HASH
    fun an_anchor_needs_its_audit_head() {
        setup::session();
        ledger::record_anchor(
            &setup::admin(), 7, 1, setup::bytes(1, 32), setup::bytes(2, 32), setup::bytes(3, 33), 4, 5, 6
        )
    }
}
