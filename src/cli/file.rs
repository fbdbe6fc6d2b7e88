//! Reads the configuration file for the commands.

use std::io::{Error, ErrorKind};
use std::path::Path;

use crate::config::Source;

/// The text of a configuration file.
///
/// # Errors
/// As the system says, or that it is not UTF-8.
pub(super) fn read(path: &Path) -> Result<Source, Error> {
    Ok(Source {
        name: path.display().to_string(),
        text: std::fs::read_to_string(path)?,
    })
}

/// Why a file was not read, and what to do about it.
pub(super) fn explain(path: &Path, error: &Error) -> String {
    let fix = match error.kind() {
        ErrorKind::NotFound => "check the path; a relative one begins at the working directory",
        ErrorKind::IsADirectory => "name the file in this directory",
        ErrorKind::PermissionDenied => "let the user that runs Larder read it",
        ErrorKind::InvalidData => "save it as UTF-8 text",
        _ => "check that it can be read",
    };
    format!("error: cannot read {}: {error}\n = fix: {fix}\n", path.display())
}
