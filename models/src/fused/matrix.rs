//! Matrix products over slices: views with strides that are checked once, then one serial product by `gemm`.
//!
//! Threads are given whole products (blocks of rows), never parts of one, so a product's sums have one order.

use gemm::{Parallelism, gemm};

/// A read-only matrix inside a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

/// A row-major destination inside a slice.
pub(super) struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

/// Whether a product replaces what the destination holds or adds to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Store {
    /// The destination is overwritten.
    Set,
    /// The product is added to the destination.
    Add,
}

impl Store {
    /// `Add` if the destination already holds a part of the sum.
    pub(super) fn add_if(add: bool) -> Self {
        if add { Self::Add } else { Self::Set }
    }
}

impl<'a> Matrix<'a> {
    /// The slice as a row-major matrix of `columns` columns.
    pub(super) fn new(data: &'a [f32], columns: usize) -> Self {
        Self::strided(data, data.len() / columns, columns, columns)
    }

    /// Rows of `columns` elements that lie `row_stride` apart.
    pub(super) fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert_extent(data.len(), rows, columns, row_stride);
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The transposed view.
    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

impl<'a> MatrixMut<'a> {
    /// The slice as a row-major matrix of `columns` columns.
    pub(super) fn new(data: &'a mut [f32], columns: usize) -> Self {
        let rows = data.len() / columns;
        Self::strided(data, rows, columns, columns)
    }

    /// Rows of `columns` elements that lie `row_stride` apart.
    pub(super) fn strided(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert_extent(data.len(), rows, columns, row_stride);
        Self { data, rows, columns, row_stride }
    }
}

/// destination ← left · right, or destination + left · right.
///
/// # Shapes
/// left [m, k], right [k, n], destination [m, n].
pub(super) fn multiply(destination: MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>, store: Store) {
    let (m, k, n) = (destination.rows, left.columns, destination.columns);
    assert!(left.rows == m && right.rows == k && right.columns == n, "shapes of a matrix product disagree");
    // SAFETY: the constructors checked that every index of the views lies inside their slices, and the shapes agree.
    unsafe {
        gemm(
            m,
            n,
            k,
            destination.data.as_mut_ptr(),
            1,
            destination.row_stride as isize,
            store == Store::Add,
            left.data.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

fn assert_extent(len: usize, rows: usize, columns: usize, row_stride: usize) {
    assert!(columns <= row_stride || rows <= 1, "rows of a matrix overlap");
    assert!(rows == 0 || columns == 0 || (rows - 1) * row_stride + columns <= len, "a matrix exceeds its slice");
}

#[cfg(test)]
mod tests;
