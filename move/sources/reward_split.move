/// `REWARDS.md` in Move: a pure function of integers, the twin of the Rust one and tested on the same vectors.
module cotrain::reward_split {
    use std::vector;

    /// What one participant's totals are, in the order of addresses among the others.
    struct Totals has copy, drop {
        compute_time: u64,
        data_transmitted: u64,
        quality_sum: u64,
        uptime_sum: u64,
        count: u64
    }

    /// `count` is at least 1.
    public fun totals(
        compute_time: u64, data_transmitted: u64, quality_sum: u64, uptime_sum: u64, count: u64
    ): Totals {
        Totals { compute_time, data_transmitted, quality_sum, uptime_sum, count }
    }

    /// 0 to 10,000 of four numbers of 0 to 100.
    public fun score(time: u64, quality: u64, data: u64, uptime: u64): u64 {
        if (quality == 0) 0 else 30 * time + 40 * quality + 15 * data + 15 * uptime
    }

    /// The scores, base shares and bonus shares of all participants. The shares add up to the pool unless every score
    /// is 0.
    public fun split(
        pool: u64, base_percentage: u64, quality_threshold: u64, all: &vector<Totals>
    ): (vector<u64>, vector<u64>, vector<u64>) {
        let scores = scores(all);
        let best = highest(&scores);
        let base_pool = (((pool as u128) * (base_percentage as u128) / 100) as u64);
        let bonus_pool = pool - base_pool;
        let top_pool = bonus_pool / 2;
        let base = pro_rata(base_pool, &scores);
        let top = pro_rata(top_pool, &best);
        let good = good(all, &scores, quality_threshold);
        if (sum(&good) == 0) good = best;
        let bonus = pro_rata(bonus_pool - top_pool, &good);
        let i = 0;
        while (i < vector::length(&bonus)) {
            let share = vector::borrow_mut(&mut bonus, i);
            *share = *share + *vector::borrow(&top, i);
            i = i + 1;
        };
        (scores, base, bonus)
    }

    #[view]
    /// The same of columns, for whoever wants to check a distribution, tests included.
    public fun split_columns(
        pool: u64,
        base_percentage: u64,
        quality_threshold: u64,
        compute_times: vector<u64>,
        data_transmitted: vector<u64>,
        quality_sums: vector<u64>,
        uptime_sums: vector<u64>,
        counts: vector<u64>
    ): (vector<u64>, vector<u64>, vector<u64>) {
        let all = vector[];
        let i = 0;
        while (i < vector::length(&counts)) {
            vector::push_back(
                &mut all,
                totals(
                    *vector::borrow(&compute_times, i),
                    *vector::borrow(&data_transmitted, i),
                    *vector::borrow(&quality_sums, i),
                    *vector::borrow(&uptime_sums, i),
                    *vector::borrow(&counts, i)
                )
            );
            i = i + 1;
        };
        split(pool, base_percentage, quality_threshold, &all)
    }

    fun scores(all: &vector<Totals>): vector<u64> {
        let n = vector::length(all);
        let time_max = 0;
        let data_max = 0;
        let i = 0;
        while (i < n) {
            let one = vector::borrow(all, i);
            if (one.compute_time > time_max) time_max = one.compute_time;
            if (one.data_transmitted > data_max) data_max = one.data_transmitted;
            i = i + 1;
        };
        let scores = vector[];
        i = 0;
        while (i < n) {
            let one = vector::borrow(all, i);
            let time = percent(one.compute_time, time_max);
            let data = percent(one.data_transmitted, data_max);
            vector::push_back(
                &mut scores,
                score(time, one.quality_sum / one.count, data, one.uptime_sum / one.count)
            );
            i = i + 1;
        };
        scores
    }

    fun percent(part: u64, whole: u64): u64 {
        if (whole == 0) 0 else ((100 * (part as u128) / (whole as u128)) as u64)
    }

