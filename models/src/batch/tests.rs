use super::*;

#[test]
fn rows_are_cut_at_sequence_boundaries() {
    let batch = Batch::new((0..12).collect(), 3, 3).unwrap();
    assert_eq!(batch.rows(1, 1).tokens, vec![4, 5, 6, 7]);
    assert_eq!(batch.rows(2, 5).sequences, 1);
    assert_eq!(batch.rows(9, 1).sequences, 0);
}

#[test]
fn refuses_a_wrong_token_count() {
    assert!(matches!(Batch::new(vec![0; 11], 3, 3), Err(BatchError::Shape { expected: 12, .. })));
    assert!(Batch::new(Vec::new(), 0, 3).is_err());
    assert!(Batch::new(vec![0; 4], usize::MAX, usize::MAX).is_err());
}

#[test]
fn refuses_tokens_and_lengths_that_the_model_lacks() {
    let batch = Batch::new(vec![0, 1, 2, 9], 1, 3).unwrap();
    assert!(batch.check(10, 3).is_ok());
    assert!(matches!(batch.check(9, 3), Err(BatchError::TokenOutOfRange { token: 9, position: 3, .. })));
    assert!(matches!(batch.check(10, 2), Err(BatchError::TooLong { length: 3, context: 2 })));
}
