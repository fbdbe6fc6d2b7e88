//! Cookies by name, out of every `Cookie` field line, in the order sent.

use http::HeaderMap;
use http::header::COOKIE;

/// Names and values, trimmed; a piece without `=` has no name. Values are bytes: nothing says
/// that they are text, and quotes belong to them (RFC 6265 §4.2.2 gives them no meaning).
pub(super) fn pairs(fields: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = fields.get_all(COOKIE).into_iter().map(|line| line.as_bytes());
    let pieces = lines.flat_map(|line| line.split(|byte| *byte == b';'));
    pieces
        .map(<[u8]>::trim_ascii)
        .filter(|piece| !piece.is_empty())
        .map(pair)
}

fn pair(piece: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = piece.splitn(2, |byte| *byte == b'=');
    match (halves.next(), halves.next()) {
        (Some(name), Some(value)) => (name.trim_ascii(), value.trim_ascii()),
        _ => (b"", piece),
    }
}

/// Every value of the cookie `name`.
pub(super) fn values<'f>(fields: &'f HeaderMap, name: &str) -> impl Iterator<Item = &'f [u8]> {
    pairs(fields)
        .filter(move |(own, _)| *own == name.as_bytes())
        .map(|(_, value)| value)
}

/// Whether every cookie of the request is among `names`.
pub(super) fn all_among(fields: &HeaderMap, names: &[String]) -> bool {
    pairs(fields).all(|(own, _)| names.iter().any(|name| name.as_bytes() == own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_read_from_every_line_in_order() {
        let mut fields = HeaderMap::new();
        fields.append(COOKIE, "a=1; b = two ;; novalue; c=x=y; d=".parse().unwrap());
        fields.append(COOKIE, "a=\"q\"".parse().unwrap());
        let found: Vec<(String, String)> = pairs(&fields)
            .map(|(name, value)| {
                (
                    String::from_utf8_lossy(name).into(),
                    String::from_utf8_lossy(value).into(),
                )
            })
            .collect();
        let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            found,
            [
                ("a", "1"),
                ("b", "two"),
                ("", "novalue"),
                ("c", "x=y"),
                ("d", ""),
                ("a", "\"q\"")
            ]
        );
        assert_eq!(
            values(&fields, "a").collect::<Vec<_>>(),
            [b"1".as_slice(), b"\"q\""]
        );
    }

    #[test]
    fn a_piece_without_a_name_is_among_no_names() {
        let names = vec!["a".to_owned(), "b".to_owned()];
        for (line, among) in [
            ("a=1", true),
            ("a=1; b=2; a=3", true),
            ("a=1; c=2", false),
            ("a", false),
            ("A=1", false),
        ] {
            let mut fields = HeaderMap::new();
            fields.append(COOKIE, line.parse().unwrap());
            assert_eq!(all_among(&fields, &names), among, "{line}");
        }
        assert!(all_among(&HeaderMap::new(), &names));
    }
}
