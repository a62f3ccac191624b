#[test_only]
module cotrain::rewards_tests {
    use cotrain::setup::{Self, signed};
    use cotrain::training_rewards as ledger;

    #[test]
    fun a_pool_is_split_exactly() {
        setup::distributed();
        let (first, at, claimed) = ledger::get_earning(7, @0xa1);
        let (second, _, _) = ledger::get_earning(7, @0xa2);
        // Scores 8500 and 7250: of the base pool of 800, 432 and 368; both halves of the bonus go to the first.
        assert!(first == 632 && second == 368 && at == 87400 && !claimed, 0);
        let (none, _, _) = ledger::get_earning(7, @0xa3);
        assert!(none == 0, 0);
        let (_, _, closed, _, _, _, _, _, _) = ledger::get_session(7);
        assert!(closed, 0)
    }

    #[test]
    fun an_earning_is_paid_once_it_is_due() {
        setup::distributed();
        setup::later(86400);
        ledger::claim_reward(&signed(@0xa1), 7);
        assert!(setup::held(@0xa1) == 632 && ledger::vault_balance() == 368, 0);
        let (amount, _, claimed) = ledger::get_earning(7, @0xa1);
        assert!(amount == 632 && claimed, 0);
        let (_, _, _, _, _, _, _, _, all) = ledger::get_session(7);
        assert!(all == 632, 0)
    }

    #[test]
    fun a_worthless_session_returns_its_pool() {
        setup::session();
        setup::submit(@0xa1, 5, 0, 7);
        ledger::distribute_rewards(&setup::admin(), 7);
        assert!(setup::held(@cotrain) == 10000 && ledger::vault_balance() == 0, 0)
    }

    #[test]
    #[expected_failure(abort_code = 196617, location = cotrain::training_rewards)] // ESESSION_CLOSED
    fun a_session_is_distributed_once() {
        setup::distributed();
        ledger::distribute_rewards(&setup::admin(), 7)
    }

    #[test]
    #[expected_failure(abort_code = 196617, location = cotrain::training_rewards)] // ESESSION_CLOSED
    fun a_session_with_a_root_is_not_distributed() {
        setup::contributed();
        setup::root(1, 5);
        ledger::distribute_rewards(&setup::admin(), 7)
    }

    #[test]
    #[expected_failure(abort_code = 65549, location = cotrain::training_rewards)] // ETOO_MANY
    fun more_than_256_are_paid_by_a_root() {
        setup::session();
        let i = 0;
        while (i < 257) {
            let who = setup::numbered(i);
            setup::register(who);
            setup::submit(who, 1, 1, 1);
            i = i + 1;
        };
        ledger::distribute_rewards(&setup::admin(), 7)
    }

    #[test]
    #[expected_failure(abort_code = 196630, location = cotrain::training_rewards)] // ENOT_CLAIMABLE_YET
    fun an_earning_waits() {
        setup::distributed();
        setup::later(86399);
        ledger::claim_reward(&signed(@0xa1), 7)
    }

    #[test]
    #[expected_failure(abort_code = 196629, location = cotrain::training_rewards)] // ENOTHING_TO_CLAIM
    fun an_earning_is_claimed_once() {
        setup::distributed();
        setup::later(86400);
        ledger::claim_reward(&signed(@0xa1), 7);
        ledger::claim_reward(&signed(@0xa1), 7)
    }

    #[test]
    #[expected_failure(abort_code = 196629, location = cotrain::training_rewards)] // ENOTHING_TO_CLAIM
    fun who_earned_nothing_claims_nothing() {
        setup::distributed();
        ledger::claim_reward(&signed(@0xa3), 7)
    }

    #[test]
    fun an_invalid_earning_returns() {
        setup::distributed();
        ledger::invalidate_earning(&setup::admin(), 7, @0xa1, b"why");
        assert!(setup::held(@cotrain) == 9632, 0);
        let (amount, at, claimed) = ledger::get_earning(7, @0xa1);
        assert!(amount == 0 && at == 0 && !claimed, 0)
    }

    #[test]
    #[expected_failure(abort_code = 196629, location = cotrain::training_rewards)] // ENOTHING_TO_CLAIM
    fun an_invalid_earning_is_not_claimed() {
        setup::distributed();
        ledger::invalidate_earning(&setup::admin(), 7, @0xa1, b"why");
        ledger::claim_reward(&signed(@0xa1), 7)
    }

    #[test]
    #[expected_failure(abort_code = 196631, location = cotrain::training_rewards)] // ETOO_LATE
    fun an_earning_is_invalidated_once() {
        setup::distributed();
        ledger::invalidate_earning(&setup::admin(), 7, @0xa1, b"why");
        ledger::invalidate_earning(&setup::admin(), 7, @0xa1, b"why")
    }

    #[test]
    #[expected_failure(abort_code = 196631, location = cotrain::training_rewards)] // ETOO_LATE
    fun a_due_earning_stands() {
        setup::distributed();
        setup::later(86400);
        ledger::invalidate_earning(&setup::admin(), 7, @0xa1, b"why")
    }

    #[test]
    #[expected_failure(abort_code = 65564, location = cotrain::training_rewards)] // EINVALID_EVIDENCE
    fun no_evidence_no_invalid_earning() {
        setup::distributed();
        ledger::invalidate_earning(&setup::admin(), 7, @0xa1, b"")
    }

    #[test]
    #[expected_failure(abort_code = 65564, location = cotrain::training_rewards)] // EINVALID_EVIDENCE
    fun evidence_has_a_bound() {
        setup::distributed();
        ledger::invalidate_earning(&setup::admin(), 7, @0xa1, setup::bytes(1, 257))
    }

    #[test]
    fun a_score_is_weighed() {
        assert!(ledger::calculate_contribution_score(100, 100, 100, 100) == 10000, 0);
        assert!(ledger::calculate_contribution_score(10, 20, 30, 40) == 2150, 0);
        assert!(ledger::calculate_contribution_score(100, 0, 100, 100) == 0, 0)
    }

    #[test]
    #[expected_failure(abort_code = 65546, location = cotrain::training_rewards)] // EINVALID_RATIO
    fun a_score_s_time_ends_at_100() {
        ledger::calculate_contribution_score(101, 1, 1, 1);
    }

    #[test]
    #[expected_failure(abort_code = 65546, location = cotrain::training_rewards)] // EINVALID_RATIO
    fun a_score_s_quality_ends_at_100() {
        ledger::calculate_contribution_score(1, 101, 1, 1);
    }

    #[test]
    #[expected_failure(abort_code = 65546, location = cotrain::training_rewards)] // EINVALID_RATIO
    fun a_score_s_data_ends_at_100() {
        ledger::calculate_contribution_score(1, 1, 101, 1);
    }

    #[test]
    #[expected_failure(abort_code = 65546, location = cotrain::training_rewards)] // EINVALID_RATIO
    fun a_score_s_uptime_ends_at_100() {
        ledger::calculate_contribution_score(1, 1, 1, 101);
    }
}
