//! The file that holds the admin token: the only other file that loading reads.

use std::path::Path;

use super::model::Secret;
use super::report::Report;
use super::source::Spanned;

/// Reads the token. A path in the configuration is relative to its directory; one from a flag or
/// a variable to the working directory.
pub(super) fn read(
    written: &Spanned<String>,
    directory: Option<&Path>,
    report: &mut Report,
) -> Option<Secret> {
    let path = match directory.filter(|_| !written.place.is_given()) {
        Some(directory) => directory.join(&written.value),
        None => written.value.clone().into(),
    };
    let token = match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().to_owned(),
        Err(error) => {
            let problem = report.error(&written.place, "the admin token cannot be read");
            problem.cause(format!("{}: {error}", path.display()));
            problem.fix(if written.place.is_given() {
                "name a readable file that holds the token"
            } else {
                "write the path of a readable file that holds the token; it is relative to this file"
            });
            return None;
        }
    };
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        let problem = report.error(&written.place, "the file holds no token");
        problem.cause(
            "a token is one word of letters, digits and signs; it is sent as `Authorization: Bearer TOKEN`",
        );
        problem.fix("write one into the file, such as the output of `openssl rand -hex 32`");
        return None;
    }
    Some(Secret(token))
}
