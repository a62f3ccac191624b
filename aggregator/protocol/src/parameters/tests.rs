//! Parameters within bounds, and the codec schedule.

use super::{CodecFrom, Parameters, ParametersError};

fn with(change: impl FnOnce(&mut Parameters)) -> Result<(), ParametersError> {
    let mut parameters = Parameters::default();
    change(&mut parameters);
    parameters.validate()
}

#[test]
fn the_defaults_are_valid() {
    assert_eq!(Parameters::default().validate(), Ok(()));
}

#[test]
fn what_makes_no_sense_is_named() {
    let message = |result: Result<(), ParametersError>| result.unwrap_err().to_string();
    assert_eq!(message(with(|parameters| parameters.alpha = 0)), "alpha = 0 is outside 1..=256");
    assert_eq!(message(with(|parameters| parameters.alpha = 257)), "alpha = 257 is outside 1..=256");
    assert_eq!(message(with(|parameters| parameters.workers_min = 65)), "workers_min = 65 is outside 1..=64");
    assert_eq!(message(with(|parameters| parameters.rho = (2, 1))), "rho = 2/1 is no fraction between 0 and 1");
    assert_eq!(message(with(|parameters| parameters.rho = (0, 0))), "rho = 0/0 is no fraction between 0 and 1");
    assert_eq!(message(with(|parameters| parameters.resend_ms = 0)), "resend_ms = 0 is outside 1..=2592000000");
    assert!(with(|parameters| parameters.codecs.clear()).is_err());
}

#[test]
fn the_codec_schedule_begins_at_zero_and_ascends() {
    let entry = |outer_step, codec: &str| CodecFrom { outer_step, codec: codec.to_owned() };
    let schedule = |codecs: Vec<CodecFrom>| with(|parameters| parameters.codecs = codecs);
    assert_eq!(schedule(vec![entry(0, "a"), entry(4, "b")]), Ok(()));
    assert_eq!(schedule(vec![entry(1, "a")]), Err(ParametersError::Codecs(1, 0)));
    assert_eq!(schedule(vec![entry(0, "a"), entry(0, "b")]), Err(ParametersError::Codecs(0, 1)));
    let parameters = Parameters { codecs: vec![entry(0, "dense"), entry(4, "sparse")], ..Parameters::default() };
    let names: Vec<_> = [0, 3, 4, 90].map(|outer_steps| parameters.codec_at(outer_steps)).into();
    assert_eq!(names, ["dense", "dense", "sparse", "sparse"]);
}
