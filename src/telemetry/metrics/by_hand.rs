//! Gauges whose labels change while Larder runs, written without the recorder: it never forgets a
//! series, and would go on showing what is gone.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::SystemTime;

use super::{CATALOGUE, names};
use crate::telemetry::CertificateFigures;

/// Adds the hash of the configuration.
pub(super) fn push_hash(text: &mut String, hash: &str) {
    push(text, names::CONFIG_HASH, [(&[("hash", hash)][..], 1)]);
}

/// Adds until when certificates are valid. Of those that one listener shows for one name, such as one
/// for each kind of key, the first to end counts: a series may be there once alone.
pub(super) fn push_certificates(text: &mut String, certificates: &[CertificateFigures]) {
    let mut ends: BTreeMap<_, u64> = BTreeMap::new();
    for CertificateFigures {
        listener,
        name,
        expires,
    } in certificates
    {
        let since = expires.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.unwrap_or_default().as_secs();
        let labels = [("listener", listener.as_str()), ("name", name.as_str())];
        let end = ends.entry(labels).or_insert(seconds);
        *end = seconds.min(*end);
    }
    if !ends.is_empty() {
        let series = ends.iter().map(|(labels, end)| (&labels[..], *end));
        push(text, names::CERTIFICATE_EXPIRY, series);
    }
}

/// The labels and the value of one series.
type Series<'a> = (&'a [(&'static str, &'a str)], u64);

fn push<'a>(text: &mut String, name: &str, series: impl IntoIterator<Item = Series<'a>>) {
    let help = CATALOGUE.iter().find(|metric| metric.name == name);
    let help = help.map_or("", |metric| metric.help);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in series {
        let pairs = labels
            .iter()
            .map(|(label, word)| format!("{label}=\"{}\"", escaped(word)));
        let pairs = pairs.collect::<Vec<_>>().join(",");
        let _ = writeln!(text, "{name}{{{pairs}}} {value}");
    }
    text.push('\n');
}

/// A label's value as the text format wants it.
fn escaped(word: &str) -> String {
    word.replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}
