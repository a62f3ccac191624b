use super::*;

#[test]
fn the_cpu_can_always_be_asked_for() {
    let report = survey(&DeviceChoice::Cpu, false, Some(3)).unwrap();
    assert!(matches!(report.chosen, ComputeDevice::Cpu { threads: 3 }));
    assert_eq!((report.chosen_name.as_str(), report.found[0].kind), ("cpu", FoundKind::Cpu));
    assert!(matches!(survey(&DeviceChoice::Cpu, true, None), Err(DeviceError::GpuRequired { .. })));
}

#[test]
fn auto_finds_something_that_is_no_software_adapter() {
    let report = survey(&DeviceChoice::Auto, false, None).unwrap();
    let chosen = report.found.iter().find(|device| device.name == report.chosen_name).unwrap();
    assert_ne!(chosen.kind, FoundKind::Software);
    assert!(report.chosen.is_cpu() == (chosen.kind == FoundKind::Cpu));
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    assert!(survey(&DeviceChoice::Wgpu(Some(999)), false, None).is_err());
    assert!(survey(&DeviceChoice::Cuda(Some(999)), false, None).is_err());
}

#[test]
fn the_cpu_has_at_least_one_thread() {
    assert_eq!(ComputeDevice::cpu(Some(0)).threads(), 1);
    assert!(ComputeDevice::cpu(None).threads() >= 1);
    assert_eq!(ComputeDevice::cpu(Some(2)).description(), "CPU, 2 threads");
}
