//! The kernels as an extension of burn's backends.
//!
//! Invariant: every output's shape and type follow from the arguments alone, so that fusion can queue the operations.

use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, DType, Shape, backend_extension};
use burn_cubecl::CubeBackend;

use super::launch::{self, Aggregate, Compress, Scan};
use crate::format::Codec;

/// What the kernels add to a backend.
#[backend_extension(Cube, Fusion)]
pub(super) trait KernelOps: Backend {
    /// Body and status words.
    #[fusion(meta = |_values, task| words(task))]
    fn kernels_encode(values: FloatTensor<Self>, task: Compress) -> IntTensor<Self>;

    /// Body and status words of the updated residual, and what is left of it.
    #[fusion(meta = |residual, _base, _local, task| (words(task), residual.clone()))]
    fn kernels_compress(
        residual: FloatTensor<Self>,
        base: FloatTensor<Self>,
        local: FloatTensor<Self>,
        task: Compress,
    ) -> (IntTensor<Self>, FloatTensor<Self>);

    /// The next state, and the status brought down to its lowest fault.
    #[fusion(meta = |theta, _bodies, _factors, status, _aggregate| (theta.clone(), status.clone()))]
    fn kernels_apply(
        theta: FloatTensor<Self>,
        bodies: IntTensor<Self>,
        factors: IntTensor<Self>,
        status: IntTensor<Self>,
        aggregate: Aggregate,
    ) -> (FloatTensor<Self>, IntTensor<Self>);

    /// The residual less what a body says, or with it.
    #[fusion(meta = |residual, _body, _codec, _add| residual.clone())]
    fn kernels_move(residual: FloatTensor<Self>, body: IntTensor<Self>, codec: Codec, add: bool) -> FloatTensor<Self>;

    /// The integers that scoring reads.
    #[fusion(meta = |_bodies, _factors, scan| TensorSpec::new(Shape::new([scan.words()]), DType::U32))]
    fn kernels_scan(bodies: IntTensor<Self>, factors: IntTensor<Self>, scan: Scan) -> IntTensor<Self>;
}

impl KernelOps for CubeBackend {
    fn kernels_encode(values: FloatTensor<Self>, task: Compress) -> IntTensor<Self> {
        launch::encode(values, &task)
    }

    fn kernels_compress(
        residual: FloatTensor<Self>,
        base: FloatTensor<Self>,
        local: FloatTensor<Self>,
        task: Compress,
    ) -> (IntTensor<Self>, FloatTensor<Self>) {
        launch::compress(residual, base, local, &task)
    }

    fn kernels_apply(
        theta: FloatTensor<Self>,
        bodies: IntTensor<Self>,
        factors: IntTensor<Self>,
        status: IntTensor<Self>,
        aggregate: Aggregate,
    ) -> (FloatTensor<Self>, IntTensor<Self>) {
        launch::apply(theta, bodies, factors, status, &aggregate)
    }

    fn kernels_move(residual: FloatTensor<Self>, body: IntTensor<Self>, codec: Codec, add: bool) -> FloatTensor<Self> {
        launch::move_by(residual, body, codec, add)
    }

    fn kernels_scan(bodies: IntTensor<Self>, factors: IntTensor<Self>, scan: Scan) -> IntTensor<Self> {
        launch::scan(bodies, factors, &scan)
    }
}

fn words(task: &Compress) -> TensorSpec {
    let (words, status) = task.words();
    TensorSpec::new(Shape::new([words + status]), DType::U32)
}
