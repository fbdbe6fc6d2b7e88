//! What else a request may be, for an origin that obeys override fields: such a request passes
//! by, and if it is a write, it may be a write elsewhere.

use http::{HeaderMap, HeaderName, Method};

use super::roles::{METHOD_OVERRIDES, PATH_OVERRIDES};

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
    names
        .iter()
        .flat_map(|name| fields.get_all(name))
        .map(|value| value.as_bytes())
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
        assert_eq!(overriding_paths(&fields).collect::<Vec<_>>(), ["/a/b"]);
        assert_eq!(overriding_methods(&HeaderMap::new()).count(), 0);
    }
}
