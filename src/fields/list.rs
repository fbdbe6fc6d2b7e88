//! Comma-separated lists (RFC 9110 §5.6.1), split without copying.

/// The members of one field line: trimmed, empty ones left out, commas in quoted strings kept.
///
/// A quote that never closes is read as a plain character, so that `x="a, no-store` cannot hide
/// what follows it.
pub fn members(line: &[u8]) -> Members<'_> {
    Members { rest: line }
}

/// Iterator over the members of one field line.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (member, tail) = self.rest.split_at(member_end(self.rest));
            self.rest = tail.get(1..).unwrap_or_default();
            let member = member.trim_ascii();
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    }
}

/// Where the first member ends: at a comma outside a quoted string, or with the line.
fn member_end(bytes: &[u8]) -> usize {
    // Nearly every member has no quotes, and then one comparison a byte will do.
    match bytes.iter().position(|byte| matches!(byte, b',' | b'"')) {
        None => bytes.len(),
        Some(at) if bytes.get(at) == Some(&b',') => at,
        Some(_) => quoted_member_end(bytes),
    }
}

fn quoted_member_end(bytes: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    let mut quoted_comma = None;
    for (at, byte) in bytes.iter().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if quoted => quoted_comma = quoted_comma.or(Some(at)),
            b',' => return at,
            _ => {}
        }
    }
    match quoted_comma {
        Some(at) if quoted => at,
        Some(_) | None => bytes.len(),
    }
}

/// Whether `bytes` is a token (RFC 9110 §5.6.2): the grammar of field names and directive names.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| is_token_char(*b))
}

fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_split_at_commas_outside_quotes() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            (" , ,, ", &[]), // §5.6.1.2: empty members are ignored
            ("a", &["a"]),
            ("a,b", &["a", "b"]),
            (" a ,\tb , ", &["a", "b"]),
            ("a=\"1,2\", b", &["a=\"1,2\"", "b"]),
            ("a=\"1\\\",2\", b", &["a=\"1\\\",2\"", "b"]),
            ("a=\"1, b, c", &["a=\"1", "b", "c"]), // unclosed: hides nothing
            ("a=\"1, b, c=\"2\"", &["a=\"1", "b", "c=\"2\""]),
            ("a=\"1\\\", b", &["a=\"1\\\"", "b"]),
        ];
        for (line, expected) in table {
            let found: Vec<&str> = members(line.as_bytes())
                .map(|m| std::str::from_utf8(m).unwrap())
                .collect();
            assert_eq!(&found, expected, "{line:?}");
        }
    }

    #[test]
    fn tokens_have_no_separators() {
        for (text, token) in [
            ("max-age", true),
            ("", false),
            ("a b", false),
            ("a:", false),
            ("é", false),
        ] {
            assert_eq!(is_token(text.as_bytes()), token, "{text:?}");
        }
    }
}
