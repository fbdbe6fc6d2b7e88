//! From an operator's purge to an event of the log, and from its receipt to the operator's words.

use std::sync::Arc;
use std::time::Duration;

use crate::admin::{PurgeError, PurgePath, PurgeReceipt, PurgeRequest, ReceiptPod, ReceiptPosition};
use crate::invalidation::{self, Event, Matter, Pod, Pods, Receipt, Strength, Tag};
use crate::proxy::Proxy;
use crate::route::invalidation_path;

/// How long a receipt waits for pods that have not applied it.
const FOR_PODS: Duration = Duration::from_secs(1);

/// The shared log does not have it.
const QUEUED: &str = "the shared log does not have it yet: it is in force in this pod, and in the others \
    once the log takes it, which this pod goes on trying; if this pod ends before, it is lost";

/// It was asked for pods, and there are none.
const ALONE: &str = "there are no other pods: `store.redis` is not set";

/// It was asked for pods, and nobody knows.
const UNKNOWN: &str = "Redis did not say which pods have applied it";

/// Purges, and counts what the purge hits in memory where it was asked to.
///
/// # Errors
/// A pattern that cannot be read; nothing was purged then.
pub(super) async fn purge(
    proxy: Arc<Proxy>,
    pods: Option<Pods>,
    request: PurgeRequest,
) -> Result<PurgeReceipt, PurgeError> {
    let strength = if request.soft {
        Strength::Soft
    } else {
        Strength::Hard
    };
    let event = Event::new(matter(&request), None, strength);
    // On a thread of its own: patterns and a walk through all that is stored would hold up the
    // requests of a worker.
    let (asked, counting, touched) = (request.clone(), proxy.clone(), event.matter.clone());
    let prepared = tokio::task::spawn_blocking(move || {
        check(&asked)?;
        Ok((asked.count || asked.dry_run).then(|| counting.count_hit(&touched)))
    });
    let matched = prepared
        .await
        .unwrap_or_else(|died| Err(PurgeError::Log(died.to_string())))?;
    if request.dry_run {
        return Ok(PurgeReceipt {
            matched,
            ..PurgeReceipt::default()
        });
    }
    let receipt = proxy.purge(event).await;
    let (pods, note) = if request.pods {
        applied_by(pods, &receipt).await
    } else {
        (None, (!receipt.logged).then_some(QUEUED))
    };
    let position = receipt.position.map(|position| ReceiptPosition {
        nonce: position.nonce.to_string(),
        id: position.id.to_string(),
    });
    Ok(PurgeReceipt {
        position,
        logged: receipt.logged,
        matched,
        pods,
        note,
    })
}

/// Which pods have applied a purge, and what there is to say where that is not known.
async fn applied_by(
    pods: Option<Pods>,
    receipt: &Receipt,
) -> (Option<Vec<ReceiptPod>>, Option<&'static str>) {
    let Some(pods) = pods else {
        return (None, Some(ALONE));
    };
    if !receipt.logged {
        return (None, Some(QUEUED));
    }
    let applied = match receipt.position {
        Some(position) => pods.applied(position, FOR_PODS).await,
        None => None,
    };
    let shown = |Pod { name, applied }| ReceiptPod { pod: name, applied };
    let pods = applied.map(|pods| pods.into_iter().map(shown).collect::<Vec<_>>());
    let note = pods.is_none().then_some(UNKNOWN);
    (pods, note)
}

fn check(request: &PurgeRequest) -> Result<(), PurgeError> {
    for pattern in &request.patterns {
        invalidation::check_pattern(pattern).map_err(|cause| PurgeError::Pattern {
            pattern: pattern.clone(),
            cause,
        })?;
    }
    Ok(())
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