    /// The scores of the max(1, m/10 rounded down) highest of the m positive ones, 0 elsewhere.
    fun highest(scores: &vector<u64>): vector<u64> {
        let kept = zeros(vector::length(scores));
        let wide = vector[];
        let positive = 0;
        let i = 0;
        while (i < vector::length(scores)) {
            let score = *vector::borrow(scores, i);
            if (score > 0) positive = positive + 1;
            vector::push_back(&mut wide, (score as u128));
            i = i + 1;
        };
        if (positive == 0) return kept;
        let order = ranked(&wide);
        let take = if (positive < 10) 1 else positive / 10;
        i = 0;
        while (i < take) {
            let at = *vector::borrow(&order, i);
            *vector::borrow_mut(&mut kept, at) = *vector::borrow(scores, at);
            i = i + 1;
        };
        kept
    }

    /// The scores of those whose exact mean quality is above the threshold, 0 elsewhere.
    fun good(all: &vector<Totals>, scores: &vector<u64>, threshold: u64): vector<u64> {
        let kept = zeros(vector::length(scores));
        let i = 0;
        while (i < vector::length(scores)) {
            let one = vector::borrow(all, i);
            if ((one.quality_sum as u128) > (threshold as u128) * (one.count as u128)) {
                *vector::borrow_mut(&mut kept, i) = *vector::borrow(scores, i);
            };
            i = i + 1;
        };
        kept
    }

    /// `amount` in proportion to `weights`, floors first, then a unit each to the largest remainders. Zeros when the
    /// weights are all 0.
    fun pro_rata(amount: u64, weights: &vector<u64>): vector<u64> {
        let n = vector::length(weights);
        let total = sum(weights);
        if (total == 0) return zeros(n);
        let shares = vector[];
        let remainders = vector[];
        let left = amount;
        let i = 0;
        while (i < n) {
            let product = (amount as u128) * (*vector::borrow(weights, i) as u128);
            let share = ((product / total) as u64);
            left = left - share;
            vector::push_back(&mut shares, share);
            vector::push_back(&mut remainders, product % total);
            i = i + 1;
        };
        if (left == 0) return shares;
        let order = ranked(&remainders);
        i = 0;
        while (i < left) {
            let share = vector::borrow_mut(&mut shares, *vector::borrow(&order, i));
            *share = *share + 1;
            i = i + 1;
        };
        shares
    }

    fun sum(values: &vector<u64>): u128 {
        let total = 0;
        let i = 0;
        while (i < vector::length(values)) {
            total = total + (*vector::borrow(values, i) as u128);
            i = i + 1;
        };
        total
    }

    fun zeros(n: u64): vector<u64> {
        let list = vector[];
        let i = 0;
        while (i < n) {
            vector::push_back(&mut list, 0);
            i = i + 1;
        };
        list
    }

    /// The places of the values from the largest to the smallest, equal ones in their order: a merge sort from the
    /// bottom up, because its cost is what the caller pays.
    fun ranked(values: &vector<u128>): vector<u64> {
        let n = vector::length(values);
        let order = vector[];
        let i = 0;
        while (i < n) {
            vector::push_back(&mut order, i);
            i = i + 1;
        };
        let width = 1;
        while (width < n) {
            let merged = vector[];
            let start = 0;
            while (start < n) {
                merge(values, &order, start, width, &mut merged);
                start = start + 2 * width;
            };
            order = merged;
            width = 2 * width;
        };
        order
    }

    /// Appends the two runs of `width` that begin at `start`, merged, to `merged`.
    fun merge(values: &vector<u128>, order: &vector<u64>, start: u64, width: u64, merged: &mut vector<u64>) {
        let n = vector::length(order);
        let middle = if (start + width < n) start + width else n;
        let end = if (middle + width < n) middle + width else n;
        let left = start;
        let right = middle;
        while (left < middle || right < end) {
            let take_left = right == end || (left < middle && not_less(values, order, left, right));
            if (take_left) {
                vector::push_back(merged, *vector::borrow(order, left));
                left = left + 1;
            } else {
                vector::push_back(merged, *vector::borrow(order, right));
                right = right + 1;
            }
        }
    }

    fun not_less(values: &vector<u128>, order: &vector<u64>, a: u64, b: u64): bool {
        *vector::borrow(values, *vector::borrow(order, a)) >= *vector::borrow(values, *vector::borrow(order, b))
    }
}
