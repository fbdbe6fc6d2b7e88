//! What else a request may be, for an origin that obeys override fields: such a request passes
//! by, and if it is a write, it may be a write elsewhere.

use http::{HeaderMap, HeaderName, Method};

use super::roles::{METHOD_OVERRIDES, PATH_OVERRIDES};

/// Whether a field of this name makes its request one for another method. Origins that hand fields
/// on as variables take `_` for `-`.
pub fn overrides_method(name: &str) -> bool {
    METHOD_OVERRIDES.iter().any(|known| is_spelling_of(name, known))
}

fn is_spelling_of(name: &str, known: &HeaderName) -> bool {
    let folded = name.bytes().map(|byte| if byte == b'_' { b'-' } else { byte });
    name.len() == known.as_str().len() && folded.eq(known.as_str().bytes())
}

/// The methods that `X-HTTP-Method-Override` and its kin name, in capitals.
pub fn overriding_methods(fields: &HeaderMap) -> impl Iterator<Item = Method> {
    values(fields, &METHOD_OVERRIDES).filter_map(|value| {
        let upper = value.to_ascii_uppercase();
        Method::from_bytes(upper.trim_ascii()).ok()
    })
}

/// The raw paths that `X-Original-URL` and `X-Rewrite-URL` name, without their queries.
pub fn overriding_paths(fields: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = values(fields, &PATH_OVERRIDES).filter_map(|value| std::str::from_utf8(value).ok());
    texts
        .map(|text| text.split(['?', '#']).next().unwrap_or_default().trim())
        .filter(|path| path.starts_with('/'))
}

fn values<'f>(fields: &'f HeaderMap, names: &'static [HeaderName]) -> impl Iterator<Item = &'f [u8]> {
    let overriding = |name: &HeaderName| names.iter().any(|known| is_spelling_of(name.as_str(), known));
    fields
        .iter()
        .filter(move |(name, _)| overriding(name))
        .map(|(_, value)| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn override_fields_name_methods_and_paths() {
        let mut fields = HeaderMap::new();
        fields.append("x-http-method-override", "delete".parse().unwrap());
        fields.append("x-method-override", " PUT ".parse().unwrap());
        fields.append("x-http-method", "no method".parse().unwrap());
        fields.append("x-original-url", "/a/b?c=d".parse().unwrap());
        fields.append("x-rewrite-url", "elsewhere".parse().unwrap());
        assert_eq!(
            overriding_methods(&fields).collect::<Vec<_>>(),
            [Method::DELETE, Method::PUT]
        );
        fields.append("x_http_method-override", "patch".parse().unwrap());
        assert_eq!(overriding_methods(&fields).last(), Some(Method::PATCH));
        assert_eq!(overriding_paths(&fields).collect::<Vec<_>>(), ["/a/b"]);
        assert_eq!(overriding_methods(&HeaderMap::new()).count(), 0);
    }
}
