/// The ledger of training sessions, as `CONTRACT.md` specifies it: who takes part, what they contributed, what they
/// earn.
///
/// One file, because an abort's name and an event's type belong to the module that raises them, and clients look for
/// both here. What needs neither stands in modules of its own: the split, the Merkle tree, the order of addresses, the
/// vault.
module cotrain::training_rewards {
    use std::error;
    use std::signer;
    use std::string::{Self, String};
    use std::vector;
    use aptos_std::table::{Self, Table};
    use aptos_framework::event;
    use aptos_framework::timestamp;
    use cotrain::merkle;
    use cotrain::ordering;
    use cotrain::payout;
    use cotrain::reward_split;

    /// The signer is not the admin.
    const ENOT_ADMIN: u64 = 1;
    /// The signer is neither the admin nor a reporter.
    const ENOT_REPORTER: u64 = 2;
    /// The contract is paused.
    const EPAUSED: u64 = 3;
    /// The signer's node is registered.
    const EALREADY_REGISTERED: u64 = 4;
    /// No node of this address is registered.
    const ENOT_REGISTERED: u64 = 5;
    /// A string is empty or too long.
    const EINVALID_STRING: u64 = 6;
    /// A session has this number.
    const ESESSION_EXISTS: u64 = 7;
    /// No session has this number.
    const ENO_SESSION: u64 = 8;
    /// The session was closed or paid.
    const ESESSION_CLOSED: u64 = 9;
    /// A number of 0 to 100 is above 100, or a reputation is.
    const EINVALID_RATIO: u64 = 10;
    /// A total would leave u64.
    const EOVERFLOW: u64 = 11;
    /// The columns of a batch differ in length.
    const ELENGTHS_DIFFER: u64 = 12;
    /// A batch, proof or session has more entries than its bound, or a batch has none.
    const ETOO_MANY: u64 = 13;
    /// A settlement's number is not the last one's successor.
    const ESETTLEMENT_OUT_OF_ORDER: u64 = 14;
    /// Base and bonus do not add to 100, or the threshold is above 100.
    const EINVALID_PERCENTAGES: u64 = 15;
    /// A hash has not 32 bytes.
    const EINVALID_HASH: u64 = 16;
    /// The term is not above the recorded one.
    const ESTALE_TERM: u64 = 17;
    /// The round is not above that of the last anchor.
    const ESTALE_ANCHOR: u64 = 18;
    /// The signer was not proposed as admin.
    const ENOT_PENDING_ADMIN: u64 = 19;
    /// The delay is above its bound.
    const EINVALID_DELAY: u64 = 20;
    /// No earning, none left, or the cumulative amount is not above what was claimed.
    const ENOTHING_TO_CLAIM: u64 = 21;
    /// The delay has not passed.
    const ENOT_CLAIMABLE_YET: u64 = 22;
    /// The delay has passed, so nothing can be invalidated, or there is nothing pending.
    const ETOO_LATE: u64 = 23;
    /// The leaf and the proof do not lead to the root.
    const EINVALID_PROOF: u64 = 24;
    /// The session has no claimable root.
    const ENO_ROOT: u64 = 25;
    /// A root waits for its delay.
    const EROOT_PENDING: u64 = 26;
    /// More would be paid than the session's pool.
    const EPOOL_EXCEEDED: u64 = 27;
    /// The evidence is empty or too long.
    const EINVALID_EVIDENCE: u64 = 28;
    /// The signer holds less of the asset than the pool.
    const EINSUFFICIENT_BALANCE: u64 = 29;
    /// The node was deactivated already.
    const ENODE_INACTIVE: u64 = 30;

    const STRING_BYTES_MAX: u64 = 128;
    const BATCH_MAX: u64 = 256;
    const PARTICIPANTS_MAX: u64 = 256;
    const PROOF_MAX: u64 = 32;
    const HASH_BYTES: u64 = 32;
    const EVIDENCE_BYTES_MAX: u64 = 256;
    const CLAIM_DELAY_S_MAX: u64 = 2592000;

    /// Who holds an office that nobody holds; no signer has this address.
    const NOBODY: address = @0x0;

