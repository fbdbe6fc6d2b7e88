//! From an operator's purge to an event of the log, and from its receipt to the operator's words.

use crate::admin::{PurgeError, PurgePath, PurgeReceipt, PurgeRequest, ReceiptPosition};
use crate::invalidation::{self, Event, Matter, Strength, Tag};
use crate::proxy::Proxy;
use crate::route::invalidation_path;

/// Purges, and counts what the purge hits in memory where it was asked to.
///
/// # Errors
/// A pattern that cannot be read; nothing was purged then.
pub(super) fn purge(proxy: &Proxy, request: &PurgeRequest) -> Result<PurgeReceipt, PurgeError> {
    for pattern in &request.patterns {
        invalidation::check_pattern(pattern).map_err(|cause| PurgeError::Pattern {
            pattern: pattern.clone(),
            cause,
        })?;
    }
    let strength = if request.soft {
        Strength::Soft
    } else {
        Strength::Hard
    };
    let event = Event::new(matter(request), None, strength);
    let matched = (request.count || request.dry_run).then(|| proxy.count_hit(&event.matter));
    if request.dry_run {
        return Ok(PurgeReceipt {
            position: None,
            logged: false,
            matched,
        });
    }
    let receipt = proxy.purge(event);
    let position = ReceiptPosition {
        nonce: receipt.position.nonce.to_string(),
        id: receipt.position.id.to_string(),
    };
    Ok(PurgeReceipt {
        position: Some(position),
        logged: receipt.logged,
        matched,
    })
}

/// What a purge touches, in the log's words.
fn matter(request: &PurgeRequest) -> Matter {
    let mut tags: Vec<Tag> = Vec::new();
    for text in &request.tags {
        // An operator says `--tag` for both: a tag of the templates, and a rule's name.
        tags.push(Tag::Named(text.clone()));
        tags.push(Tag::Rule(text.clone()));
    }
    tags.extend(request.paths.iter().map(|path| match path {
        PurgePath::Exact(path) => Tag::Path(invalidation_path(path)),
        PurgePath::Under(path) => Tag::Under(invalidation_path(path)),
    }));
    Matter {
        everything: request.all,
        tags,
        patterns: request.patterns.clone(),
    }
}
