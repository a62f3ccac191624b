//! Random calls for tests: see `Generator`.
