//! What a run on this machine would use, and what would make it faster.

use models::{DeviceReport, available_bytes, survey};
use record::events::Devices;
use serde::Serialize;

use crate::cli::{DoctorArgs, OutputFormat};
use crate::output;
use crate::output::text::{bytes, describe_devices};

/// Where Linux names the TCP congestion control in use.
const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// The findings, one JSON object.
#[derive(Serialize)]
struct Findings {
    version: &'static str,
    devices: Devices,
    cores: usize,
    memory_available_bytes: u64,
    tcp_congestion_control: Option<String>,
    advice: Vec<String>,
}

/// Prints devices, memory and advice.
///
/// # Errors
/// When the device asked for cannot be used; a broken standard output.
pub fn run(arguments: &DoctorArgs) -> anyhow::Result<()> {
    let device = &arguments.device;
    let report = survey(&device.device, device.require_gpu, device.threads)?;
    let findings = findings(&report);
    match arguments.output.output {
        OutputFormat::Json => output::print_json(&findings)?,
        OutputFormat::Text => output::print(&to_text(&findings))?,
    }
    Ok(())
}

fn findings(report: &DeviceReport) -> Findings {
    let congestion = std::fs::read_to_string(CONGESTION_CONTROL).ok().map(|name| name.trim().to_owned());
    Findings {
        version: env!("CARGO_PKG_VERSION"),
        devices: node::devices(report),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_available_bytes: available_bytes(),
        advice: advice(congestion.as_deref()),
        tcp_congestion_control: congestion,
    }
}

/// What would help on links that lose packets; nothing where the system does not tell.
fn advice(congestion: Option<&str>) -> Vec<String> {
    match congestion {
        Some(name) if name != "bbr" => vec![format!(
            "TCP congestion control is {name}; on links that lose packets bbr is many times faster: \
             sysctl -w net.ipv4.tcp_congestion_control=bbr"
        )],
        _ => Vec::new(),
    }
}

fn to_text(findings: &Findings) -> String {
    let mut text = format!(
        "cotrain {}\n{}\nmemory: {} available, {} cores\n",
        findings.version,
        describe_devices(&findings.devices),
        bytes(findings.memory_available_bytes as f64),
        findings.cores
    );
    for advice in &findings.advice {
        text.push_str(advice);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_given_only_where_it_would_help() {
        assert!(advice(Some("cubic"))[0].contains("bbr"));
        assert!(advice(Some("bbr")).is_empty() && advice(None).is_empty());
    }
}
