use super::*;

const WGPU: Built = Built { wgpu: true, cuda: false };
const NONE: Built = Built { wgpu: false, cuda: false };
const BOTH: Built = Built { wgpu: true, cuda: true };

fn device(name: &str, kind: FoundKind) -> FoundDevice {
    FoundDevice { name: name.into(), description: format!("{kind:?}"), kind }
}

fn machine(kinds: &[FoundKind]) -> Vec<FoundDevice> {
    let (mut wgpu, mut cuda) = (0, 0);
    let mut found = vec![device("cpu", FoundKind::Cpu)];
    for &kind in kinds {
        let (runtime, count) = if kind == FoundKind::Cuda { ("cuda", &mut cuda) } else { ("wgpu", &mut wgpu) };
        found.push(device(&format!("{runtime}:{count}"), kind));
        *count += 1;
    }
    found
}

fn chosen(choice: &str, kinds: &[FoundKind]) -> Result<String, DeviceError> {
    let found = machine(kinds);
    decide(&choice.parse().unwrap(), false, &found, &[], BOTH, &[]).map(|decision| found[decision.index].name.clone())
}

fn nvidia() -> SystemGpu {
    SystemGpu { vendor: "NVIDIA".into(), place: "0000:01:00.0".into() }
}

#[test]
fn auto_prefers_the_strongest_gpu() {
    use FoundKind::{Cuda, Discrete, Integrated, Virtual};
    assert_eq!(chosen("auto", &[Integrated, Discrete]).unwrap(), "wgpu:1");
    assert_eq!(chosen("auto", &[Discrete, Cuda, Cuda]).unwrap(), "cuda:0");
    assert_eq!(chosen("auto", &[Virtual, Integrated]).unwrap(), "wgpu:1");
    assert_eq!(chosen("auto", &[]).unwrap(), "cpu");
}

#[test]
fn auto_never_takes_a_software_adapter() {
    let found = machine(&[FoundKind::Software]);
    let decision = decide(&DeviceChoice::Auto, false, &found, &[], WGPU, &[]).unwrap();
    assert_eq!(found[decision.index].name, "cpu");
    assert!(decision.reasons[0].contains("software adapter") && decision.reasons[0].contains("--device wgpu:0"));
}

#[test]
fn a_software_adapter_can_be_named_but_is_no_gpu() {
    assert_eq!(chosen("wgpu:0", &[FoundKind::Software]).unwrap(), "wgpu:0");
    assert_eq!(chosen("wgpu", &[FoundKind::Software, FoundKind::Integrated]).unwrap(), "wgpu:1");
    let refused = decide(&DeviceChoice::Wgpu(Some(0)), true, &machine(&[FoundKind::Software]), &[], WGPU, &[]);
    assert!(refused.unwrap_err().to_string().contains("software adapter"));
}

#[test]
fn every_device_not_chosen_has_its_reason() {
    use FoundKind::{Discrete, Integrated, Other, Software};
    let found = machine(&[Discrete, Integrated, Other, Software]);
    let decision = decide(&DeviceChoice::Auto, false, &found, &[], WGPU, &[]).unwrap();
    let not_chosen: Vec<_> = found.iter().filter(|device| device.name != "wgpu:0").collect();
    assert_eq!(decision.reasons.len(), not_chosen.len());
    for (reason, device) in decision.reasons.iter().zip(not_chosen) {
        assert!(reason.starts_with(&device.name), "{reason}");
    }
}

#[test]
fn what_is_not_there_is_refused_with_what_there_is() {
    let error = chosen("cuda:3", &[FoundKind::Cuda]).unwrap_err().to_string();
    assert!(error.contains("cuda:3") && error.contains("cuda:0"), "{error}");
    let error = decide(&DeviceChoice::Cuda(None), false, &machine(&[]), &[], WGPU, &[]).unwrap_err();
    assert!(error.to_string().contains("--features cuda"));
}

#[test]
fn a_cpu_build_says_how_to_build_for_the_gpu_it_finds() {
    let decision = decide(&DeviceChoice::Auto, false, &machine(&[]), &[nvidia()], NONE, &[]).unwrap();
    assert!(decision.reasons[0].contains("NVIDIA") && decision.reasons[0].contains("cargo build --release"));
    assert!(decision.reasons[1].contains("--features cuda"));
}

#[test]
fn a_machine_without_a_gpu_is_told_so() {
    let decision = decide(&DeviceChoice::Auto, false, &machine(&[]), &[], WGPU, &[]).unwrap();
    assert_eq!(decision.reasons, ["no GPU is visible to the operating system"]);
}

#[test]
fn a_card_without_a_driver_is_mentioned() {
    let decision = decide(&DeviceChoice::Auto, false, &machine(&[]), &[nvidia()], BOTH, &[]).unwrap();
    assert!(decision.reasons[0].contains("driver"), "{:?}", decision.reasons);
}

#[test]
fn require_gpu_says_what_to_do() {
    let refused = |found: &[FoundDevice], gpus: &[SystemGpu], built, failures: &[String]| {
        decide(&DeviceChoice::Auto, true, found, gpus, built, failures).unwrap_err().to_string()
    };
    assert!(refused(&machine(&[]), &[], NONE, &[]).contains("cargo build --release"));
    assert!(refused(&machine(&[]), &[], WGPU, &[]).contains("driver, or leave --require-gpu out"));
    assert!(refused(&machine(&[]), &[nvidia()], NONE, &[]).contains("NVIDIA"));
    assert!(refused(&machine(&[]), &[], WGPU, &["wgpu:0 does not work".into()]).contains("does not work"));
    let found = machine(&[FoundKind::Discrete]);
    assert!(decide(&DeviceChoice::Auto, true, &found, &[], WGPU, &[]).is_ok());
}
