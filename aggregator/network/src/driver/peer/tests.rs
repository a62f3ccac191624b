use protocol::Keypair;

use super::*;
use crate::{config::ATTEMPTS_MAX, identity};

fn peer() -> Peer {
    let worker = Keypair::from_secret(&[1; 32]).worker();
    Peer::new(worker, identity::peer_id(&worker).unwrap())
}

type Answer = oneshot::Receiver<Result<Response, SendError>>;

fn outbound(now: Instant, marker: u8, seconds: u64) -> (Outbound, Answer) {
    let (reply, answer) = oneshot::channel();
    let outbound = Outbound {
        request: Request::Message(vec![marker].into()),
        lane: LaneKind::Message,
        started: now,
        deadline: now + Duration::from_secs(seconds),
        attempts: 0,
        attempts_max: ATTEMPTS_MAX,
        not_before: now,
        last: String::new(),
        reply,
    };
    (outbound, answer)
}

fn marker(outbound: &Outbound) -> u8 {
    match &outbound.request {
        Request::Message(body) => body.bytes[0],
        _ => panic!("no message"),
    }
}

#[test]
fn one_message_is_in_flight_and_a_repeated_one_keeps_its_place() {
    let (mut peer, now) = (peer(), Instant::now());
    let mut answers = Vec::new();
    for mark in 0..3 {
        let (outbound, answer) = outbound(now, mark, 60);
        peer.lane(LaneKind::Message).push(peer_worker(), outbound);
        answers.push(answer);
    }
    let first = peer.take_ready(LaneKind::Message, now).unwrap();
    assert_eq!((marker(&first), first.attempts), (0, 1));
    assert!(peer.take_ready(LaneKind::Message, now).is_none());

    peer.lane(LaneKind::Message).in_flight = 0;
    peer.lane(LaneKind::Message).retry(first, now, Duration::from_secs(1));
    assert!(peer.take_ready(LaneKind::Message, now).is_none(), "the second overtakes the first");
    let again = peer.take_ready(LaneKind::Message, now + Duration::from_secs(1)).unwrap();
    assert_eq!((marker(&again), again.attempts), (0, 2));
}

fn peer_worker() -> WorkerId {
    Keypair::from_secret(&[1; 32]).worker()
}

#[test]
fn a_full_lane_answers_at_once() {
    let (mut peer, now) = (peer(), Instant::now());
    let mut answers = Vec::new();
    for _ in 0..QUEUED_PER_LANE_MAX + 1 {
        let (outbound, answer) = outbound(now, 0, 60);
        peer.lane(LaneKind::Message).push(peer_worker(), outbound);
        answers.push(answer);
    }
    let last = answers.last_mut().unwrap().try_recv().unwrap();
    assert!(matches!(last, Err(SendError::QueueFull { queued: QUEUED_PER_LANE_MAX, .. })));
    assert!(answers[0].try_recv().is_err());
}

#[test]
fn deadlines_and_attempts_end_requests() {
    let (mut peer, now) = (peer(), Instant::now());
    let (short, mut short_answer) = outbound(now, 0, 1);
    let (long, mut long_answer) = outbound(now, 1, 60);
    let (mut tired, mut tired_answer) = outbound(now, 2, 60);
    tired.attempts = ATTEMPTS_MAX;
    for outbound in [short, long, tired] {
        peer.lane(LaneKind::Message).push(peer_worker(), outbound);
    }
    peer.expire(now + Duration::from_secs(1));
    assert!(matches!(short_answer.try_recv(), Ok(Err(SendError::TimedOut { after_ms: 1000, attempts: 0, .. }))));
    assert!(matches!(tired_answer.try_recv(), Ok(Err(SendError::TimedOut { attempts: ATTEMPTS_MAX, .. }))));
    assert!(long_answer.try_recv().is_err());
    assert!(peer.needs_tick());
}

#[test]
fn requests_of_callers_that_went_away_are_not_sent() {
    let (mut peer, now) = (peer(), Instant::now());
    let (gone, answer) = outbound(now, 0, 60);
    let (there, _kept) = outbound(now, 1, 60);
    peer.lane(LaneKind::Message).push(peer_worker(), gone);
    peer.lane(LaneKind::Message).push(peer_worker(), there);
    drop(answer);
    assert_eq!(marker(&peer.take_ready(LaneKind::Message, now).unwrap()), 1);
}

#[test]
fn pauses_double_within_bounds() {
    for salt in [0, 100, 255] {
        let pauses: Vec<_> = (0..40).map(|failures| pause(failures, salt)).collect();
        assert!(pauses.is_sorted());
        assert!(pauses[0] >= BACKOFF_MIN.mul_f64(0.74) && pauses[0] <= BACKOFF_MIN.mul_f64(1.26));
        assert!(pauses[39] >= BACKOFF_MAX.mul_f64(0.74) && pauses[39] <= BACKOFF_MAX.mul_f64(1.26));
    }
    assert!(pause(0, 0) < pause(0, 255));
}

#[test]
fn a_short_connection_lengthens_the_pause_and_a_long_one_ends_it() {
    let (mut peer, mut now) = (peer(), Instant::now());
    peer.keep = true;
    peer.learn(vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()]);
    assert!(peer.wants_dial(now));
    for _ in 0..10 {
        peer.connected(false, true, now);
        peer.disconnected(now, "closed at once".into());
    }
    assert!(!peer.wants_dial(now + BACKOFF_MAX / 2));
    now += 2 * BACKOFF_MAX;
    assert!(peer.wants_dial(now));
    peer.connected(false, true, now);
    now += CONNECTION_STABLE;
    peer.disconnected(now, "lost".into());
    assert!(peer.wants_dial(now + 2 * BACKOFF_MIN));
}

#[test]
fn the_newest_addresses_stay() {
    let mut peer = peer();
    let address = |port: u16| -> Multiaddr { format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap() };
    for port in 1..=20 {
        peer.learn(vec![address(port)]);
    }
    assert_eq!(peer.addresses.len(), ADDRESSES_PER_PEER_MAX);
    assert_eq!(peer.addresses[0], address(20));
    peer.learn(vec![address(18), address(21)]);
    assert_eq!(peer.addresses[..3], [address(18), address(21), address(20)]);
}

#[test]
fn a_peer_that_holds_nothing_is_forgotten() {
    let (mut peer, now) = (peer(), Instant::now());
    assert!(peer.forgettable());
    peer.connected(false, true, now);
    assert!(!peer.forgettable());
    peer.disconnected(now, String::new());
    assert!(peer.forgettable());
    peer.learn(vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()]);
    assert!(!peer.forgettable());
}

#[test]
fn only_a_stranger_is_given_notice() {
    for (inbound, admitted, notice) in [(true, false, true), (true, true, false), (false, false, false)] {
        let (mut peer, now) = (peer(), Instant::now());
        peer.connected(inbound, admitted, now);
        assert_eq!(peer.close_at, notice.then_some(now + STRANGER_GRACE));
        assert_eq!(peer.needs_tick(), notice);
        peer.disconnected(now, String::new());
        assert!(!peer.needs_tick());
    }
}
