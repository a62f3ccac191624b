//! Checks a checkpoint's files against its manifest.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use disk::FileError;
use protocol::Hash;

use super::{CheckpointError, CheckpointManifest, FileEntry, MANIFEST_FILE, MANIFEST_VERSION};

/// The largest manifest, in bytes: thousands of tensors and a full roster stay below it.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// Files of one checkpoint, far more than any has.
const FILES_MAX: usize = 10_000;
/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;

/// Reads the manifest and checks every file that it lists: its presence, its length and its hash.
///
/// # Errors
/// [`CheckpointError`] with the name of the first file that is missing or damaged.
pub fn verify(directory: &Path) -> Result<CheckpointManifest, CheckpointError> {
    let path = directory.join(MANIFEST_FILE);
    let manifest: CheckpointManifest = disk::read_json(&path, MANIFEST_BYTES_MAX)?;
    let refuse = |what: String| CheckpointError::Damaged { path: path.clone(), what };
    if manifest.version != MANIFEST_VERSION {
        return Err(refuse(format!("its version is {}, not {MANIFEST_VERSION}", manifest.version)));
    }
    if manifest.files.is_empty() || manifest.files.len() > FILES_MAX {
        return Err(refuse(format!("it lists {} files", manifest.files.len())));
    }
    for entry in &manifest.files {
        if !is_plain(&entry.name) {
            return Err(refuse(format!("it lists a file named {:?}", entry.name)));
        }
        check_file(directory, entry)?;
    }
    Ok(manifest)
}

/// Name, length and hash of every file of a directory but the manifest, in the order of names.
pub(super) fn hash_files(directory: &Path) -> Result<Vec<FileEntry>, FileError> {
    let entries = fs::read_dir(directory).map_err(FileError::io("list", directory))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let others = names.into_iter().filter(|name| name != MANIFEST_FILE);
    others.map(|name| hash_file(directory, name)).collect()
}

fn hash_file(directory: &Path, name: String) -> Result<FileEntry, FileError> {
    let path = directory.join(&name);
    let mut file = File::open(&path).map_err(FileError::io("open", &path))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer).map_err(FileError::io("read", &path))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
    Ok(FileEntry { name, bytes, blake3: Hash(*hasher.finalize().as_bytes()) })
}

fn check_file(directory: &Path, entry: &FileEntry) -> Result<(), CheckpointError> {
    let path = directory.join(&entry.name);
    let length = fs::metadata(&path).map_err(FileError::io("find", &path))?.len();
    if length != entry.bytes {
        let what = format!("it has {length} bytes, not {}", entry.bytes);
        return Err(CheckpointError::Damaged { path, what });
    }
    let found = hash_file(directory, entry.name.clone())?.blake3;
    if found != entry.blake3 {
        let what = format!("its bytes hash to {found}, not to {}", entry.blake3);
        return Err(CheckpointError::Damaged { path, what });
    }
    Ok(())
}

/// Whether a name stays inside the directory.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(part)), None) if part == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_directory_are_not_plain() {
        for name in ["", ".", "..", "../x", "a/b", "/etc/passwd", "./a", "a/"] {
            assert!(!is_plain(name), "{name}");
        }
        assert!(is_plain("model.safetensors"));
    }
}
