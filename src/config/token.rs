//! The file that holds the admin token.

use std::path::Path;

use super::files;
use super::model::Secret;
use super::report::Report;
use super::source::Spanned;

/// Reads the token.
pub(super) fn read(
    written: &Spanned<String>,
    directory: Option<&Path>,
    report: &mut Report,
) -> Option<Secret> {
    let token = files::read(written, directory, ("the admin token", "the token"), report)?;
    let token = token.trim().to_owned();
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
