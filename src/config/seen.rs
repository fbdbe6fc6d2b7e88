//! What a file held when it was looked at, by digest, so that whoever looks again knows whether it
//! changed: whatever links lead to it, and whatever its times say.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

/// A file, and what it held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFile {
    path: PathBuf,
    held: Held,
}

/// What a file held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Bytes with this digest.
    Bytes(u128),
    /// Nothing that could be read.
    Nothing,
    /// It is a pipe or a terminal: looking again would take what is somebody else's, or wait.
    Stream,
}

impl SeenFile {
    /// Reads a file as text.
    ///
    /// # Errors
    /// As the system says, or that it is not UTF-8; the file counts as seen all the same.
    pub(super) fn read(path: PathBuf) -> (SeenFile, Result<String, Error>) {
        let bytes = std::fs::read(&path);
        let held = match &bytes {
            Ok(_) if is_stream(&path) => Held::Stream,
            Ok(bytes) => Held::Bytes(xxh3_128(bytes)),
            Err(_) => Held::Nothing,
        };
        let not_text = |_| Error::new(ErrorKind::InvalidData, "stream did not contain valid UTF-8");
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(not_text));
        (SeenFile { path, held }, text)
    }

    /// The same file as it is now.
    pub fn look(&self) -> SeenFile {
        let held = if self.held == Held::Stream || is_stream(&self.path) {
            Held::Stream
        } else {
            std::fs::read(&self.path).map_or(Held::Nothing, |bytes| Held::Bytes(xxh3_128(&bytes)))
        };
        SeenFile {
            path: self.path.clone(),
            held,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether it is there and neither a file nor a directory.
fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_what_a_file_holds_and_not_how_it_is_reached() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("a"), "one").unwrap();
        std::fs::write(at("b"), "one").unwrap();
        std::os::unix::fs::symlink("a", at("link")).unwrap();
        let (seen, text) = SeenFile::read(at("link"));
        assert_eq!(text.unwrap(), "one");
        std::fs::remove_file(at("link")).unwrap();
        assert_ne!(seen.look(), seen, "it is gone");
        std::os::unix::fs::symlink("b", at("link")).unwrap();
        assert_eq!(seen.look(), seen, "another file with the same content");
        std::fs::write(at("b"), "two").unwrap();
        assert_ne!(seen.look(), seen);
    }

    #[test]
    fn what_is_no_file_is_not_read_again() {
        let (seen, _) = SeenFile::read("/dev/null".into());
        assert_eq!(seen.held, Held::Stream);
        assert_eq!(seen.look(), seen);
    }
}
