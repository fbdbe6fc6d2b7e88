//! What the present rules add to an event that another pod made under other rules: during a reload,
//! and between blue and green, pods with different rules share one log (rule 1).

use http::header::HOST;
use http::{HeaderMap, Uri};
use xxhash_rust::xxh3::xxh3_64;

use super::Proxy;
use super::exchange::without_port;
use super::write::add_items;
use crate::invalidation::{Matter, Write};
use crate::route::{Table, TemplateInput, without_parameters};

/// A digest of everything in the rules that decides what a write drops. Pods of another version may
/// have another one for the same rules; they then derive what they have already.
pub(super) fn digest(rules: &Table) -> u64 {
    let writes = rules.rules().iter().filter(|rule| !rule.invalidate.is_empty());
    let text: Vec<String> = writes
        .map(|rule| format!("{:?} {:?} {}", rule.matches, rule.invalidate, rule.soft))
        .collect();
    xxh3_64(text.join("\n").as_bytes())
}

impl Proxy {
    /// What this pod's rules make of another's write. Of that only the method and the target are known
    /// here: an item that needs more stands for everything. Soft rules count as hard ones.
    pub(super) fn derive(&self, write: &Write) -> Matter {
        let mut matter = Matter::default();
        let ruling = self.ruling.load();
        if write.rules == ruling.digest {
            return matter;
        }
        let Ok(target) = write.target.parse::<Uri>() else {
            matter.everything = true;
            return matter;
        };
        let host = target.authority().map_or("", |authority| authority.as_str());
        let mut fields = HeaderMap::new();
        if let Ok(host) = http::HeaderValue::from_str(host) {
            fields.insert(HOST, host);
        }
        let cut = without_parameters(target.path());
        let paths = std::iter::once(target.path()).chain(cut.as_deref());
        let rules = &ruling.config.rules;
        for found in paths.flat_map(|path| rules.writes(&write.method, without_port(host), path)) {
            let input = TemplateInput {
                captures: &found.captures,
                query: target.query().unwrap_or(""),
                request: &fields,
                response: None,
                json: None,
            };
            add_items(found.rule, &input, &mut matter);
        }
        matter
    }
}
