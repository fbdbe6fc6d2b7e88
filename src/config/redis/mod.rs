//! The shared tier, from what the user wrote to what the program reads: the URL, the files that
//! hold secrets, and how connections are secured. Connects to nothing.

mod url;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::url::Located;
use super::files;
use super::hidden::elided;
use super::model::{Redis, RedisTls, Secret};
use super::raw::RawRedis;
use super::report::Report;
use super::source::Spanned;
use super::tls::{self, Peer};

/// Who is on the other side of a secured connection.
const PEER: Peer = Peer {
    name: "Redis",
    in_clear: "write a url that begins with redis://",
};

/// Fewest bytes of a key that signs: less can be guessed.
const LEAST_SIGN_KEY: usize = 16;

/// Resolves the section `store.redis`; `None` if something needed is missing or wrong. Every
/// problem is noted.
pub(super) fn resolve(raw: &RawRedis, directory: Option<&Path>, report: &mut Report) -> Option<Arc<Redis>> {
    let located = raw.url.as_ref().and_then(|url| locate(url, report));
    let by_url = located.as_ref().and_then(|located| located.password.clone());
    let password = match (&raw.password_file, by_url) {
        (Some(file), Some(_)) => {
            twice("password", file, raw.url.as_ref(), report);
            None
        }
        (Some(file), None) => password(file, directory, report),
        (None, by_url) => by_url,
    };
    let sign_key = raw
        .sign_key_file
        .as_ref()
        .map(|file| sign_key(file, directory, report));
    let located = located?;
    let username = username(raw, &located, report);
    if username.is_some() && located.password.is_none() && raw.password_file.is_none() {
        needs_password(raw, report);
    }
    let tls = secured(raw, &located, directory, report);
    if report.has_errors() {
        return None;
    }
    let text = |written: &Option<Spanned<String>>| written.as_ref().map(|w| Arc::from(w.value.as_str()));
    Some(Arc::new(Redis {
        servers: located.servers,
        database: located.database,
        username,
        password,
        tls,
        namespace: text(&raw.namespace)?,
        epoch: text(&raw.epoch).unwrap_or_else(|| Arc::from("0")),
        timeout: value(&raw.timeout, Duration::from_millis(50)),
        connections: value(&raw.connections, 4).try_into().unwrap_or(usize::MAX),
        max_blind: value(&raw.max_blind, Duration::from_secs(10)),
        blind_forwards: value(&raw.blind_forwards, 0.1),
        sign_key: sign_key.flatten(),
    }))
}

fn value<T: Copy>(written: &Option<Spanned<T>>, default: T) -> T {
    written.as_ref().map_or(default, |w| w.value)
}

fn locate(written: &Spanned<String>, report: &mut Report) -> Option<Located> {
    let text = written.value.trim();
    match url::parse(text) {
        Ok(located) => Some(located),
        Err(refused) => {
            // Without a scheme, all before the `@` may be a secret.
            let shown = match text.rsplit_once('@') {
                Some((_, rest)) if !text.contains("://") => format!("…@{rest}"),
                _ => elided(text),
            };
            let problem = report.error(&written.place, format!("`{shown}` is not a Redis URL"));
            problem.cause(refused.cause).fix(refused.fix);
            None
        }
    }
}

fn username(raw: &RawRedis, located: &Located, report: &mut Report) -> Option<String> {
    match (&raw.username, &located.username) {
        (Some(written), Some(_)) => {
            twice("user", written, raw.url.as_ref(), report);
            None
        }
        (Some(written), None) => Some(written.value.clone()),
        (None, by_url) => by_url.clone(),
    }
}

fn twice(what: &str, written: &Spanned<String>, url: Option<&Spanned<String>>, report: &mut Report) {
    let also = url.and_then(|url| report.excerpt(&url.place, "and here"));
    let problem = report.error(&written.place, format!("the {what} is given twice"));
    problem.label("here").also(also);
    problem.cause("nothing says which of the two counts");
    problem.fix(format!("remove the {what} from the url, or this line"));
}

fn needs_password(raw: &RawRedis, report: &mut Report) {
    let written = raw.username.as_ref().or(raw.url.as_ref());
    let place = written.map_or(&raw.place, |written| &written.place);
    let problem = report.error(place, "the user has no password");
    problem.cause("Redis takes a user's name only together with a password");
    problem.fix("add `password_file`, or remove the user for the default one");
}

fn password(written: &Spanned<String>, directory: Option<&Path>, report: &mut Report) -> Option<Secret> {
    let text = files::read(
        written,
        directory,
        ("the password of Redis", "the password"),
        report,
    )?;
    let password = without_newline(&text);
    if password.is_empty() {
        let problem = report.error(&written.place, "the file holds no password");
        problem.cause("it is empty");
        problem.fix("write the password into it, or remove `password_file`");
        return None;
    }
    if password.contains(['\n', '\r']) {
        let problem = report.error(&written.place, "the file holds more than a password");
        problem.cause("it has several lines");
        problem.fix("leave the password alone in it, on one line");
        return None;
    }
    Some(Secret(password.to_owned()))
}

/// Editors end a file with a newline, which is no part of what it holds.
fn without_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn sign_key(written: &Spanned<String>, directory: Option<&Path>, report: &mut Report) -> Option<Secret> {
    let text = files::read(written, directory, ("the sign key", "the key"), report)?;
    let key = without_newline(&text);
    if key.len() < LEAST_SIGN_KEY {
        let problem = report.error(&written.place, "the sign key is too short");
        problem.cause(format!(
            "it has {} bytes, and needs {LEAST_SIGN_KEY}; whoever guesses it can write answers that all pods believe",
            key.len()
        ));
        problem.fix("write one into the file, such as the output of `openssl rand -hex 32`");
        return None;
    }
    Some(Secret(key.to_owned()))
}

/// How connections are secured: as the URL says, by what `tls` names.
fn secured(
    raw: &RawRedis,
    located: &Located,
    directory: Option<&Path>,
    report: &mut Report,
) -> Option<RedisTls> {
    match (&raw.tls, located.tls) {
        (None, false) => None,
        (Some(tls), false) => {
            let also = raw
                .url
                .as_ref()
                .and_then(|url| report.excerpt(&url.place, "in clear"));
            let problem = report.error(&tls.place, "`tls` is given, and the url is one without TLS");
            problem.also(also);
            problem.cause("connections would be in clear, whatever certificates there are");
            problem.fix(
                "begin the url with rediss://, rediss+sentinel:// or rediss-cluster://; or remove `tls`",
            );
            None
        }
        (written, true) => {
            let url = raw.url.as_ref().map_or(&raw.place, |url| &url.place);
            let client = tls::client(written.as_ref(), PEER, url, directory, report)?;
            Some(RedisTls {
                config: client.config,
                digest: client.digest,
            })
        }
    }
}

#[cfg(test)]
mod tests;
