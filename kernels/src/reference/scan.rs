//! The scan of scoring in wide integers.

use super::{dense, sparse};
use crate::format::{BLOCKS, Codec, DecodeError, chunks, real_elements};
use crate::host::body::Form;
use crate::host::products::Products;
use crate::host::{self, CLIP_MAX, Clipped, DotSum};

/// As [`crate::dot_sum`] must give it; codec `none`, which promises no bits, is taken from there.
///
/// # Errors
/// As [`crate::dot_sum`].
pub fn dot_sum(codec: Codec, elements: usize, members: &[Clipped<'_>]) -> Result<Vec<DotSum>, DecodeError> {
    if let Form::Plain = Form::of(codec) {
        return host::dot_sum(codec, elements, members);
    }
    members.iter().try_for_each(|member| host::validate(codec, elements, member.body))?;
    let mut total = Products::zero(members.len());
    for chunk in 0..chunks(elements) {
        let mut part = Products::zero(members.len());
        for (values, exponent) in fixed(codec, members, chunk, real_elements(elements, chunk)) {
            part.add(&products(&values, members, exponent));
        }
        total.add(&part);
    }
    Ok((0..members.len()).map(|i| total.against_others(i, members[i].counted)).collect())
}

/// ±V of every member for every element of the chunk, or of each of its blocks, and E.
fn fixed(codec: Codec, members: &[Clipped<'_>], chunk: usize, real: usize) -> Vec<(Vec<Vec<i64>>, i32)> {
    let size = codec.chunk_bytes();
    let bodies: Vec<_> =
        members.iter().map(|member| (&member.body[chunk * size..][..size], 1, CLIP_MAX * member.clip)).collect();
    match Form::of(codec) {
        Form::Sparse(shape) => vec![sparse::fixed(shape.k, &bodies, real)],
        Form::Dense(width) => (0..BLOCKS).map(|block| dense::fixed(width, &bodies, block)).collect(),
        Form::Plain => Vec::new(),
    }
}

fn products(values: &[Vec<i64>], members: &[Clipped<'_>], exponent: i32) -> Products {
    let length = values.first().map_or(0, Vec::len);
    let counted = || values.iter().zip(members).filter(|(_, member)| member.counted).map(|(values, _)| values);
    let sum: Vec<i64> = (0..length).map(|index| counted().map(|values| values[index]).sum()).collect();
    let dot = |a: &[i64], b: &[i64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<i64>();
    let with_sum: Vec<i64> = values.iter().map(|own| dot(own, &sum)).collect();
    let squares: Vec<i64> = values.iter().map(|own| dot(own, own)).collect();
    Products::of_integers(&with_sum, &squares, dot(&sum, &sum), exponent)
}
