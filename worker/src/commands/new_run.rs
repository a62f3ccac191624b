//! Where a new run goes.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::exit::{WrongUse, wrong_use};

/// Directories tried for a new run before giving up: more runs do not begin within one second.
const ATTEMPTS_MAX: usize = 100;

/// The directory of a new run: the one asked for, which must hold no run yet, or one named after the time.
///
/// # Errors
/// Wrong use when there is a run already; or when the directory cannot be made.
pub fn new_run_directory(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = asked {
        let path = std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))?;
        if path.join("genesis.json").exists() {
            let shown = path.display();
            let message = format!("{shown} holds a run already: continue it with --resume {shown}, or name another");
            return Err(WrongUse(message).into());
        }
        return Ok(path);
    }
    let runs = std::path::absolute("runs").context("cannot resolve runs")?;
    disk::create_directory(&runs)?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for attempt in 0..ATTEMPTS_MAX {
        let name = if attempt == 0 { stamp(seconds) } else { format!("{}-{attempt}", stamp(seconds)) };
        match std::fs::create_dir(runs.join(&name)) {
            Ok(()) => return Ok(runs.join(name)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot create {}", runs.join(name).display())),
        }
    }
    Err(wrong_use(anyhow::anyhow!("too many runs begin at once; name a directory with --run-dir")))
}

/// Seconds since 1970 as `20261123-054501`, UTC; the calendar is Howard Hinnant's `civil_from_days`.
fn stamp(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_follow_the_calendar() {
        // From `date -u -d @N +%Y%m%d-%H%M%S`.
        for (seconds, expected) in [
            (0, "19700101-000000"),
            (951_782_399, "20000228-235959"),
            (951_782_400, "20000229-000000"),
            (1_709_251_200, "20240301-000000"),
            (1_795_412_701, "20261123-054501"),
            (4_107_542_400, "21000301-000000"),
        ] {
            assert_eq!(stamp(seconds), expected);
        }
    }

    #[test]
    fn a_directory_with_a_run_is_not_begun_again() {
        let directory = tempfile::tempdir().unwrap();
        assert!(new_run_directory(Some(directory.path())).is_ok());
        std::fs::write(directory.path().join("genesis.json"), "").unwrap();
        let message = new_run_directory(Some(directory.path())).unwrap_err().to_string();
        assert!(message.contains("--resume"), "{message}");
    }
}