    /// Everything, at the module's address. Tables are flat, so that a new session costs one slot and not one per
    /// table.
    struct State has key {
        admin: address,
        pending_admin: address,
        paused: bool,
        base_percentage: u64,
        bonus_percentage: u64,
        quality_threshold: u64,
        claim_delay_s: u64,
        reporters: Table<address, bool>,
        nodes: Table<address, Node>,
        sessions: Table<u64, Session>,
        /// The first `PARTICIPANTS_MAX` of a session in the order of addresses; a session with more is paid by a root,
        /// which needs no list.
        participants: Table<u64, vector<address>>,
        contributions: Table<Member, Contribution>,
        earnings: Table<Member, Earning>,
        /// What was claimed by roots.
        claimed: Table<Member, u64>,
        anchors: Table<u64, Anchor>
    }

    struct Member has copy, drop, store {
        session_id: u64,
        participant: address
    }

    struct Node has copy, drop, store {
        node_id: String,
        public_key: String,
        compute_capacity: u64,
        bandwidth: u64,
        registered_at: u64,
        last_heartbeat: u64,
        active: bool,
        reputation: u64
    }

    struct Session has store {
        sponsor: address,
        job_fingerprint: vector<u8>,
        pool: u64,
        closed: bool,
        created_at: u64,
        base_percentage: u64,
        bonus_percentage: u64,
        quality_threshold: u64,
        last_settlement: u64,
        term: u64,
        aggregator: address,
        participants: u64,
        claimed: u64,
        /// Whether a root was ever published: such a session is not distributed.
        by_roots: bool,
        root: vector<u8>,
        root_total: u64,
        pending_root: vector<u8>,
        pending_total: u64,
        pending_claimable_at: u64
    }

    struct Contribution has copy, drop, store {
        compute_time: u64,
        quality_sum: u64,
        data_transmitted: u64,
        uptime_sum: u64,
        count: u64
    }

    struct Earning has copy, drop, store {
        amount: u64,
        claimable_at: u64,
        claimed: bool
    }

    struct Anchor has copy, drop, store {
        round: u64,
        checkpoint_hash: vector<u8>,
        manifest_root: vector<u8>,
        audit_head: vector<u8>,
        loss_micronats: u64,
        tokens: u64,
        duration_ms: u64
    }

    #[event]
    struct Paused has drop, store { paused: bool }

    #[event]
    struct AdminProposed has drop, store { new_admin: address }

    #[event]
    struct AdminChanged has drop, store { admin: address }

    #[event]
    struct ReporterSet has drop, store { reporter: address, allowed: bool }

    #[event]
    struct RewardsConfigured has drop, store { base_percentage: u64, bonus_percentage: u64, quality_threshold: u64 }

    #[event]
    struct ClaimDelaySet has drop, store { claim_delay_s: u64 }

    #[event]
    struct NodeRegistered has drop, store {
        node: address,
        node_id: String,
        public_key: String,
        compute_capacity: u64,
        bandwidth: u64,
        at: u64
    }

    #[event]
    struct NodeHeartbeat has drop, store { node: address, at: u64 }

    #[event]
    struct NodeDeactivated has drop, store { node: address, at: u64 }

    #[event]
    struct ReputationSet has drop, store { node: address, reputation: u64 }

    #[event]
    struct SessionCreated has drop, store {
        session_id: u64,
        sponsor: address,
        job_fingerprint: vector<u8>,
        pool: u64,
        at: u64
    }

    #[event]
    struct ContributionSubmitted has drop, store {
        session_id: u64,
        participant: address,
        compute_time: u64,
        gradient_quality: u64,
        data_transmitted: u64,
        uptime_ratio: u64
    }

    #[event]
    struct SettlementSubmitted has drop, store { session_id: u64, settlement: u64, entries: u64 }

    #[event]
    struct TermRecorded has drop, store {
        session_id: u64,
        term: u64,
        aggregator: address,
        certificate_hash: vector<u8>
    }

    #[event]
    struct Anchored has drop, store {
        session_id: u64,
        round: u64,
        checkpoint_hash: vector<u8>,
        manifest_root: vector<u8>,
        audit_head: vector<u8>,
        loss_micronats: u64,
        tokens: u64,
        duration_ms: u64,
        at: u64
    }

    #[event]
    struct RewardEarned has drop, store {
        session_id: u64,
        participant: address,
        score: u64,
        base: u64,
        bonus: u64,
        amount: u64,
        claimable_at: u64
    }

    #[event]
    struct RewardsDistributed has drop, store { session_id: u64, total: u64, returned: u64 }

