//! Fetches the two libraries once per machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha512};

use crate::Error;

const PACKAGE: &str = "@initia/builder.js@0.2.12";
const TARBALL: &str = "initia-builder.js-0.2.12.tgz";
const SHA512: &str = "juvV5IEWNiPMzFLW53hh3e+wHax4a9ytox/DwgeplrTQJmWs1Y8+gQgWenjPwePtDG/lfGXaAuXZipjQeq9LrA==";

/// The path of a library, fetched when it is missing.
pub(crate) fn library(name: &str) -> Result<PathBuf, Error> {
    if !cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))) {
        return Err(Error::Platform);
    }
    let dir = cache_dir().join("0.2.12");
    let path = dir.join(format!("package/library/{name}.{}.so", std::env::consts::ARCH));
    if !path.exists() {
        fetch(&dir)?;
    }
    Ok(path)
}

fn cache_dir() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("cotrain/move-tools")
}

/// Unpacks beside the place and renames, so that tests which fetch at the same time never see half of it.
fn fetch(dir: &Path) -> Result<(), Error> {
    let io = |what: &str| {
        let what = what.to_owned();
        move |source| Error::Io { what, source }
    };
    let parent = cache_dir();
    fs::create_dir_all(&parent).map_err(io("the cache folder could not be made"))?;
    let fresh = tempfile::tempdir_in(&parent).map_err(io("the cache folder could not be written"))?;
    run(Command::new("npm").args(["pack", "--silent", PACKAGE]).current_dir(fresh.path()))?;
    let tarball = fresh.path().join(TARBALL);
    verify(&tarball, &fs::read(&tarball).map_err(io("npm left no package"))?)?;
    // The package holds the libraries of other systems too, four times as much.
    let library = |name| format!("package/library/{name}.{}.so", std::env::consts::ARCH);
    run(Command::new("tar")
        .args(["xzf", TARBALL])
        .args([library("libcompiler"), library("libmovevm")])
        .current_dir(fresh.path()))?;
    fs::remove_file(&tarball).map_err(io("the unpacked package could not be removed"))?;
    match fs::rename(fresh.path(), dir) {
        Err(source) if !dir.exists() => Err(io("the libraries could not be put in place")(source)),
        _ => Ok(()),
    }
}

/// The package must be the one that was reviewed: its code runs in the process that loads it.
fn verify(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let found = BASE64_STANDARD.encode(Sha512::digest(bytes));
    if found == SHA512 { Ok(()) } else { Err(Error::Hash { path: path.to_owned(), found }) }
}

fn run(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|source| Error::Io { what: format!("{program} could not be run; install it"), source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Fetch { package: PACKAGE, reason: String::from_utf8_lossy(&output.stderr).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_package_is_refused() {
        let refused = verify(Path::new("package.tgz"), b"another").expect_err("it has another hash");
        assert!(matches!(refused, Error::Hash { .. }), "{refused}");
    }
}
