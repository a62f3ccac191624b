//! The codec schedule.

use super::{CodecFrom, Parameters};
use crate::testing::parameters;

#[test]
fn each_codec_serves_from_its_outer_step_on() {
    let entry = |outer_step, codec: &str| CodecFrom { outer_step, codec: codec.to_owned() };
    let parameters = Parameters { codecs: vec![entry(0, "dense"), entry(4, "sparse")], ..parameters(1) };
    let names: Vec<_> = [0, 3, 4, 90].map(|outer_steps| parameters.codec_at(outer_steps)).into();
    assert_eq!(names, ["dense", "dense", "sparse", "sparse"]);
}
