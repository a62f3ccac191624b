//! The graphics cards that the operating system sees, whether or not a runtime of this build reaches them.
//!
//! So that nobody trains on the CPU beside an idle GPU without being told. Only files are read: sysfs for PCI display
//! controllers, NVIDIA's driver entries, render nodes and other drivers' device files.

use std::fmt;
use std::path::Path;

/// Entries of a directory that are looked at.
const ENTRIES_MAX: usize = 4096;

/// A graphics card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemGpu {
    /// Who made it, as far as known.
    pub vendor: String,
    /// Where it was seen: a PCI address or a device file.
    pub place: String,
}

impl SystemGpu {
    /// Whether CUDA would reach it.
    pub fn is_nvidia(&self) -> bool {
        self.vendor == "NVIDIA"
    }

    /// What to install so that a runtime reaches it.
    pub fn driver_advice(&self) -> &'static str {
        match self.vendor.as_str() {
            "NVIDIA" => "install NVIDIA's driver with its Vulkan part",
            "AMD" | "Intel" => "install a Vulkan driver (on Debian and Ubuntu: mesa-vulkan-drivers)",
            _ => "install its Vulkan driver",
        }
    }
}

impl fmt::Display for SystemGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a GPU ({}, {})", self.vendor, self.place)
    }
}

/// The cards of this machine; empty where the operating system does not show them as files.
pub fn system_gpus() -> Vec<SystemGpu> {
    if cfg!(target_os = "macos") {
        return vec![SystemGpu { vendor: "Apple".into(), place: "Metal".into() }];
    }
    system_gpus_under(Path::new("/"))
}

/// The same below another root.
fn system_gpus_under(root: &Path) -> Vec<SystemGpu> {
    let mut gpus = pci_gpus(&root.join("sys/bus/pci/devices"));
    if !gpus.iter().any(SystemGpu::is_nvidia) {
        gpus.extend(nvidia_gpus(&root.join("proc/driver/nvidia/gpus")));
    }
    if gpus.is_empty() {
        gpus.extend(render_nodes(&root.join("dev/dri")));
    }
    if gpus.is_empty() {
        gpus.extend(device_files(&root.join("dev")));
    }
    gpus
}

/// Drivers that make no render node: NVIDIA's in containers and on its boards, Windows' in its Linux subsystem, those
/// of phones' processors.
fn device_files(directory: &Path) -> Vec<SystemGpu> {
    let known = [
        ("nvidia0", "NVIDIA"),
        ("nvhost-gpu", "NVIDIA"),
        ("dxg", "Windows"),
        ("kgsl-3d0", "Qualcomm"),
        ("mali0", "Arm"),
    ];
    let present = known.into_iter().filter(|(name, _)| directory.join(name).exists());
    present.map(|(name, vendor)| SystemGpu { vendor: vendor.into(), place: format!("/dev/{name}") }).collect()
}

/// PCI display controllers (class 03) of the three makers of GPUs; others are consoles of virtual machines.
fn pci_gpus(devices: &Path) -> Vec<SystemGpu> {
    let mut gpus = Vec::new();
    for place in names(devices) {
        let class = read(&devices.join(&place).join("class"));
        let vendor = vendor(&read(&devices.join(&place).join("vendor")));
        if let (true, Some(vendor)) = (class.starts_with("0x03"), vendor) {
            gpus.push(SystemGpu { vendor: vendor.into(), place });
        }
    }
    gpus
}

fn nvidia_gpus(entries: &Path) -> Vec<SystemGpu> {
    names(entries).into_iter().map(|place| SystemGpu { vendor: "NVIDIA".into(), place }).collect()
}

fn render_nodes(directory: &Path) -> Vec<SystemGpu> {
    let nodes = names(directory).into_iter().filter(|name| name.starts_with("renderD"));
    nodes.map(|name| SystemGpu { vendor: "unknown maker".into(), place: format!("/dev/dri/{name}") }).collect()
}

fn vendor(id: &str) -> Option<&'static str> {
    match id.trim() {
        "0x10de" => Some("NVIDIA"),
        "0x1002" => Some("AMD"),
        "0x8086" => Some("Intel"),
        _ => None,
    }
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().take(ENTRIES_MAX).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn read(path: &Path) -> String {
    crate::files::read_bounded(path, 256).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn seen(files: &[(&str, &str)]) -> Vec<String> {
        system_gpus_under(root(files).path()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn cards_are_found_by_class_and_maker() {
        let files = [
            ("sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n"),
            ("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n"),
            ("sys/bus/pci/devices/0000:02:00.0/class", "0x020000\n"),
            ("sys/bus/pci/devices/0000:02:00.0/vendor", "0x8086\n"),
            ("sys/bus/pci/devices/0000:03:00.0/class", "0x030000\n"),
            ("sys/bus/pci/devices/0000:03:00.0/vendor", "0x1234\n"),
            ("dev/dri/renderD128", ""),
        ];
        assert_eq!(seen(&files), ["a GPU (NVIDIA, 0000:01:00.0)"]);
    }

    #[test]
    fn driver_entries_and_render_nodes_serve_where_the_bus_is_hidden() {
        assert_eq!(seen(&[("proc/driver/nvidia/gpus/0000:41:00.0/information", "")]), ["a GPU (NVIDIA, 0000:41:00.0)"]);
        let files = [("dev/dri/renderD128", ""), ("dev/dri/card0", "")];
        assert_eq!(seen(&files), ["a GPU (unknown maker, /dev/dri/renderD128)"]);
        assert_eq!(seen(&[("dev/dxg", "")]), ["a GPU (Windows, /dev/dxg)"]);
        assert!(seen(&[("dev/dri/card0", "")]).is_empty());
    }
}
