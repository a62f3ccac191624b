use super::*;

const DOMAIN: &str = "cotrain/test/1";

#[test]
fn a_stream_is_a_function_of_its_names() {
    let stream = Stream::new(DOMAIN, 7, "a");
    assert_eq!(stream.bits(3), Stream::new(DOMAIN, 7, "a").bits(3));
    assert_ne!(stream.bits(3), Stream::new(DOMAIN, 7, "b").bits(3));
    assert_ne!(stream.bits(3), Stream::new(DOMAIN, 8, "a").bits(3));
    assert_ne!(stream.bits(3), stream.bits(4));
}

#[test]
fn uniform_numbers_fill_the_unit_interval() {
    let stream = Stream::new(DOMAIN, 1, "uniform");
    let values: Vec<f64> = (0..100_000).map(|counter| stream.uniform(counter)).collect();
    assert!(values.iter().all(|value| (0.0..1.0).contains(value)));
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    assert!((mean - 0.5).abs() < 0.005, "{mean}");
}

#[test]
fn normal_numbers_have_the_moments_of_a_normal_distribution() {
    let stream = Stream::new(DOMAIN, 1, "normal");
    let values: Vec<f64> = (0..200_000).map(|counter| f64::from(stream.normal(counter))).collect();
    let moment = |power: i32| values.iter().map(|value| value.powi(power)).sum::<f64>() / values.len() as f64;
    assert!(moment(1).abs() < 0.01, "mean {}", moment(1));
    assert!((moment(2) - 1.0).abs() < 0.02, "variance {}", moment(2));
    assert!((moment(4) - 2.9).abs() < 0.1, "kurtosis {}", moment(4));
}
