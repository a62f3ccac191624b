use super::*;

fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7 + seed * 13) % 23) as f32 - 11.0).collect()
}

/// All entries are small integers, so every order of summation gives the same float.
fn naive(a: impl Fn(usize, usize) -> f32, b: impl Fn(usize, usize) -> f32, m: usize, k: usize, n: usize) -> Vec<f32> {
    (0..m * n).map(|i| (0..k).map(|j| a(i / n, j) * b(j, i % n)).sum()).collect()
}

#[test]
fn plain_and_transposed_products_of_every_small_shape() {
    for (m, k, n) in [(1, 1, 1), (3, 5, 2), (17, 4, 9), (64, 32, 33), (5, 1, 40), (1, 70, 31)] {
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let expected = naive(|i, j| a[i * k + j], |i, j| b[i * n + j], m, k, n);
        let mut found = vec![f32::NAN; m * n];
        multiply(MatrixMut::new(&mut found, n), Matrix::new(&a, k), Matrix::new(&b, n), Store::Set);
        assert_eq!(found, expected, "{m} {k} {n}");

        let (a, b) = (numbers(m * k, 3), numbers(k * n, 4));
        let expected = naive(|i, j| a[j * m + i], |i, j| b[j * k + i], m, k, n);
        let (left, right) = (Matrix::new(&a, m).transposed(), Matrix::new(&b, k).transposed());
        multiply(MatrixMut::new(&mut found, n), left, right, Store::Set);
        assert_eq!(found, expected, "transposed {m} {k} {n}");
    }
}

#[test]
fn adds_to_a_strided_destination_and_touches_nothing_between() {
    let (a, b) = (numbers(3 * 4, 1), numbers(4 * 5, 2));
    let product = naive(|i, j| a[i * 4 + j], |i, j| b[i * 5 + j], 3, 4, 5);
    let mut found = vec![1.0; 3 * 8];
    let destination = MatrixMut::strided(&mut found, 3, 5, 8);
    multiply(destination, Matrix::new(&a, 4), Matrix::new(&b, 5), Store::Add);
    for (i, x) in found.iter().enumerate() {
        let expected = if i % 8 < 5 { 1.0 + product[i / 8 * 5 + i % 8] } else { 1.0 };
        assert_eq!(*x, expected);
    }
}

#[test]
#[should_panic(expected = "exceeds its slice")]
fn a_view_beyond_its_slice_is_a_bug() {
    let _ = Matrix::strided(&[0.0; 10], 3, 4, 4);
}

#[test]
#[should_panic(expected = "shapes of a matrix product disagree")]
fn shapes_that_disagree_are_a_bug() {
    let data = [0.0; 12];
    multiply(MatrixMut::new(&mut [0.0; 9], 3), Matrix::new(&data, 4), Matrix::new(&data, 4), Store::Set);
}
