use super::{ARGUMENT_BYTES_MAX, ArgumentError, Type, Value};
use crate::Address;
use proptest::prelude::*;
use serde_json::json;

const TYPES: [Type; 9] = [
    Type::Bool,
    Type::U8,
    Type::U64,
    Type::Address,
    Type::String,
    Type::Bytes,
    Type::List(&Type::U64),
    Type::List(&Type::Bytes),
    Type::List(&Type::List(&Type::Bool)),
];

#[test]
fn values_are_written_as_the_chain_writes_them() {
    let one: Address = "0x1".parse().unwrap();
    let long = format!("0x{}1", "0".repeat(63));
    assert_eq!((one.to_string(), long.parse()), (long.clone(), Ok(one)));
    assert_eq!(Value::U64(u64::MAX).json(), json!("18446744073709551615"));
    assert_eq!(Value::U8(7).json(), json!(7));
    assert_eq!(Value::Bytes(vec![0xab, 1]).json(), json!("0xab01"));
    assert_eq!(Value::List(vec![one.into(), true.into()]).json(), json!([long, true]));
    assert_eq!(Value::from("é").bcs(), [2, 0xc3, 0xa9]);
    assert_eq!(Value::Bytes(vec![9; 128]).bcs()[..3], [0x80, 1, 9]);
    for text in ["", "0x", "0xg", &format!("0x{}", "0".repeat(65))] {
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}

#[test]
fn bytes_that_are_no_value_are_refused() {
    let error = |ty: Type, bytes: &[u8]| Value::from_bcs(&ty, bytes).unwrap_err();
    assert_eq!(error(Type::Signer, &[]), ArgumentError::Signer);
    assert_eq!(error(Type::Bool, &[2]), ArgumentError::InvalidBool(2));
    assert_eq!(error(Type::U64, &[0; 7]), ArgumentError::UnexpectedEnd);
    assert_eq!(error(Type::U64, &[0; 9]), ArgumentError::TrailingBytes(1));
    assert_eq!(error(Type::String, &[1, 0xff]), ArgumentError::InvalidUtf8);
    assert_eq!(error(Type::Bytes, &[0x80, 0]), ArgumentError::InvalidLength);
    assert_eq!(error(Type::Bytes, &[0xff, 0xff, 0xff, 0xff, 0x1f]), ArgumentError::InvalidLength);
    assert_eq!(error(Type::Bytes, &[0xff; 6]), ArgumentError::InvalidLength);
    assert_eq!(error(Type::List(&Type::Bool), &[0xff, 0xff, 0xff, 0xff, 0xf]), ArgumentError::UnexpectedEnd);
    let long = vec![0; ARGUMENT_BYTES_MAX + 1];
    assert_eq!(error(Type::Bytes, &long), ArgumentError::TooLong(long.len()));
}

#[test]
fn json_that_is_no_value_is_refused() {
    let cases = [
        (Type::U64, json!(1)),
        (Type::U64, json!("+1")),
        (Type::U64, json!("")),
        (Type::U64, json!("18446744073709551616")),
        (Type::U8, json!(256)),
        (Type::Bool, json!("true")),
        (Type::Bytes, json!("0xabc")),
        (Type::Bytes, json!([1])),
        (Type::Address, json!("0xx")),
        (Type::List(&Type::U64), json!(["1", 2])),
        (Type::String, json!(null)),
    ];
    for (ty, json) in cases {
        let refused = Value::from_json(&ty, &json);
        assert!(matches!(refused, Err(ArgumentError::InvalidJson { .. })), "{ty:?} {json}");
    }
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_alike(bytes in prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..80)) {
        for ty in TYPES {
            if let Ok(value) = Value::from_bcs(&ty, &bytes) {
                prop_assert_eq!(value.bcs(), bytes.clone());
                prop_assert_eq!(Value::from_json(&ty, &value.json()), Ok(value));
            }
        }
    }
}
