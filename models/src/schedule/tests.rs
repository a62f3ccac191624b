use super::*;

const SCHEDULE: Schedule = Schedule { peak: 1e-3, warmup_steps: 10, total_steps: 110, floor: 1e-4 };

#[test]
fn climbs_linearly_to_the_peak() {
    assert!((SCHEDULE.learning_rate(0) - 1e-4).abs() < 1e-10);
    assert!((SCHEDULE.learning_rate(4) - 5e-4).abs() < 1e-10);
    assert_eq!(SCHEDULE.learning_rate(9), 1e-3);
    assert_eq!(SCHEDULE.learning_rate(10), 1e-3);
}

#[test]
fn falls_along_a_cosine_to_the_floor() {
    assert!((SCHEDULE.learning_rate(60) - 5.5e-4).abs() < 1e-9);
    let rates: Vec<f32> = (10..120).map(|step| SCHEDULE.learning_rate(step)).collect();
    assert!(rates.windows(2).all(|pair| pair[0] >= pair[1]));
    assert_eq!(SCHEDULE.learning_rate(110), 1e-4);
    assert_eq!(SCHEDULE.learning_rate(u64::MAX), 1e-4);
}

#[test]
fn degenerate_schedules_hold_the_floor() {
    let empty = Schedule { peak: 1.0, warmup_steps: 0, total_steps: 0, floor: 0.5 };
    assert_eq!(empty.learning_rate(0), 0.5);
    let only_warmup = Schedule { peak: 1.0, warmup_steps: 4, total_steps: 2, floor: 0.5 };
    assert_eq!(only_warmup.learning_rate(3), 1.0);
    assert_eq!(only_warmup.learning_rate(4), 0.5);
}

#[test]
fn the_series_is_the_cosine() {
    for step in 0..=1000 {
        let x = f64::from(step) / 1000.0;
        assert!((half_turn_cosine(x) - (std::f64::consts::PI * x).cos()).abs() < 1e-15, "{x}");
    }
}
