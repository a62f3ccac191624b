//! The steps that need intrinsics, for the vector units of x86-64.
//!
//! Invariant: each equals the plain loop beside its call in `simd`, for every input.

use std::arch::x86_64::*;

use super::WORD;
use crate::host::magnitude::{MAGNITUDE_MASK, ROUNDER_F32};

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn reaching_512(values: &[f32; WORD], bound: u32) -> u64 {
    let (mask, bound) = (_mm512_set1_epi32(MAGNITUDE_MASK as i32), _mm512_set1_epi32(bound as i32));
    let mut word = 0;
    for (place, sixteen) in values.as_chunks::<16>().0.iter().enumerate() {
        // SAFETY: sixteen floats, and no alignment is asked for.
        let bits = unsafe { _mm512_loadu_si512(sixteen.as_ptr().cast()) };
        let reached = _mm512_cmpge_epi32_mask(_mm512_and_si512(bits, mask), bound);
        word |= u64::from(reached) << (16 * place);
    }
    word
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn reaching_256(values: &[f32; WORD], bound: u32) -> u64 {
    let mask = _mm256_set1_epi32(MAGNITUDE_MASK as i32);
    let below = _mm256_set1_epi32(bound as i32 - 1);
    let mut word = 0;
    for (place, eight) in values.as_chunks::<8>().0.iter().enumerate() {
        // SAFETY: eight floats, and no alignment is asked for.
        let bits = unsafe { _mm256_loadu_si256(eight.as_ptr().cast()) };
        let reached = _mm256_cmpgt_epi32(_mm256_and_si256(bits, mask), below);
        word |= u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(reached)) as u32) << (8 * place);
    }
    word
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn reaching_128(values: &[f32; WORD], bound: u32) -> u64 {
    let mask = _mm_set1_epi32(MAGNITUDE_MASK as i32);
    let below = _mm_set1_epi32(bound as i32 - 1);
    let mut word = 0;
    for (place, four) in values.as_chunks::<4>().0.iter().enumerate() {
        // SAFETY: four floats, and no alignment is asked for.
        let bits = unsafe { _mm_loadu_si128(four.as_ptr().cast()) };
        let reached = _mm_cmpgt_epi32(_mm_and_si128(bits, mask), below);
        word |= u64::from(_mm_movemask_ps(_mm_castsi128_ps(reached)) as u32) << (4 * place);
    }
    word
}

