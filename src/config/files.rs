//! The other files that a configuration names, read once while it is loaded.

use std::path::Path;

use super::report::Report;
use super::seen::SeenFile;
use super::source::Spanned;

/// The text of a file. A path in the configuration is relative to its directory; one from a flag
/// or a variable to the working directory. `of` is what cannot be read, and what the file holds.
pub(super) fn read(
    written: &Spanned<String>,
    directory: Option<&Path>,
    (of, holds): (&str, &str),
    report: &mut Report,
) -> Option<String> {
    let path = match directory.filter(|_| !written.place.is_given()) {
        Some(directory) => directory.join(&written.value),
        None => written.value.clone().into(),
    };
    let (seen, text) = SeenFile::read(path.clone());
    report.saw(seen);
    match text {
        Ok(text) => Some(text),
        Err(error) => {
            let problem = report.error(&written.place, format!("{of} cannot be read"));
            problem.cause(format!("{}: {error}", path.display()));
            problem.fix(if written.place.is_given() {
                format!("name a readable file that holds {holds}")
            } else {
                format!("write the path of a readable file that holds {holds}; it is relative to this file")
            });
            None
        }
    }
}
