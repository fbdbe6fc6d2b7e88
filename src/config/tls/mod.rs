//! How connections are secured: what the configuration names, read from files and made usable.

mod listener;
mod pem;

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use xxhash_rust::xxh3::xxh3_64;

use self::pem::{Pair, Part, Unusable};
use super::files;
use super::raw::RawTls;
use super::report::Report;
use super::source::{Place, Spanned};

pub(super) use listener::listener;
pub(super) use pem::Peer;

/// How connections to a server are secured.
pub(super) struct Client {
    pub config: Arc<ClientConfig>,
    /// Digest of the files that it was made of.
    pub digest: u64,
}

/// Digest of what files held.
fn digest<'t>(texts: impl IntoIterator<Item = &'t Option<String>>) -> u64 {
    let texts: Vec<&str> = texts
        .into_iter()
        .map(|text| text.as_deref().unwrap_or_default())
        .collect();
    xxh3_64(texts.join("\0").as_bytes())
}

/// Secures connections to a server: by the authorities and the certificate that `written` names, else
/// by the system's authorities and without one. What is wrong with nothing written is told at `by`.
pub(super) fn client(
    written: Option<&RawTls>,
    peer: Peer,
    by: &Place,
    directory: Option<&Path>,
    report: &mut Report,
) -> Option<Client> {
    let (ca, certificate, key) = match written {
        Some(tls) => (tls.ca.as_ref(), tls.certificate.as_ref(), tls.key.as_ref()),
        None => (None, None, None),
    };
    // All of them, so that all that is wrong is told at once.
    let texts = (
        text(ca, "the authority's certificate", directory, report),
        text(certificate, "the client's certificate", directory, report),
        text(key, "the key of the client's certificate", directory, report),
    );
    let (Some(ca_text), Some(certificate_text), Some(key_text)) = texts else {
        return None;
    };
    let own = match (&certificate_text, &key_text) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(Pair { certificate, key }),
        (Some(_), None) => return half(certificate, ("certificate", "key"), report),
        (None, Some(_)) => return half(key, ("key", "certificate"), report),
    };
    let roots = match &ca_text {
        Some(pem) => pem::given_roots(pem),
        None => pem::system_roots(),
    };
    match roots.and_then(|roots| pem::client(roots, own, peer)) {
        Ok(config) => Some(Client {
            config: Arc::new(config),
            digest: digest([&ca_text, &certificate_text, &key_text]),
        }),
        Err(unusable) => {
            tell(unusable, (ca, certificate, key), by, report);
            None
        }
    }
}

/// The text of a file, if one is named; `None` if it cannot be read, which is noted.
fn text(
    written: Option<&Spanned<String>>,
    of: &str,
    directory: Option<&Path>,
    report: &mut Report,
) -> Option<Option<String>> {
    match written {
        Some(written) => files::read(written, directory, (of, "it as PEM"), report).map(Some),
        None => Some(None),
    }
}

type Written<'a> = Option<&'a Spanned<String>>;

fn tell(
    unusable: Unusable,
    (roots, certificate, key): (Written<'_>, Written<'_>, Written<'_>),
    otherwise: &Place,
    report: &mut Report,
) {
    let written = match unusable.part {
        Part::Roots => roots,
        Part::Certificate => certificate,
        Part::Key => key,
    };
    let place = written.map_or(otherwise, |written| &written.place);
    let problem = report.error(place, unusable.title);
    problem.cause(unusable.cause).fix(unusable.fix);
}

/// A certificate without its key, or the other way round.
fn half<T>(written: Written<'_>, (there, missing): (&str, &str), report: &mut Report) -> Option<T> {
    let problem = report.error(&written?.place, format!("`{there}` without `{missing}`"));
    problem.cause("a pod shows its certificate, and proves with its key that it is its own");
    problem.fix(format!("add `{missing}` beside it, or remove `{there}`"));
    None
}
