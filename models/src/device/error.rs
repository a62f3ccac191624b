//! Why there is no device to compute on.

/// Why there is no device to compute on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The name is none of the forms.
    #[error("{0:?} names no device; use auto, cpu, wgpu, wgpu:N, cuda or cuda:N")]
    Unknown(String),
    /// The runtime was not compiled in.
    #[error("this build has no {runtime}; build it with `{command}`")]
    NotBuilt {
        /// `wgpu` or `cuda`.
        runtime: &'static str,
        command: &'static str,
    },
    /// The runtime sees no such device.
    #[error("there is no {name}; found: {found}{}", advice(reasons))]
    NotFound {
        /// The device asked for.
        name: String,
        found: String,
        reasons: Vec<String>,
    },
    /// `--require-gpu` without a GPU.
    #[error("no GPU to use, and --require-gpu forbids the CPU{}", advice(reasons))]
    GpuRequired {
        /// Why each device does not serve, and what to do.
        reasons: Vec<String>,
    },
    /// The device is there and does not compute.
    #[error("{name} does not work: {message}; use --device cpu, or repair its driver")]
    Failed { name: String, message: String },
}

fn advice(reasons: &[String]) -> String {
    reasons.iter().map(|reason| format!("; {reason}")).collect()
}
