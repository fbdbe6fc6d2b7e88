//! What a rule says about answers, with `defaults` filled in.

use std::sync::Arc;

use http::HeaderName;

use super::super::model::{
    BodyKey, ClientCacheControl, ClientTtl, Collapse, Compress, KeySpec, LARDER_CACHE_CONTROL, QueryKey,
    SetCookie, Share, Unkeyed,
};
use super::super::raw::{RawBody, RawCompress, RawKey, RawQuery, Terms};
use super::super::source::Spanned;

/// The rule's own word, else the default's, else the language's.
pub(super) fn pick<T: Clone>(own: &Option<Spanned<T>>, default: &Option<Spanned<T>>, otherwise: T) -> T {
    own.as_ref()
        .or(default.as_ref())
        .map_or(otherwise, |written| written.value.clone())
}

/// As [`pick`], where the language has no word.
pub(super) fn pick_option<T: Clone>(own: &Option<Spanned<T>>, default: &Option<Spanned<T>>) -> Option<T> {
    own.as_ref()
        .or(default.as_ref())
        .map(|written| written.value.clone())
}

/// Defaults of the plain words.
pub(super) struct Words {
    pub client_ttl: ClientTtl,
    pub share: Share,
    pub set_cookie: SetCookie,
    pub targeted: Vec<HeaderName>,
    pub client_cache_control: ClientCacheControl,
    pub collapse: Collapse,
}

/// The plain words of a rule.
pub(super) fn words(own: &Terms, default: &Terms) -> Words {
    Words {
        client_ttl: pick(&own.client_ttl, &default.client_ttl, ClientTtl::Origin),
        share: pick(&own.share, &default.share, Share::Auto),
        set_cookie: pick(&own.set_cookie, &default.set_cookie, SetCookie::Refuse),
        targeted: pick(&own.targeted, &default.targeted, vec![LARDER_CACHE_CONTROL]),
        client_cache_control: pick(
            &own.client_cache_control,
            &default.client_cache_control,
            ClientCacheControl::Ignore,
        ),
        collapse: pick(&own.collapse, &default.collapse, Collapse::Pod),
    }
}

/// The key of a rule; its parts have defaults one by one.
pub(super) fn key(own: &RawKey, default: &RawKey) -> KeySpec {
    let headers = own.headers.as_ref().or(default.headers.as_ref());
    let cookies = own.cookies.as_ref().or(default.cookies.as_ref());
    KeySpec {
        query: match pick_option(&own.query, &default.query) {
            None | Some(RawQuery::All) => QueryKey::All,
            Some(RawQuery::None) => QueryKey::None,
            Some(RawQuery::Only(names)) => QueryKey::Only(distinct(&names)),
            Some(RawQuery::Except(names)) => QueryKey::Except(distinct(&names)),
        },
        unkeyed: pick(&own.unkeyed, &default.unkeyed, Unkeyed::Drop),
        headers: headers.map_or_else(Vec::new, |names| distinct(names)),
        cookies: cookies.map_or_else(Vec::new, |names| distinct(names)),
        body: match pick_option(&own.body, &default.body) {
            None | Some(RawBody::Ignored) => BodyKey::Ignored,
            Some(RawBody::Whole) => BodyKey::Whole,
            Some(RawBody::Json { fields, others }) => BodyKey::Json {
                fields: distinct(&fields),
                others,
            },
        },
    }
}

/// What is compressed; the map's parts have defaults one by one. A rule's `true` is what `defaults`
/// says of how, even where that says `false`.
pub(super) fn compress(own: Option<&RawCompress>, default: Option<&RawCompress>) -> Option<Arc<Compress>> {
    if !own.or(default).is_none_or(|decides| decides.on) {
        return None;
    }
    let mut compress = Compress::default();
    for parts in default.into_iter().chain(own).map(|written| &written.parts) {
        fn take<T: Clone>(part: &mut T, written: &Option<Spanned<T>>) {
            if let Some(written) = written {
                part.clone_from(&written.value);
            }
        }
        take(&mut compress.codings, &parts.codings);
        take(&mut compress.min_size, &parts.min_size);
        take(&mut compress.types, &parts.types);
        take(&mut compress.first, &parts.first);
        take(&mut compress.later, &parts.later);
        take(&mut compress.credentials, &parts.credentials);
    }
    Some(Arc::new(compress))
}

/// In the order written, each once.
fn distinct<T: Clone + PartialEq>(names: &[Spanned<T>]) -> Vec<T> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name.value) {
            distinct.push(name.value.clone());
        }
    }
    distinct
}
