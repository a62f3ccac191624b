use super::*;

#[test]
fn refuses_what_the_host_path_refuses() {
    let mut values = vec![1.0; 5000];
    values[4500] = f32::NAN;
    values[4800] = f32::INFINITY;
    for codec in Codec::ALL {
        assert_eq!(encode(codec, &values), Err(EncodeError::NonFinite { index: 4500 }));
        assert_eq!(host::encode(codec, &values), Err(EncodeError::NonFinite { index: 4500 }));
    }
}
