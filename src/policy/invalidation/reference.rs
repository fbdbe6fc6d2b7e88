//! URI references resolved as far as invalidation needs: to a path of the same host
//! (RFC 3986 §5).

/// The path that `reference` stands for, seen from `target_path` on `host`, without query and
/// fragment; `None` where it leads elsewhere or is not HTTP.
pub fn resolve(host: &str, target_path: &str, reference: &str) -> Option<String> {
    let reference = reference.trim();
    let end = reference.find(['?', '#']).unwrap_or(reference.len());
    let hierarchy = reference.get(..end)?;
    let (scheme, rest) = split_scheme(hierarchy);
    match (scheme, rest.strip_prefix("//")) {
        (Some(scheme), Some(after)) => of_authority(host, default_port(scheme)?, after),
        // `http:path` without an authority is not to be trusted to mean anything (§5.2.2).
        (Some(_), None) => None,
        (None, Some(after)) => of_authority(host, "", after),
        (None, None) if rest.is_empty() => Some(target_path.to_owned()),
        (None, None) if rest.starts_with('/') => Some(without_dots(rest)),
        (None, None) => Some(without_dots(&merged(target_path, rest))),
    }
}

/// Splits off `scheme:`; a colon after a slash belongs to a path.
fn split_scheme(text: &str) -> (Option<&str>, &str) {
    let Some((scheme, rest)) = text.split_once(':') else {
        return (None, text);
    };
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if valid { (Some(scheme), rest) } else { (None, text) }
}

fn default_port(scheme: &str) -> Option<&'static str> {
    if scheme.eq_ignore_ascii_case("http") {
        Some(":80")
    } else if scheme.eq_ignore_ascii_case("https") {
        Some(":443")
    } else {
        None
    }
}

/// The path after an authority, if that is `host`, the scheme's default port aside.
fn of_authority(host: &str, default_port: &str, after: &str) -> Option<String> {
    let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
    let bare = |authority: &str| {
        let bare = authority.strip_suffix(default_port).unwrap_or(authority);
        bare.strip_suffix(':').unwrap_or(bare).to_ascii_lowercase()
    };
    if bare(authority) != bare(host) {
        return None;
    }
    Some(if path.is_empty() {
        "/".to_owned()
    } else {
        without_dots(path)
    })
}

/// A relative path put in place of the target's last segment (§5.2.3).
fn merged(target_path: &str, relative: &str) -> String {
    let directory = target_path
        .rfind('/')
        .and_then(|slash| target_path.get(..=slash))
        .unwrap_or("/");
    format!("{directory}{relative}")
}

/// Removes `.` and `..` segments (§5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // What ends in dots names a directory.
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_resolve_as_in_the_rfc() {
        // RFC 3986 §5.4, with the base http://a/b/c/d;p?q, as paths.
        let table = [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("?y", "/b/c/d;p"),
            ("g?y", "/b/c/g"),
            ("#s", "/b/c/d;p"),
            ("g#s", "/b/c/g"),
            ("g?y#s", "/b/c/g"),
            (";x", "/b/c/;x"),
            ("g;x", "/b/c/g;x"),
            ("", "/b/c/d;p"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../", "/"),
            ("../../g", "/g"),
            ("../../../g", "/g"),
            ("../../../../g", "/g"),
            ("/./g", "/g"),
            ("/../g", "/g"),
            ("g.", "/b/c/g."),
            (".g", "/b/c/.g"),
            ("g..", "/b/c/g.."),
            ("..g", "/b/c/..g"),
            ("./../g", "/b/g"),
            ("./g/.", "/b/c/g/"),
            ("g/./h", "/b/c/g/h"),
            ("g/../h", "/b/c/h"),
            ("g;x=1/./y", "/b/c/g;x=1/y"),
            ("g;x=1/../y", "/b/c/y"),
            ("g?y/../x", "/b/c/g"),
            ("g#s/../x", "/b/c/g"),
            ("//a/g", "/g"),
            ("http://a", "/"),
            ("http://a?y", "/"),
            ("./x:y", "/b/c/x:y"),
            ("/x:y", "/x:y"),
        ];
        for (reference, path) in table {
            assert_eq!(
                resolve("a", "/b/c/d;p", reference).as_deref(),
                Some(path),
                "{reference:?}"
            );
        }
    }

    #[test]
    fn only_the_same_host_counts() {
        let table = [
            ("a", "http://a/g", true),
            ("A", "http://a/g", true),
            ("a:80", "http://a/g", true),
            ("a", "http://a:80/g", true),
            ("a", "https://a:443/g", true),
            ("a", "HTTPS://A/g", true),
            ("a:8080", "http://a:8080/g", true),
            ("[::1]:8080", "http://[::1]:8080/g", true),
            ("a", "http://a:8080/g", false),
            ("a:8080", "http://a/g", false),
            ("a", "https://a:80/g", false),
            ("a", "http://b/g", false),
            ("a", "//b/g", false),
            ("a", "http://a.b/g", false),
            ("a", "http://user@a/g", false),
            ("a", "http:g", false),
            ("a", "ftp://a/g", false),
            ("a", "mailto:x@a", false),
            ("a", "x:y", false),
        ];
        for (host, reference, same) in table {
            assert_eq!(
                resolve(host, "/x", reference).is_some(),
                same,
                "{host} {reference}"
            );
        }
    }
}