/// round(codes · ratio), by the one rounding of a fused multiplication and addition that leaves no place for a
/// fraction.
#[inline]
#[target_feature(enable = "avx512f")]
fn rounded_512(codes: __m512i, ratio: __m512) -> __m512i {
    let magic = _mm512_set1_ps(ROUNDER_F32);
    let raised = _mm512_fmadd_ps(_mm512_cvtepi32_ps(codes), ratio, magic);
    _mm512_sub_epi32(_mm512_castps_si512(raised), _mm512_castps_si512(magic))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn rounded_256(codes: __m256i, ratio: __m256) -> __m256i {
    let magic = _mm256_set1_ps(ROUNDER_F32);
    let raised = _mm256_fmadd_ps(_mm256_cvtepi32_ps(codes), ratio, magic);
    _mm256_sub_epi32(_mm256_castps_si256(raised), _mm256_castps_si256(magic))
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn add_bytes_512(
    codes: &[u8; WORD],
    ratio: f32,
    weight: i32,
    mut rounded: Option<&mut [i32; WORD]>,
    sums: &mut [i32; WORD],
) {
    let (ratio, weight) = (_mm512_set1_ps(ratio), _mm512_set1_epi32(weight));
    for (place, (sums, codes)) in sums.as_chunks_mut::<16>().0.iter_mut().zip(codes.as_chunks::<16>().0).enumerate() {
        // SAFETY: sixteen codes, and as many numbers of 32 bits to read and write; no alignment is asked for.
        unsafe {
            let codes = _mm512_cvtepi8_epi32(_mm_loadu_si128(codes.as_ptr().cast()));
            let result = rounded_512(codes, ratio);
            if let Some(rounded) = rounded.as_deref_mut() {
                _mm512_storeu_si512(rounded.as_chunks_mut::<16>().0[place].as_mut_ptr().cast(), result);
            }
            let sum = _mm512_loadu_si512(sums.as_ptr().cast());
            let sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(result, weight));
            _mm512_storeu_si512(sums.as_mut_ptr().cast(), sum);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn add_bytes_256(
    codes: &[u8; WORD],
    ratio: f32,
    weight: i32,
    mut rounded: Option<&mut [i32; WORD]>,
    sums: &mut [i32; WORD],
) {
    let (ratio, weight) = (_mm256_set1_ps(ratio), _mm256_set1_epi32(weight));
    for (place, (sums, codes)) in sums.as_chunks_mut::<8>().0.iter_mut().zip(codes.as_chunks::<8>().0).enumerate() {
        // SAFETY: eight codes, and as many numbers of 32 bits to read and write; no alignment is asked for.
        unsafe {
            let codes = _mm256_cvtepi8_epi32(_mm_loadl_epi64(codes.as_ptr().cast()));
            let result = rounded_256(codes, ratio);
            if let Some(rounded) = rounded.as_deref_mut() {
                _mm256_storeu_si256(rounded.as_chunks_mut::<8>().0[place].as_mut_ptr().cast(), result);
            }
            let sum = _mm256_loadu_si256(sums.as_ptr().cast());
            let sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(result, weight));
            _mm256_storeu_si256(sums.as_mut_ptr().cast(), sum);
        }
    }
}

/// What each of the sixteen codes of four bits stands for.
const NIBBLES: [i32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1];

/// The products of all sixteen codes are looked up rather than computed for each element.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn add_nibbles_512(
    codes: &[u8; WORD / 2],
    ratio: f32,
    weight: i32,
    mut rounded: Option<&mut [i32; WORD]>,
    sums: &mut [i32; WORD],
) {
    // SAFETY: sixteen numbers, and no alignment is asked for.
    let all = unsafe { _mm512_loadu_si512(NIBBLES.as_ptr().cast()) };
    let products = rounded_512(all, _mm512_set1_ps(ratio));
    let weighted = _mm512_mullo_epi32(products, _mm512_set1_epi32(weight));
    for (place, (sums, codes)) in sums.as_chunks_mut::<16>().0.iter_mut().zip(codes.as_chunks::<8>().0).enumerate() {
        // SAFETY: eight bytes, and sixteen numbers of 32 bits to read and write; no alignment is asked for.
        unsafe {
            // A byte in each 64 bits: its lower half at their low end, its upper half at the low end of their upper 32;
            // a look-up takes four bits.
            let bytes = _mm512_cvtepu8_epi64(_mm_loadl_epi64(codes.as_ptr().cast()));
            let codes = _mm512_or_si512(bytes, _mm512_slli_epi64::<28>(bytes));
            if let Some(rounded) = rounded.as_deref_mut() {
                let result = _mm512_permutexvar_epi32(codes, products);
                _mm512_storeu_si512(rounded.as_chunks_mut::<16>().0[place].as_mut_ptr().cast(), result);
            }
            let sum = _mm512_loadu_si512(sums.as_ptr().cast());
            let sum = _mm512_add_epi32(sum, _mm512_permutexvar_epi32(codes, weighted));
            _mm512_storeu_si512(sums.as_mut_ptr().cast(), sum);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn add_nibbles_256(
    codes: &[u8; WORD / 2],
    ratio: f32,
    weight: i32,
    mut rounded: Option<&mut [i32; WORD]>,
    sums: &mut [i32; WORD],
) {
    let (ratio, weight) = (_mm256_set1_ps(ratio), _mm256_set1_epi32(weight));
    for (place, (sums, codes)) in sums.as_chunks_mut::<8>().0.iter_mut().zip(codes.as_chunks::<4>().0).enumerate() {
        // SAFETY: eight numbers of 32 bits to read and write; no alignment is asked for.
        unsafe {
            // As above, with the sign carried down from the top of each 32 bits.
            let bytes = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(i32::from_le_bytes(*codes)));
            let halves = _mm256_or_si256(bytes, _mm256_slli_epi64::<28>(bytes));
            let codes = _mm256_srai_epi32::<28>(_mm256_slli_epi32::<28>(halves));
            let result = rounded_256(codes, ratio);
            if let Some(rounded) = rounded.as_deref_mut() {
                _mm256_storeu_si256(rounded.as_chunks_mut::<8>().0[place].as_mut_ptr().cast(), result);
            }
            let sum = _mm256_loadu_si256(sums.as_ptr().cast());
            let sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(result, weight));
            _mm256_storeu_si256(sums.as_mut_ptr().cast(), sum);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn non_zero_512(values: &[i64; WORD]) -> u64 {
    let mut word = 0;
    for (place, eight) in values.as_chunks::<8>().0.iter().enumerate() {
        // SAFETY: eight numbers, and no alignment is asked for.
        let own = unsafe { _mm512_loadu_si512(eight.as_ptr().cast()) };
        word |= u64::from(_mm512_test_epi64_mask(own, own)) << (8 * place);
    }
    word
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn non_zero_256(values: &[i64; WORD]) -> u64 {
    let mut word = 0;
    for (place, four) in values.as_chunks::<4>().0.iter().enumerate() {
        // SAFETY: four numbers, and no alignment is asked for.
        let own = unsafe { _mm256_loadu_si256(four.as_ptr().cast()) };
        let zero = _mm256_cmpeq_epi64(own, _mm256_setzero_si256());
        let zeros = _mm256_movemask_pd(_mm256_castsi256_pd(zero)) as u64;
        word |= (zeros ^ 0xf) << (4 * place);
    }
    word
}

/// Numbers 0 … 63 as bytes.
const IOTA: [u8; WORD] = {
    let mut iota = [0; WORD];
    let mut i = 0;
    while i < WORD {
        iota[i] = i as u8;
        i += 1;
    }
    iota
};

/// Compresses the numbers 0 … 63 by each word and adds the word's place, 64 positions at a time.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
pub(super) fn positions_512(words: &[u64], positions: &mut [u16]) -> usize {
    // SAFETY: 64 bytes.
    let iota = unsafe { _mm512_loadu_si512(IOTA.as_ptr().cast()) };
    let mut found = 0;
    let mut buffer = [0u16; WORD];
    for (number, &word) in words.iter().enumerate() {
        let bytes = _mm512_maskz_compress_epi8(word, iota);
        let base = _mm512_set1_epi16((number * WORD) as i16);
        let low = _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(bytes)), base);
        let high = _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(bytes)), base);
        let ones = word.count_ones() as usize;
        if let Some(room) = positions.get_mut(found..).and_then(|rest| rest.first_chunk_mut::<WORD>()) {
            // SAFETY: room for 64 numbers of 16 bits; those beyond the ones are overwritten by what follows.
            unsafe {
                _mm512_storeu_si512(room.as_mut_ptr().cast(), low);
                _mm512_storeu_si512(room.as_mut_ptr().add(32).cast(), high);
            }
        } else {
            // SAFETY: as above, into a buffer of that size.
            unsafe {
                _mm512_storeu_si512(buffer.as_mut_ptr().cast(), low);
                _mm512_storeu_si512(buffer.as_mut_ptr().add(32).cast(), high);
            }
            let rest = positions.get_mut(found..).unwrap_or_default();
            rest.iter_mut().zip(&buffer[..ones]).for_each(|(position, &one)| *position = one);
        }
        found += ones;
    }
    found
}
