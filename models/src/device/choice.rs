//! What the user asked to compute on.

use std::fmt;
use std::str::FromStr;

use super::DeviceError;

/// A device as a user names it: `auto`, `cpu`, `wgpu`, `wgpu:1`, `cuda`, `cuda:0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The best GPU there is, otherwise the CPU.
    #[default]
    Auto,
    /// The fused CPU operations.
    Cpu,
    /// A device of wgpu by its index in the survey; the best one without an index.
    Wgpu(Option<usize>),
    /// A device of CUDA by its index.
    Cuda(Option<usize>),
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "auto"),
            Self::Cpu => write!(f, "cpu"),
            Self::Wgpu(None) => write!(f, "wgpu"),
            Self::Wgpu(Some(index)) => write!(f, "wgpu:{index}"),
            Self::Cuda(None) => write!(f, "cuda"),
            Self::Cuda(Some(index)) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        let (runtime, index) = match text.split_once(':') {
            None => (text, None),
            Some((runtime, index)) => (runtime, Some(index.parse().map_err(|_| unknown())?)),
        };
        match (runtime, index) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("wgpu", index) => Ok(Self::Wgpu(index)),
            ("cuda", index) => Ok(Self::Cuda(index)),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_comes_back() {
        for text in ["auto", "cpu", "wgpu", "wgpu:1", "cuda", "cuda:0"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_words_are_refused_with_the_forms() {
        for text in ["", "gpu", "cpu:0", "wgpu:", "wgpu:-1", "cuda:x", "auto:1"] {
            let error = text.parse::<DeviceChoice>().unwrap_err();
            assert!(error.to_string().contains("wgpu:N"), "{text}");
        }
    }
}
