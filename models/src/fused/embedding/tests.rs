use super::*;

#[test]
fn looks_up_and_sums_every_occurrence_for_any_number_of_lanes() {
    let (d, vocab) = (3, 10);
    let table: Vec<f32> = (0..vocab * d).map(|i| i as f32).collect();
    let tokens = [4, 9, 4, 0, 4];
    let mut rows = vec![0.0; tokens.len() * d];
    forward(&table, &tokens, d, &mut rows);
    assert_eq!(rows[3..6], [27.0, 28.0, 29.0]);
    for lanes in [1, 2, 3, 50] {
        let mut gradient = vec![f32::NAN; vocab * d];
        backward(&mut gradient, &tokens, d, &rows, lanes, Store::Set);
        assert_eq!(gradient[12..15], [36.0, 39.0, 42.0]);
        assert_eq!(gradient[3..12], [0.0; 9]);
        backward(&mut gradient, &tokens, d, &rows, lanes, Store::Add);
        assert_eq!(gradient[12..15], [72.0, 78.0, 84.0]);
    }
}
