use super::*;
use proptest::prelude::*;

fn count_to(end: u32) -> Vec<u32> {
    (0..end).collect()
}

#[test]
fn windows_follow_each_other() {
    let windows = Windows::new(count_to(12), 4).unwrap();
    assert_eq!(windows.len(), 2);
    assert_eq!(windows.get(0).unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(windows.get(1).unwrap(), [4, 5, 6, 7, 8]);
    assert_eq!(windows.get(2), None);
    assert_eq!(windows.get(usize::MAX), None);
}

#[test]
fn a_batch_keeps_the_order_of_its_indices() {
    let windows = Windows::new(count_to(13), 4).unwrap();
    let batch = windows.batch(&[2, 0]).unwrap();
    assert_eq!(batch.tokens, [8, 9, 10, 11, 12, 0, 1, 2, 3, 4]);
    assert!(matches!(windows.batch(&[0, 3]), Err(DataError::NoSuchWindow { index: 3, count: 3 })));
}

#[test]
fn too_little_text_says_how_much_would_do() {
    let needed = 32 * 256 + 1;
    let error = split(&vec![0; needed - 1], 256).unwrap_err();
    assert!(matches!(error, DataError::TooShort { needed: n, .. } if n == needed));
    assert!(error.to_string().contains("8193"), "{error}");
    assert_eq!(split(&vec![0; needed], 256).unwrap().held_out.len(), 8);
    assert!(matches!(split(&[0; 9], 0), Err(DataError::Length { .. })));
    assert!(matches!(split(&[0; 9], usize::MAX), Err(DataError::Length { .. })));
}

#[test]
fn holds_out_a_twentieth_or_sixty_four() {
    assert_eq!(split(&count_to(256 * 4 + 1), 4).unwrap().held_out.len(), 64);
    assert_eq!(split(&count_to(1000 * 4 + 1), 4).unwrap().held_out.len(), 64);
    assert_eq!(split(&count_to(2000 * 4 + 1), 4).unwrap().held_out.len(), 100);
    assert_eq!(split(&count_to(100 * 4 + 1), 4).unwrap().held_out.len(), 25);
}

proptest! {
    #[test]
    fn every_token_is_predicted_once(tokens in 0u32..3000, length in 1usize..20) {
        let Ok(split) = split(&count_to(tokens), length) else { return Ok(()) };
        let predicted: Vec<u32> = [&split.training, &split.held_out]
            .into_iter()
            .flat_map(|windows| (0..windows.len()).flat_map(|index| windows.get(index).unwrap()[1..].to_vec()))
            .collect();
        let expected = (tokens as usize - 1) / length * length;
        prop_assert_eq!(predicted, (1..=expected as u32).collect::<Vec<_>>());
        prop_assert!(split.held_out.len() >= HELD_OUT_SEQUENCES_MIN);
        prop_assert!(split.training.len() >= TRAINING_SEQUENCES_MIN);
    }
}
