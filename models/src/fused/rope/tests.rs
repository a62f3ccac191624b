use super::*;

/// Hugging Face's formula: x · cos + rotate_half(x) · sin with both halves at the same angles.
#[test]
fn rotates_halves_as_hugging_face_does_and_back() {
    let (dim, length, stride, scale) = (6, 40, 11, 0.5);
    let mut rope = Rope::new(dim, 10_000.0);
    rope.reserve(7);
    rope.reserve(length);
    let (cosines, sines) = rope.tables(length);
    let rows: Vec<f32> = (0..length * stride - 3).map(|i| (i as f32 * 0.37).sin()).collect();
    let mut rotated = vec![0.0; length * dim];
    rotate_into(&rows, stride, cosines, sines, scale, dim / 2, &mut rotated);
    for position in 0..length {
        let x = &rows[position * stride..][..dim];
        for i in 0..dim {
            let frequency = 10_000f64.powf(-2.0 * (i % 3) as f64 / dim as f64);
            let angle = position as f64 * frequency;
            let turned = if i < 3 { -x[i + 3] } else { x[i - 3] };
            let expected = 0.5 * (f64::from(x[i]) * angle.cos() + f64::from(turned) * angle.sin());
            assert!((f64::from(rotated[position * dim + i]) - expected).abs() < 1e-5);
        }
    }
    rotate_back(&mut rotated, cosines, sines, 1.0 / scale, dim / 2);
    for position in 0..length {
        for i in 0..dim {
            assert!((rotated[position * dim + i] - rows[position * stride + i]).abs() < 1e-6);
        }
    }
}
