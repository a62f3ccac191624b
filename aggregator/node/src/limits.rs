//! What the kernels and the protocol both bound, tied together here, since neither knows the other.
//!
//! The kernels' proofs that no sum leaves its integer rest on these numbers, and the protocol judges and admits by
//! them.

use kernels::Codec;
use protocol::limits::CODEC_NAME_BYTES_MAX;

use crate::job::JOB_BYTES_MAX;

const _: () = {
    assert!(kernels::MEMBERS_MAX == protocol::limits::MEMBERS_MAX, "members of an aggregate and of a roster");
    assert!(kernels::WEIGHT_MAX == protocol::limits::WEIGHT_MAX, "weight of a summand and of a contribution");
    assert!(kernels::CLIP_MAX == protocol::limits::CLIP_ONE, "a clip that changes nothing");
    assert!(JOB_BYTES_MAX <= protocol::limits::JOB_BYTES_MAX as u64, "a job that is read and one that is sent");
};

const _: () = {
    let mut number = 0;
    while number < Codec::ALL.len() {
        assert!(Codec::ALL[number].name().len() <= CODEC_NAME_BYTES_MAX, "a codec's name and its place in a manifest");
        number += 1;
    }
};
