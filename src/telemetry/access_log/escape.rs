//! Text from outside as it may stand in a line: quoted as JSON, without anything that a terminal
//! or a reader of lines may obey. Pure.

use std::fmt::Write;

/// Whether `text` needs no quotes in the text format.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && is_clean(text)
}

/// Whether every byte may stand outside quotes.
pub(super) fn is_clean(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

/// Appends `value` as a JSON string (RFC 8259 §7).
pub(super) fn push_quoted(text: &mut String, value: &str) {
    text.push('"');
    push_escaped(text, value);
    text.push('"');
}

/// Appends the inside of a JSON string. Besides what JSON demands this escapes DEL, the C1
/// controls, and the marks that turn the direction of writing.
pub(super) fn push_escaped(text: &mut String, value: &str) {
    // Nearly every value is plain, and asking is several times cheaper than copying by character.
    if value.bytes().any(may_need_escape) {
        value.chars().for_each(|c| push_char(text, c));
    } else {
        text.push_str(value);
    }
}

/// Whether a character that begins with this byte, or ends in it, may need an escape.
fn may_need_escape(byte: u8) -> bool {
    // 0xC2 begins U+0080 to U+00BF, 0xE2 begins U+2000 to U+2FFF.
    matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f | 0xc2 | 0xe2)
}

fn push_char(text: &mut String, c: char) {
    match c {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        c if is_unsafe(c) => {
            // Writing to a `String` cannot fail; none of these is above U+FFFF.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        }
        c => text.push(c),
    }
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_read_back_by_a_json_reader_and_none_is_obeyed() {
        for c in (0..=0xffff).filter_map(char::from_u32) {
            let mut text = String::new();
            push_quoted(&mut text, &format!("a{c}b"));
            let read: String = serde_json::from_str(&text).unwrap();
            assert_eq!(read, format!("a{c}b"), "{text}");
            assert!(!text.contains(is_unsafe), "{text:?}");
        }
    }

    #[test]
    fn words_are_what_needs_no_quotes() {
        let rows = [
            ("GET", true),
            ("/a?b=c", true),
            ("", false),
            ("a b", false),
            ("a\"", false),
            ("a\\", false),
            ("ä", false),
            ("a\u{7f}", false),
        ];
        for (text, word) in rows {
            assert_eq!(is_word(text), word, "{text:?}");
        }
    }
}
