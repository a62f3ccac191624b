use super::*;

#[test]
fn names_and_numbers_lead_back_to_the_codec() {
    for codec in Codec::ALL {
        assert_eq!(codec.name().parse(), Ok(codec));
        assert_eq!(Codec::from_number(codec.number()), Some(codec));
        assert_eq!(codec.to_string(), codec.name());
    }
    assert_eq!(Codec::from_number(5), None);
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let error = "topk-64".parse::<Codec>().unwrap_err();
    assert!(error.nearest.starts_with("topk"), "{error}");
    assert_eq!("int8".parse::<Codec>().unwrap_err().nearest, "dense-int8");
}

#[test]
fn bodies_have_the_sizes_of_the_design() {
    let chunk = |codec: Codec| codec.body_bytes(CHUNK);
    assert_eq!(chunk(Codec::TopK32), 48);
    assert_eq!(chunk(Codec::TopK64), 84);
    assert_eq!(chunk(Codec::TopK128), 148);
    assert_eq!(chunk(Codec::TopK256), 260);
    assert_eq!(chunk(Codec::DenseInt8), 4224);
    assert_eq!(chunk(Codec::DenseInt4), 2176);
    assert_eq!(Codec::None.body_bytes(5), 20);
    assert_eq!(Codec::TopK64.body_bytes(0), 0);
    assert_eq!(Codec::TopK64.body_bytes(CHUNK + 1), 168);
    assert_eq!(Codec::None.body_bytes(usize::MAX), usize::MAX);
}

#[test]
fn the_default_codec_saves_what_the_design_promises() {
    let ratio = |elements: usize| {
        let sent = Codec::TopK64.body_bytes(elements) + crate::HEADER_BYTES + 64;
        (4 * elements) as f64 / sent as f64
    };
    assert!(ratio(64 << 20) >= 195.0);
    assert!(ratio(926_000) >= 190.0);
}