    #[event]
    struct RewardClaimed has drop, store { session_id: u64, participant: address, amount: u64 }

    #[event]
    struct EarningInvalidated has drop, store {
        session_id: u64,
        participant: address,
        amount: u64,
        evidence: vector<u8>
    }

    #[event]
    struct RootPublished has drop, store { session_id: u64, root: vector<u8>, total: u64, claimable_at: u64 }

    #[event]
    struct RootInvalidated has drop, store { session_id: u64, root: vector<u8>, evidence: vector<u8> }

    #[event]
    struct SessionClosed has drop, store { session_id: u64, returned: u64 }

    /// Runs once, when the module is published.
    fun init_module(deployer: &signer) {
        payout::create_vault(deployer);
        move_to(
            deployer,
            State {
                admin: payout::owner_of(deployer),
                pending_admin: NOBODY,
                paused: false,
                base_percentage: 80,
                bonus_percentage: 20,
                quality_threshold: 90,
                claim_delay_s: 86400,
                reporters: table::new(),
                nodes: table::new(),
                sessions: table::new(),
                participants: table::new(),
                contributions: table::new(),
                earnings: table::new(),
                claimed: table::new(),
                anchors: table::new()
            }
        )
    }

    // Administration.

    public entry fun set_paused(admin: &signer, paused: bool) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_admin(state, admin);
        state.paused = paused;
        event::emit(Paused { paused })
    }

    public entry fun propose_admin(admin: &signer, new_admin: address) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_admin(state, admin);
        state.pending_admin = new_admin;
        event::emit(AdminProposed { new_admin })
    }

    public entry fun accept_admin(new_admin: &signer) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        let admin = signer::address_of(new_admin);
        assert!(
            admin == state.pending_admin && admin != NOBODY,
            error::permission_denied(ENOT_PENDING_ADMIN)
        );
        state.admin = admin;
        state.pending_admin = NOBODY;
        event::emit(AdminChanged { admin })
    }

    public entry fun set_reporter(admin: &signer, reporter: address, allowed: bool) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_admin(state, admin);
        table::upsert(&mut state.reporters, reporter, allowed);
        event::emit(ReporterSet { reporter, allowed })
    }

    public entry fun configure_rewards(
        admin: &signer, base_percentage: u64, bonus_percentage: u64, quality_threshold: u64
    ) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_admin(state, admin);
        assert!(
            base_percentage <= 100 && bonus_percentage == 100 - base_percentage && quality_threshold <= 100,
            error::invalid_argument(EINVALID_PERCENTAGES)
        );
        state.base_percentage = base_percentage;
        state.bonus_percentage = bonus_percentage;
        state.quality_threshold = quality_threshold;
        event::emit(RewardsConfigured { base_percentage, bonus_percentage, quality_threshold })
    }

    public entry fun set_claim_delay(admin: &signer, claim_delay_s: u64) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_admin(state, admin);
        assert!(claim_delay_s <= CLAIM_DELAY_S_MAX, error::invalid_argument(EINVALID_DELAY));
        state.claim_delay_s = claim_delay_s;
        event::emit(ClaimDelaySet { claim_delay_s })
    }

    // Nodes.

    public entry fun register_p2p_node(
        node_signer: &signer,
        node_id: String,
        public_key: String,
        compute_capacity: u64,
        bandwidth: u64
    ) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_running(state);
        assert_string(&node_id);
        assert_string(&public_key);
        let node = signer::address_of(node_signer);
        let at = timestamp::now_seconds();
        let reputation = 50;
        if (table::contains(&state.nodes, node)) {
            let known = table::borrow(&state.nodes, node);
            assert!(!known.active, error::already_exists(EALREADY_REGISTERED));
            reputation = known.reputation;
        };
        table::upsert(
            &mut state.nodes,
            node,
            Node {
                node_id,
                public_key,
                compute_capacity,
                bandwidth,
                registered_at: at,
                last_heartbeat: at,
                active: true,
                reputation
            }
        );
        event::emit(NodeRegistered { node, node_id, public_key, compute_capacity, bandwidth, at })
    }

    public entry fun update_node_heartbeat(node_signer: &signer) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_running(state);
        let node = signer::address_of(node_signer);
        let at = timestamp::now_seconds();
        active_node(state, node).last_heartbeat = at;
        event::emit(NodeHeartbeat { node, at })
    }

    public entry fun deactivate_node(node_signer: &signer) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        let node = signer::address_of(node_signer);
        active_node(state, node).active = false;
        event::emit(NodeDeactivated { node, at: timestamp::now_seconds() })
    }

    public entry fun set_reputation(reporter: &signer, node: address, reputation: u64) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_reporter(state, reporter);
        assert_running(state);
        assert_registered(state, node);
        assert_ratio(reputation);
        table::borrow_mut(&mut state.nodes, node).reputation = reputation;
        event::emit(ReputationSet { node, reputation })
    }

    // Sessions and contributions.

    public entry fun create_session(
        reporter: &signer, session_id: u64, job_fingerprint: vector<u8>, pool: u64
    ) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_reporter(state, reporter);
        assert_running(state);
        assert!(!table::contains(&state.sessions, session_id), error::already_exists(ESESSION_EXISTS));
        assert_hash(&job_fingerprint);
        let sponsor = signer::address_of(reporter);
        assert!(payout::balance(sponsor) >= pool, error::invalid_state(EINSUFFICIENT_BALANCE));
        payout::deposit(reporter, pool);
        let at = timestamp::now_seconds();
        let session = Session {
            sponsor,
            job_fingerprint,
            pool,
            closed: false,
            created_at: at,
            base_percentage: state.base_percentage,
            bonus_percentage: state.bonus_percentage,
            quality_threshold: state.quality_threshold,
            last_settlement: 0,
            term: 0,
            aggregator: NOBODY,
            participants: 0,
            claimed: 0,
            by_roots: false,
            root: vector[],
            root_total: 0,
            pending_root: vector[],
            pending_total: 0,
            pending_claimable_at: 0
        };
        table::add(&mut state.sessions, session_id, session);
        event::emit(SessionCreated { session_id, sponsor, job_fingerprint, pool, at })
    }

    public entry fun submit_detailed_contribution(
        admin: &signer,
        session_id: u64,
        participant: address,
        compute_time: u64,
        gradient_quality: u64,
        data_transmitted: u64,
        uptime_ratio: u64
    ) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_reporter(state, admin);
        assert_running(state);
        open_session(state, session_id);
        add_contribution(
            state, session_id, participant, compute_time, gradient_quality, data_transmitted, uptime_ratio
        )
    }

    public entry fun submit_contributions(
        reporter: &signer,
        session_id: u64,
        settlement: u64,
        participants: vector<address>,
        compute_times: vector<u64>,
        gradient_qualities: vector<u64>,
        data_transmitted: vector<u64>,
        uptime_ratios: vector<u64>
    ) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_reporter(state, reporter);
        assert_running(state);
        let session = open_session(state, session_id);
        let entries = vector::length(&participants);
        assert!(entries > 0 && entries <= BATCH_MAX, error::invalid_argument(ETOO_MANY));
        assert!(
            vector::length(&compute_times) == entries
                && vector::length(&gradient_qualities) == entries
                && vector::length(&data_transmitted) == entries
                && vector::length(&uptime_ratios) == entries,
            error::invalid_argument(ELENGTHS_DIFFER)
        );
        // Settlements come one by one, so their number never reaches the end of u64.
        assert!(settlement == session.last_settlement + 1, error::invalid_state(ESETTLEMENT_OUT_OF_ORDER));
        session.last_settlement = settlement;
        let i = 0;
        while (i < entries) {
            add_contribution(
                state,
                session_id,
                *vector::borrow(&participants, i),
                *vector::borrow(&compute_times, i),
                *vector::borrow(&gradient_qualities, i),
                *vector::borrow(&data_transmitted, i),
                *vector::borrow(&uptime_ratios, i)
            );
            i = i + 1;
        };
        event::emit(SettlementSubmitted { session_id, settlement, entries })
    }

    public entry fun record_term(
        reporter: &signer,
        session_id: u64,
        term: u64,
        aggregator: address,
        certificate_hash: vector<u8>
    ) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_reporter(state, reporter);
        assert_running(state);
        let session = open_session(state, session_id);
        assert_hash(&certificate_hash);
        assert!(term > session.term, error::invalid_state(ESTALE_TERM));
        session.term = term;
        session.aggregator = aggregator;
        event::emit(TermRecorded { session_id, term, aggregator, certificate_hash })
    }

    public entry fun record_anchor(
        reporter: &signer,
        session_id: u64,
        round: u64,
        checkpoint_hash: vector<u8>,
        manifest_root: vector<u8>,
        audit_head: vector<u8>,
        loss_micronats: u64,
        tokens: u64,
        duration_ms: u64
    ) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_reporter(state, reporter);
        assert_running(state);
        open_session(state, session_id);
        assert_hash(&checkpoint_hash);
        assert_hash(&manifest_root);
        assert_hash(&audit_head);
        let last = anchor_of(state, session_id).round;
        assert!(round > last, error::invalid_state(ESTALE_ANCHOR));
        table::upsert(
            &mut state.anchors,
            session_id,
            Anchor { round, checkpoint_hash, manifest_root, audit_head, loss_micronats, tokens, duration_ms }
        );
        event::emit(
            Anchored {
                session_id,
                round,
                checkpoint_hash,
                manifest_root,
                audit_head,
                loss_micronats,
                tokens,
                duration_ms,
                at: timestamp::now_seconds()
            }
        )
    }

    // Rewards.

    public entry fun distribute_rewards(admin: &signer, session_id: u64) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_reporter(state, admin);
        assert_running(state);
        let claimable_at = timestamp::now_seconds() + state.claim_delay_s;
        let session = open_session(state, session_id);
        assert!(session.participants <= PARTICIPANTS_MAX, error::invalid_argument(ETOO_MANY));
        assert!(!session.by_roots, error::invalid_state(ESESSION_CLOSED));
        session.closed = true;
        let pool = session.pool;
        let sponsor = session.sponsor;
        let base_percentage = session.base_percentage;
        let quality_threshold = session.quality_threshold;
        let participants = participants_of(state, session_id);
        let totals = vector[];
        let i = 0;
        while (i < vector::length(&participants)) {
            let one = contribution_of(state, session_id, *vector::borrow(&participants, i));
            vector::push_back(
                &mut totals,
                reward_split::totals(
                    one.compute_time, one.data_transmitted, one.quality_sum, one.uptime_sum, one.count
                )
            );
            i = i + 1;
        };
        let (scores, base, bonus) = reward_split::split(pool, base_percentage, quality_threshold, &totals);
        let total = 0;
        i = 0;
        while (i < vector::length(&participants)) {
            let participant = *vector::borrow(&participants, i);
            let base = *vector::borrow(&base, i);
            let bonus = *vector::borrow(&bonus, i);
            let amount = base + bonus;
            total = total + amount;
            if (amount > 0) {
                table::add(
                    &mut state.earnings,
                    Member { session_id, participant },
                    Earning { amount, claimable_at, claimed: false }
                )
            };
            event::emit(
                RewardEarned {
                    session_id,
                    participant,
                    score: *vector::borrow(&scores, i),
                    base,
                    bonus,
                    amount,
                    claimable_at
                }
            );
            i = i + 1;
        };
        let returned = pool - total;
        payout::pay(sponsor, returned);
        event::emit(RewardsDistributed { session_id, total, returned })
    }

    public entry fun claim_reward(participant: &signer, session_id: u64) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_running(state);
        assert_session(state, session_id);
        let participant = signer::address_of(participant);
        let member = Member { session_id, participant };
        let earning = earning_of(state, session_id, participant);
        assert!(earning.amount > 0 && !earning.claimed, error::invalid_state(ENOTHING_TO_CLAIM));
        assert!(timestamp::now_seconds() >= earning.claimable_at, error::invalid_state(ENOT_CLAIMABLE_YET));
        table::borrow_mut(&mut state.earnings, member).claimed = true;
        pay_claim(state, session_id, participant, earning.amount)
    }

    public entry fun invalidate_earning(
        admin: &signer, session_id: u64, participant: address, evidence: vector<u8>
    ) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_admin(state, admin);
        assert_session(state, session_id);
        assert_evidence(&evidence);
        let Earning { amount, claimable_at, claimed } = earning_of(state, session_id, participant);
        assert!(
            amount > 0 && !claimed && timestamp::now_seconds() < claimable_at,
            error::invalid_state(ETOO_LATE)
        );
        table::remove(&mut state.earnings, Member { session_id, participant });
        payout::pay(table::borrow(&state.sessions, session_id).sponsor, amount);
        event::emit(EarningInvalidated { session_id, participant, amount, evidence })
    }

    public entry fun publish_root(
        reporter: &signer, session_id: u64, root: vector<u8>, total: u64
    ) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_reporter(state, reporter);
        assert_running(state);
        let claimable_at = timestamp::now_seconds() + state.claim_delay_s;
        let session = open_session(state, session_id);
        assert_hash(&root);
        promote_due_root(session);
        assert!(vector::is_empty(&session.pending_root), error::invalid_state(EROOT_PENDING));
        assert!(
            total <= session.pool && total >= session.root_total,
            error::out_of_range(EPOOL_EXCEEDED)
        );
        session.by_roots = true;
        session.pending_root = root;
        session.pending_total = total;
        session.pending_claimable_at = claimable_at;
        event::emit(RootPublished { session_id, root, total, claimable_at })
    }

    public entry fun invalidate_root(admin: &signer, session_id: u64, evidence: vector<u8>) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_admin(state, admin);
        assert_session(state, session_id);
        assert_evidence(&evidence);
        let session = table::borrow_mut(&mut state.sessions, session_id);
        assert!(
            !vector::is_empty(&session.pending_root)
                && timestamp::now_seconds() < session.pending_claimable_at,
            error::invalid_state(ETOO_LATE)
        );
        let root = session.pending_root;
        drop_pending_root(session);
        event::emit(RootInvalidated { session_id, root, evidence })
    }

    public entry fun claim(
        participant: &signer, session_id: u64, cumulative: u64, proof: vector<vector<u8>>
    ) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_running(state);
        assert_session(state, session_id);
        let session = table::borrow_mut(&mut state.sessions, session_id);
        promote_due_root(session);
        assert!(!vector::is_empty(&session.root), error::not_found(ENO_ROOT));
        assert!(vector::length(&proof) <= PROOF_MAX, error::invalid_argument(ETOO_MANY));
        let i = 0;
        while (i < vector::length(&proof)) {
            assert_hash(vector::borrow(&proof, i));
            i = i + 1;
        };
        let participant = signer::address_of(participant);
        let leaf = merkle::leaf(session_id, participant, cumulative);
        assert!(merkle::root(leaf, proof) == session.root, error::invalid_argument(EINVALID_PROOF));
        let left = session.root_total - session.claimed;
        let claimed = claimed_of(state, session_id, participant);
        assert!(cumulative > claimed, error::invalid_state(ENOTHING_TO_CLAIM));
        let amount = cumulative - claimed;
        assert!(amount <= left, error::out_of_range(EPOOL_EXCEEDED));
        table::upsert(&mut state.claimed, Member { session_id, participant }, cumulative);
        pay_claim(state, session_id, participant, amount)
    }

    public entry fun close_session(admin: &signer, session_id: u64) acquires State {
        let state = borrow_global_mut<State>(@cotrain);
        assert_admin(state, admin);
        let session = open_session(state, session_id);
        promote_due_root(session);
        assert!(vector::is_empty(&session.pending_root), error::invalid_state(EROOT_PENDING));
        session.closed = true;
        let returned = session.pool - session.root_total;
        payout::pay(session.sponsor, returned);
        event::emit(SessionClosed { session_id, returned })
    }

    // Views.

    #[view]
    public fun get_p2p_node(node: address): (String, String, u64, u64, u64, u64, bool, u64) acquires State {
        let state = borrow_global<State>(@cotrain);
        assert_registered(state, node);
        let it = table::borrow(&state.nodes, node);
        (
            it.node_id,
            it.public_key,
            it.compute_capacity,
            it.bandwidth,
            it.registered_at,
            it.last_heartbeat,
            it.active,
            it.reputation
        )
    }

    #[view]
    public fun calculate_contribution_score(
        compute_time: u64, gradient_quality: u64, data_transmitted: u64, uptime_ratio: u64
    ): u64 {
        assert_ratio(compute_time);
        assert_ratio(gradient_quality);
        assert_ratio(data_transmitted);
        assert_ratio(uptime_ratio);
        reward_split::score(compute_time, gradient_quality, data_transmitted, uptime_ratio)
    }

    #[view]
    public fun get_config(): (address, bool, u64, u64, u64, u64) acquires State {
        let it = borrow_global<State>(@cotrain);
        (it.admin, it.paused, it.base_percentage, it.bonus_percentage, it.quality_threshold, it.claim_delay_s)
    }

    #[view]
    public fun is_reporter(account: address): bool acquires State {
        reports(borrow_global<State>(@cotrain), account)
    }

    #[view]
    public fun get_session(session_id: u64): (address, u64, bool, u64, u64, u64, address, u64, u64) acquires State {
        let state = borrow_global<State>(@cotrain);
        assert_session(state, session_id);
        let it = table::borrow(&state.sessions, session_id);
        (
            it.sponsor,
            it.pool,
            it.closed,
            it.created_at,
            it.last_settlement,
            it.term,
            it.aggregator,
            it.participants,
            it.claimed
        )
    }

    #[view]
    public fun get_contribution(session_id: u64, participant: address): (u64, u64, u64, u64, u64) acquires State {
        let state = borrow_global<State>(@cotrain);
        assert_session(state, session_id);
        let it = contribution_of(state, session_id, participant);
        (it.compute_time, it.quality_sum, it.data_transmitted, it.uptime_sum, it.count)
    }

    #[view]
    public fun get_earning(session_id: u64, participant: address): (u64, u64, bool) acquires State {
        let state = borrow_global<State>(@cotrain);
        assert_session(state, session_id);
        let it = earning_of(state, session_id, participant);
        (it.amount, it.claimable_at, it.claimed)
    }

    #[view]
    public fun get_root(session_id: u64): (vector<u8>, u64, vector<u8>, u64, u64) acquires State {
        let state = borrow_global<State>(@cotrain);
        assert_session(state, session_id);
        let it = table::borrow(&state.sessions, session_id);
        if (is_root_due(it)) {
            (it.pending_root, it.pending_total, vector[], 0, 0)
        } else {
            (it.root, it.root_total, it.pending_root, it.pending_total, it.pending_claimable_at)
        }
    }

    #[view]
    public fun get_claimed(session_id: u64, participant: address): u64 acquires State {
        let state = borrow_global<State>(@cotrain);
        assert_session(state, session_id);
        claimed_of(state, session_id, participant)
    }

    #[view]
    public fun get_anchor(session_id: u64): (u64, vector<u8>, vector<u8>, vector<u8>, u64, u64, u64) acquires State {
        let state = borrow_global<State>(@cotrain);
        assert_session(state, session_id);
        let it = anchor_of(state, session_id);
        (
            it.round,
            it.checkpoint_hash,
            it.manifest_root,
            it.audit_head,
            it.loss_micronats,
            it.tokens,
            it.duration_ms
        )
    }

    #[view]
    public fun vault_balance(): u64 {
        payout::vault_balance()
    }

    // Checks.

    fun assert_admin(state: &State, who: &signer) {
        assert!(signer::address_of(who) == state.admin, error::permission_denied(ENOT_ADMIN))
    }

    fun assert_reporter(state: &State, who: &signer) {
        assert!(reports(state, signer::address_of(who)), error::permission_denied(ENOT_REPORTER))
    }

    fun assert_running(state: &State) {
        assert!(!state.paused, error::invalid_state(EPAUSED))
    }

    fun assert_registered(state: &State, node: address) {
        assert!(table::contains(&state.nodes, node), error::not_found(ENOT_REGISTERED))
    }

    fun assert_session(state: &State, session_id: u64) {
        assert!(table::contains(&state.sessions, session_id), error::not_found(ENO_SESSION))
    }

    fun assert_string(text: &String) {
        let length = string::length(text);
        assert!(length > 0 && length <= STRING_BYTES_MAX, error::invalid_argument(EINVALID_STRING))
    }

    fun assert_hash(hash: &vector<u8>) {
        assert!(vector::length(hash) == HASH_BYTES, error::invalid_argument(EINVALID_HASH))
    }

    fun assert_evidence(evidence: &vector<u8>) {
        let length = vector::length(evidence);
        assert!(length > 0 && length <= EVIDENCE_BYTES_MAX, error::invalid_argument(EINVALID_EVIDENCE))
    }

    fun assert_ratio(value: u64) {
        assert!(value <= 100, error::invalid_argument(EINVALID_RATIO))
    }

    fun reports(state: &State, account: address): bool {
        account == state.admin
            || (table::contains(&state.reporters, account) && *table::borrow(&state.reporters, account))
    }

    fun active_node(state: &mut State, node: address): &mut Node {
        assert_registered(state, node);
        let it = table::borrow_mut(&mut state.nodes, node);
        assert!(it.active, error::invalid_state(ENODE_INACTIVE));
        it
    }

    fun open_session(state: &mut State, session_id: u64): &mut Session {
        assert_session(state, session_id);
        let session = table::borrow_mut(&mut state.sessions, session_id);
        assert!(!session.closed, error::invalid_state(ESESSION_CLOSED));
        session
    }

    // Records.

    fun add_contribution(
        state: &mut State,
        session_id: u64,
        participant: address,
        compute_time: u64,
        gradient_quality: u64,
        data_transmitted: u64,
        uptime_ratio: u64
    ) {
        assert_registered(state, participant);
        assert_ratio(gradient_quality);
        assert_ratio(uptime_ratio);
        let known = contribution_of(state, session_id, participant);
        if (known.count == 0) add_participant(state, session_id, participant);
        let sum = Contribution {
            compute_time: add(known.compute_time, compute_time),
            quality_sum: known.quality_sum + gradient_quality,
            data_transmitted: add(known.data_transmitted, data_transmitted),
            uptime_sum: known.uptime_sum + uptime_ratio,
            count: known.count + 1
        };
        table::upsert(&mut state.contributions, Member { session_id, participant }, sum);
        event::emit(
            ContributionSubmitted {
                session_id,
                participant,
                compute_time,
                gradient_quality,
                data_transmitted,
                uptime_ratio
            }
        )
    }

    fun add(a: u64, b: u64): u64 {
        let sum = (a as u128) + (b as u128);
        assert!(sum <= 18446744073709551615, error::out_of_range(EOVERFLOW));
        (sum as u64)
    }

    fun add_participant(state: &mut State, session_id: u64, participant: address) {
        let session = table::borrow_mut(&mut state.sessions, session_id);
        session.participants = session.participants + 1;
        if (session.participants > PARTICIPANTS_MAX) return;
        if (!table::contains(&state.participants, session_id)) {
            table::add(&mut state.participants, session_id, vector[])
        };
        let list = table::borrow_mut(&mut state.participants, session_id);
        let at = ordering::position(list, participant);
        vector::insert(list, at, participant)
    }

    fun participants_of(state: &State, session_id: u64): vector<address> {
        if (table::contains(&state.participants, session_id)) {
            *table::borrow(&state.participants, session_id)
        } else {
            vector[]
        }
    }

    fun contribution_of(state: &State, session_id: u64, participant: address): Contribution {
        let member = Member { session_id, participant };
        if (table::contains(&state.contributions, member)) {
            *table::borrow(&state.contributions, member)
        } else {
            Contribution { compute_time: 0, quality_sum: 0, data_transmitted: 0, uptime_sum: 0, count: 0 }
        }
    }

    fun earning_of(state: &State, session_id: u64, participant: address): Earning {
        let member = Member { session_id, participant };
        if (table::contains(&state.earnings, member)) {
            *table::borrow(&state.earnings, member)
        } else {
            Earning { amount: 0, claimable_at: 0, claimed: false }
        }
    }

    fun claimed_of(state: &State, session_id: u64, participant: address): u64 {
        let member = Member { session_id, participant };
        if (table::contains(&state.claimed, member)) *table::borrow(&state.claimed, member) else 0
    }

    fun anchor_of(state: &State, session_id: u64): Anchor {
        if (table::contains(&state.anchors, session_id)) {
            *table::borrow(&state.anchors, session_id)
        } else {
            Anchor {
                round: 0,
                checkpoint_hash: vector[],
                manifest_root: vector[],
                audit_head: vector[],
                loss_micronats: 0,
                tokens: 0,
                duration_ms: 0
            }
        }
    }

    fun pay_claim(state: &mut State, session_id: u64, participant: address, amount: u64) {
        let session = table::borrow_mut(&mut state.sessions, session_id);
        session.claimed = session.claimed + amount;
        payout::pay(participant, amount);
        event::emit(RewardClaimed { session_id, participant, amount })
    }

    fun is_root_due(session: &Session): bool {
        !vector::is_empty(&session.pending_root) && timestamp::now_seconds() >= session.pending_claimable_at
    }

    fun promote_due_root(session: &mut Session) {
        if (is_root_due(session)) {
            session.root = session.pending_root;
            session.root_total = session.pending_total;
            drop_pending_root(session)
        }
    }

    fun drop_pending_root(session: &mut Session) {
        session.pending_root = vector[];
        session.pending_total = 0;
        session.pending_claimable_at = 0
    }

    #[test_only]
    public fun init_for_test(deployer: &signer) {
        init_module(deployer)
    }
}
