//! What is timed and where: `benches/` holds criterion's benches, `pytorch/` the scripts that time the same work in
//! PyTorch, `jobs/` the runs whose figures `RESULTS.md` quotes. A figure stands beside the machine's own ceiling,
//! measured in the same run.
