//! The scan of scoring in wide integers.

use super::{dense, sparse};
use crate::body::Form;
use crate::codec::{BLOCKS, chunks, real_elements};
use crate::magnitude::FRACTION_BITS;
use crate::{CLIP_MAX, Clipped, Codec, DecodeError, DotSum};

/// Products of one chunk or block, or of many.
#[derive(Clone)]
struct Products<N> {
    with_sum: Vec<N>,
    squares: Vec<N>,
    sum_square: N,
}

/// As [`crate::dot_sum`] must give it; codec `none`, which promises no bits, is taken from there.
///
/// # Errors
/// As [`crate::dot_sum`].
pub fn dot_sum(codec: Codec, elements: usize, members: &[Clipped<'_>]) -> Result<Vec<DotSum>, DecodeError> {
    if let Form::Plain = Form::of(codec) {
        return crate::dot_sum(codec, elements, members);
    }
    members.iter().try_for_each(|member| crate::validate(codec, elements, member.body))?;
    let zero = Products { with_sum: vec![0.0; members.len()], squares: vec![0.0; members.len()], sum_square: 0.0 };
    let mut total = zero.clone();
    for chunk in 0..chunks(elements) {
        let mut part = zero.clone();
        for (values, exponent) in fixed(codec, members, chunk, real_elements(elements, chunk)) {
            add(&mut part, &scaled(&products(&values, members), exponent));
        }
        add(&mut total, &part);
    }
    Ok((0..members.len()).map(|i| against_others(&total, i, members[i].counted)).collect())
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

fn products(values: &[Vec<i64>], members: &[Clipped<'_>]) -> Products<i64> {
    let length = values.first().map_or(0, Vec::len);
    let counted = || values.iter().zip(members).filter(|(_, member)| member.counted).map(|(values, _)| values);
    let sum: Vec<i64> = (0..length).map(|index| counted().map(|values| values[index]).sum()).collect();
    let dot = |a: &[i64], b: &[i64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
    Products {
        with_sum: values.iter().map(|own| dot(own, &sum)).collect(),
        squares: values.iter().map(|own| dot(own, own)).collect(),
        sum_square: dot(&sum, &sum),
    }
}

fn scaled(products: &Products<i64>, exponent: i32) -> Products<f64> {
    let scale = 4f64.powi(exponent - FRACTION_BITS);
    let of = |integer: &i64| *integer as f64 * scale;
    Products {
        with_sum: products.with_sum.iter().map(of).collect(),
        squares: products.squares.iter().map(of).collect(),
        sum_square: of(&products.sum_square),
    }
}

fn add(total: &mut Products<f64>, part: &Products<f64>) {
    total.with_sum.iter_mut().zip(&part.with_sum).for_each(|(total, part)| *total += part);
    total.squares.iter_mut().zip(&part.squares).for_each(|(total, part)| *total += part);
    total.sum_square += part.sum_square;
}

fn against_others(total: &Products<f64>, i: usize, counted: bool) -> DotSum {
    let (with_sum, square) = (total.with_sum[i], total.squares[i]);
    let (dot, others) = if counted {
        (with_sum - square, total.sum_square - 2.0 * with_sum + square)
    } else {
        (with_sum, total.sum_square)
    };
    DotSum { dot, norm: square.sqrt(), others_norm: others.max(0.0).sqrt() }
}
