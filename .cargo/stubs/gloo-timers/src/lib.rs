//! Empty on purpose: see `[patch.crates-io]` in the workspace's manifest.
