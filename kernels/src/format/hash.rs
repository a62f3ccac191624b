//! The hash of a state.

/// Elements converted at a time: enough for every core to have a part of BLAKE3's tree, small beside the state.
const PIECE: usize = 1 << 18;

/// BLAKE3 of `theta` as little-endian f32, followed by the outer optimiser's buffers in their order.
#[must_use]
pub fn state_hash(theta: &[f32], buffers: &[&[f32]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let longest = std::iter::once(&theta).chain(buffers).map(|vector| vector.len()).max();
    let mut bytes = vec![[0; 4]; longest.unwrap_or(0).min(PIECE)];
    for vector in std::iter::once(&theta).chain(buffers) {
        for piece in vector.chunks(PIECE) {
            for (bytes, value) in bytes.iter_mut().zip(piece) {
                *bytes = value.to_le_bytes();
            }
            hasher.update_rayon(bytes[..piece.len()].as_flattened());
        }
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_little_endian_floats_and_then_the_buffers() {
        let bytes: Vec<u8> = [1.0f32, -0.0, 3.5, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(state_hash(&[1.0, -0.0], &[&[3.5], &[2.0]]), *blake3::hash(&bytes).as_bytes());
        let long: Vec<f32> = (0..3 * PIECE + 7).map(|i| i as f32).collect();
        let bytes: Vec<u8> = long.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(state_hash(&long, &[]), *blake3::hash(&bytes).as_bytes());
    }
}
