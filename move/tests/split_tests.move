#[test_only]
module cotrain::split_tests {
    use std::vector;
    use cotrain::ordering;
    use cotrain::reward_split::{Self, totals};

    #[test]
    fun nobody_earns_nothing() {
        let (scores, base, bonus) = reward_split::split(100, 80, 90, &vector[]);
        assert!(vector::is_empty(&scores) && vector::is_empty(&base) && vector::is_empty(&bonus), 0)
    }

    #[test]
    fun a_tie_s_last_unit_goes_to_the_first() {
        let one = totals(1, 1, 50, 50, 1);
        let (_, base, bonus) = reward_split::split(11, 100, 90, &vector[one, one]);
        assert!(base == vector[6, 5] && bonus == vector[0, 0], 0)
    }

    #[test]
    fun the_last_units_go_to_the_largest_remainders() {
        // Scores 3450, 6900, 10000 of 20350 in all: of 100, 16.95, 33.91 and 49.14.
        let (scores, base, _) = reward_split::split(
            100, 100, 100,
            &vector[totals(345, 0, 0, 0, 1), totals(1, 1, 0, 0, 1), totals(1000, 1000, 100, 100, 1)]
        );
        assert!(scores == vector[0, 0, 10000] && base == vector[0, 0, 100], 0);
        let (scores, base, _) = reward_split::split(
            100, 100, 100,
            &vector[totals(0, 0, 50, 0, 1), totals(0, 0, 50, 100, 1), totals(0, 0, 100, 0, 1)]
        );
        // Weights 2000, 3500, 4000 of 9500: 21.05, 36.84, 42.11.
        assert!(scores == vector[2000, 3500, 4000] && base == vector[21, 37, 42], 0)
    }

    #[test]
    fun a_mean_at_the_threshold_is_not_above_it() {
        // The exact mean of the second is 90.5, which rounds down to the threshold and counts as above it.
        let (_, _, bonus) = reward_split::split(
            1000, 0, 90, &vector[totals(10, 10, 180, 200, 2), totals(1, 1, 181, 100, 2)]
        );
        assert!(bonus == vector[500, 500], 0)
    }

    #[test]
    fun of_twenty_the_two_best_share_the_top_pool() {
        let all = vector[];
        let i = 0;
        while (i < 20) {
            vector::push_back(&mut all, totals(0, 0, 1 + i % 19, 0, 1));
            i = i + 1;
        };
        let (_, _, bonus) = reward_split::split(1000, 0, 100, &all);
        // Quality 19 and 18, at places 18 and 17.
        assert!(*vector::borrow(&bonus, 18) == 514 && *vector::borrow(&bonus, 17) == 486, 0)
    }

    #[test]
    fun the_largest_pool_overflows_nothing() {
        let max = 18446744073709551615;
        let one = totals(max, max, 100, 100, 1);
        let (_, base, bonus) = reward_split::split(max, 80, 90, &vector[one, one, one]);
        let sum = 0u128;
        let i = 0;
        while (i < 3) {
            sum = sum + (*vector::borrow(&base, i) as u128) + (*vector::borrow(&bonus, i) as u128);
            i = i + 1;
        };
        assert!(sum == (max as u128), 0)
    }

    #[test]
    fun addresses_stand_by_their_bytes() {
        let list = vector[@0x1, @0x100, @0xff00];
        assert!(ordering::position(&list, @0x0) == 0 && ordering::position(&list, @0xff) == 1, 0);
        assert!(ordering::position(&list, @0x101) == 2 && ordering::position(&list, @0xff01) == 3, 0)
    }
}
