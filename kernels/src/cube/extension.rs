//! The kernels as an extension of burn's backends.
//!
//! Invariant: every output's shape and type follow from the arguments alone, so that fusion can queue the operations.

use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, DType, Shape, backend_extension};
use burn_cubecl::CubeBackend;

use super::launch::{self, Aggregate, encoded_words, segments};
use crate::Codec;
use crate::codec::chunks;

/// What the kernels add to a backend.
#[backend_extension(Cube, Fusion)]
pub(super) trait KernelOps: Backend {
    /// Encoded chunks with their status words.
    #[fusion(meta = |values, codec| encoded(values, codec))]
    fn kernels_encode(values: FloatTensor<Self>, codec: Codec) -> IntTensor<Self>;

    /// The next state and the status of each segment.
    #[fusion(meta = |theta, _bodies, _factors, _aggregate| applied(theta))]
    fn kernels_apply(
        theta: FloatTensor<Self>,
        bodies: IntTensor<Self>,
        factors: IntTensor<Self>,
        aggregate: Aggregate,
    ) -> (FloatTensor<Self>, IntTensor<Self>);

    /// The residual less what a body says.
    #[fusion(meta = |residual, _body, _codec| residual.clone())]
    fn kernels_subtract(residual: FloatTensor<Self>, body: IntTensor<Self>, codec: Codec) -> FloatTensor<Self>;
}

impl KernelOps for CubeBackend {
    fn kernels_encode(values: FloatTensor<Self>, codec: Codec) -> IntTensor<Self> {
        launch::encode(values, codec)
    }

    fn kernels_apply(
        theta: FloatTensor<Self>,
        bodies: IntTensor<Self>,
        factors: IntTensor<Self>,
        aggregate: Aggregate,
    ) -> (FloatTensor<Self>, IntTensor<Self>) {
        launch::apply(theta, bodies, factors, &aggregate)
    }

    fn kernels_subtract(residual: FloatTensor<Self>, body: IntTensor<Self>, codec: Codec) -> FloatTensor<Self> {
        launch::subtract(residual, body, codec)
    }
}

fn encoded(values: &TensorSpec, codec: &Codec) -> TensorSpec {
    let (words, status) = encoded_words(*codec);
    let chunks = chunks(values.shape.num_elements());
    TensorSpec::new(Shape::new([chunks * (words + status)]), DType::U32)
}

fn applied(theta: &TensorSpec) -> (TensorSpec, TensorSpec) {
    let status = Shape::new([segments(theta.shape.num_elements())]);
    (theta.clone(), TensorSpec::new(status, DType::U32))
}
