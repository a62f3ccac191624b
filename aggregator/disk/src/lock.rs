//! One process per run directory.
//!
//! The lock is the operating system's on an open file, so it ends with its process however that dies: a lock file
//! whose process is gone is taken over without a question. The file's text names the holder for the error message.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::FileError;

/// Why a directory cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another live process holds it.
    #[error(
        "{} is in use by process {holder}; stop that process, or choose another directory with --run-dir",
        directory.display()
    )]
    Held {
        /// The directory.
        directory: PathBuf,
        /// The process id that the lock file names, or `unknown`.
        holder: String,
    },
    /// The lock file cannot be made or locked.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A held lock; it ends when dropped or when the process ends.
#[derive(Debug)]
pub struct DirectoryLock {
    // Written open: the system's lock belongs to the open file.
    _file: File,
    path: PathBuf,
}

impl DirectoryLock {
    /// Locks `directory` for one role, through the file `<role>.lock` in it.
    ///
    /// # Errors
    /// [`LockError::Held`] with the holder's process id when another live process has it.
    pub fn acquire(directory: &Path, role: &str) -> Result<Self, LockError> {
        let path = directory.join(format!("{role}.lock"));
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(FileError::io("open the lock", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { directory: directory.to_path_buf(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(FileError::io("lock", &path)(error).into()),
        }
        sign(&mut file).map_err(FileError::io("write the lock", &path))?;
        Ok(Self { _file: file, path })
    }

    /// The lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // Between the lock and the first write the file may be empty or hold the last holder; say so rather than guess.
    let _ = file.take(32).read_to_string(&mut text);
    text.trim().parse::<u32>().map_or_else(|_| "unknown".to_owned(), |pid| pid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_second_holder_is_refused_with_the_process_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let first = DirectoryLock::acquire(directory.path(), "aggregator").unwrap();
        let error = DirectoryLock::acquire(directory.path(), "aggregator").unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&std::process::id().to_string()), "{text}");
        assert!(text.contains(&directory.path().display().to_string()), "{text}");
        drop(first);
        DirectoryLock::acquire(directory.path(), "aggregator").unwrap();
    }

    #[test]
    fn roles_lock_apart() {
        let directory = tempfile::tempdir().unwrap();
        let _up = DirectoryLock::acquire(directory.path(), "up").unwrap();
        DirectoryLock::acquire(directory.path(), "aggregator").unwrap();
    }

    #[test]
    fn the_lock_of_a_dead_process_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        // What a killed process leaves: the file with its id, and no lock on it.
        fs::write(directory.path().join("aggregator.lock"), "4194301\n").unwrap();
        let lock = DirectoryLock::acquire(directory.path(), "aggregator").unwrap();
        let text = fs::read_to_string(lock.path()).unwrap();
        assert_eq!(text.trim(), std::process::id().to_string());
    }

    #[test]
    fn a_lock_file_of_garbage_names_no_process() {
        let directory = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::acquire(directory.path(), "aggregator").unwrap();
        fs::write(lock.path(), [0xff, 0xfe, 0]).unwrap();
        let error = DirectoryLock::acquire(directory.path(), "aggregator").unwrap_err();
        assert!(error.to_string().contains("process unknown"), "{error}");
    }
}
