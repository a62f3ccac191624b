//! The steps that need intrinsics, for the vector units of x86-64.
//!
//! Invariant: each equals the plain loop beside its call in `simd`, for every input.

use std::arch::x86_64::*;

use super::WORD;
use crate::magnitude::MAGNITUDE_MASK;

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

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn add_rounded_512(
    codes: &[i8; WORD],
    (factor, shift, weight): (i32, u32, i32),
    rounded: &mut [i32; WORD],
    sums: &mut [i32; WORD],
) {
    let (factor, weight, one) = (_mm512_set1_epi32(factor), _mm512_set1_epi32(weight), _mm512_set1_epi32(1));
    let (half_below, shift) = (_mm512_set1_epi32((1 << (shift - 1)) - 1), _mm_cvtsi32_si128(shift as i32));
    let places = rounded.as_chunks_mut::<16>().0.iter_mut().zip(sums.as_chunks_mut::<16>().0);
    for ((rounded, sums), codes) in places.zip(codes.as_chunks::<16>().0) {
        // SAFETY: sixteen codes, and as many numbers of 32 bits to read and write; no alignment is asked for.
        unsafe {
            let codes = _mm512_cvtepi8_epi32(_mm_loadu_si128(codes.as_ptr().cast()));
            let product = _mm512_mullo_epi32(codes, factor);
            let odd = _mm512_and_si512(_mm512_srl_epi32(product, shift), one);
            let raised = _mm512_add_epi32(_mm512_add_epi32(product, half_below), odd);
            let result = _mm512_sra_epi32(raised, shift);
            _mm512_storeu_si512(rounded.as_mut_ptr().cast(), result);
            let sum = _mm512_loadu_si512(sums.as_ptr().cast());
            let sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(result, weight));
            _mm512_storeu_si512(sums.as_mut_ptr().cast(), sum);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn add_rounded_256(
    codes: &[i8; WORD],
    (factor, shift, weight): (i32, u32, i32),
    rounded: &mut [i32; WORD],
    sums: &mut [i32; WORD],
) {
    let (factor, weight, one) = (_mm256_set1_epi32(factor), _mm256_set1_epi32(weight), _mm256_set1_epi32(1));
    let (half_below, shift) = (_mm256_set1_epi32((1 << (shift - 1)) - 1), _mm_cvtsi32_si128(shift as i32));
    let places = rounded.as_chunks_mut::<8>().0.iter_mut().zip(sums.as_chunks_mut::<8>().0);
    for ((rounded, sums), codes) in places.zip(codes.as_chunks::<8>().0) {
        // SAFETY: eight codes, and as many numbers of 32 bits to read and write; no alignment is asked for.
        unsafe {
            let codes = _mm256_cvtepi8_epi32(_mm_loadl_epi64(codes.as_ptr().cast()));
            let product = _mm256_mullo_epi32(codes, factor);
            let odd = _mm256_and_si256(_mm256_srl_epi32(product, shift), one);
            let raised = _mm256_add_epi32(_mm256_add_epi32(product, half_below), odd);
            let result = _mm256_sra_epi32(raised, shift);
            _mm256_storeu_si256(rounded.as_mut_ptr().cast(), result);
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
