//! What is kept of an answer: its tags, and the stored response itself.

use std::sync::Arc;

use super::Proxy;
use super::exchange::Exchange;
use super::order::Order;
use crate::fields::cache_groups;
use crate::invalidation::{Tag, TagId, path_tags};
use crate::policy::Reason;
use crate::policy::reuse::Validity;
use crate::route::invalidation_path;
use crate::store::{Inserted, StoredResponse};

/// Cache groups that are supported whatever `limits.tags` says (RFC 9875 §2).
const LEAST_GROUPS: usize = 32;

impl Proxy {
    /// Everything an answer can be invalidated by: its path and what lies above it, its rule, what
    /// the rule's templates make of it, and its cache groups. `None`: more tags or more groups than
    /// `limits.tags`; one left out would be an invalidation missed.
    pub(super) fn tags(&self, exchange: &Exchange, fields: &http::HeaderMap) -> Option<Vec<TagId>> {
        let path = invalidation_path(exchange.head.uri.path());
        let mut tags: Vec<TagId> = path_tags(&path);
        tags.push(Tag::Rule(exchange.rule.name.to_string()).id());
        let input = exchange.template_input(Some(fields));
        let mut named = 0;
        for template in &exchange.rule.tags {
            for text in template.render(&input).ok()? {
                named += 1;
                tags.push(Tag::Named(text).id());
            }
        }
        let mut groups = cache_groups::of(fields);
        groups.sort_unstable();
        groups.dedup();
        let limit = exchange.ruling.config.limits.tags;
        if named > limit || groups.len() > limit.max(LEAST_GROUPS) {
            return None;
        }
        tags.extend(exchange.group_tags(groups).map(|group| group.id()));
        tags.sort_unstable();
        tags.dedup();
        Some(tags)
    }

    /// Stores a response unless a write has overtaken it since its fetch began (rule 18).
    pub(super) fn record(&self, order: &Order, response: Arc<StoredResponse>) -> Result<(), Reason> {
        match self.log.validity(&response.subject(), response.mark.stamp) {
            Validity::Gone | Validity::Unknown | Validity::Blind => {
                order.share_nothing();
                return Err(Reason::Overtaken);
            }
            Validity::Untouched | Validity::Stale => {}
        }
        match self.memory.insert(response.clone()) {
            Inserted::Stored => {
                self.share(&order.exchange.ruling.config, &response, order.take_lease());
                Ok(())
            }
            Inserted::Refused => {
                order.share_nothing();
                Err(Reason::NoRoom)
            }
        }
    }
}
