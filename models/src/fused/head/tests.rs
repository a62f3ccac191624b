use super::*;

#[test]
fn loss_and_gradient_of_a_row_for_any_vocabulary() {
    for vocab in [1, 2, 31, 32, 33, 264] {
        let logits: Vec<f32> = (0..vocab).map(|i| (i as f32 * 0.9).sin() * 40.0).collect();
        let target = vocab / 2;
        let exact: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
        let maximum = exact.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = exact.iter().map(|x| (x - maximum).exp()).sum();
        let mut row = logits.clone();
        let loss = cross_entropy(&mut row, target, 0.25);
        assert!((loss - (maximum + sum.ln() - exact[target])).abs() < 1e-5, "vocabulary {vocab}");
        for (i, found) in row.iter().enumerate() {
            let hit = if i == target { 1.0 } else { 0.0 };
            let expected = 0.25 * ((exact[i] - maximum).exp() / sum - hit);
            assert!((f64::from(*found) - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn a_loss_that_is_not_a_number_is_not_hidden() {
    let mut row = vec![0.5; 40];
    row[7] = f32::NAN;
    assert!(cross_entropy(&mut row, 3, 1.0).is_nan());
    assert!(row[3].is_nan());
}
