//! `Cache-Groups` and `Cache-Group-Invalidation` (RFC 9875): which stored responses belong
//! together, and which of them a write drops.
//!
//! Both are Lists of Strings, compared character by character; parameters mean nothing. Where
//! anything in a field is no String, the field is as good as absent (RFC 9651 §4.2). How many
//! groups are too many is for the caller to say: the limits of §2 and §3 are lower bounds.

use http::{HeaderMap, HeaderName};
use sfv::{List, ListEntry, Parser};

use super::structured;

/// The field by which an answer names its groups.
pub const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
const CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// The groups that an answer belongs to (§2).
pub fn of(answer: &HeaderMap) -> Vec<String> {
    groups(answer, &CACHE_GROUPS)
}

/// The groups that an answer to an unsafe method invalidates (§3).
pub fn invalidated(answer: &HeaderMap) -> Vec<String> {
    groups(answer, &CACHE_GROUP_INVALIDATION)
}

fn groups(fields: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let value = structured::value(fields, name);
    let members = value.and_then(|value| Parser::new(&*value).parse::<List>().ok());
    let groups: Option<Vec<String>> = members.unwrap_or_default().iter().map(string).collect();
    groups.unwrap_or_default()
}

fn string(member: &ListEntry) -> Option<String> {
    match member {
        ListEntry::Item(item) => Some(item.bare_item.as_string()?.as_str().to_owned()),
        ListEntry::InnerList(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_strings_is_read_and_nothing_else() {
        let table: &[(&[&str], &[&str], &str)] = &[
            (&[], &[], "absent"),
            (&[""], &[], "empty"),
            (&["\"scripts\""], &["scripts"], "§2"),
            (&["\"a\", \"B\" , \"\""], &["a", "B", ""], "§2.1: case counts"),
            (
                &["\"a\"", "\"b\", \"c\""],
                &["a", "b", "c"],
                "RFC 9651 §4.2: several lines",
            ),
            (&["\"a, b\""], &["a, b"], "a comma within"),
            (&["\"a\\\"b\\\\\""], &["a\"b\\"], "escapes"),
            (&["\"a\";x=1;y, \"b\""], &["a", "b"], "§2: parameters"),
            (&["a"], &[], "a Token"),
            (&["\"a\", b"], &[], "a Token among Strings"),
            (&["\"a\", 1"], &[], "an Integer among Strings"),
            (&["(\"a\" \"b\")"], &[], "an Inner List"),
            (&["\"a\","], &[], "trailing comma"),
            (&["\"a\"", "b"], &[], "one bad line of two"),
            (&["\"a"], &[], "unclosed"),
            (&["'a'"], &[], "single quotes"),
        ];
        for (lines, expected, why) in table {
            for (name, read) in [
                (CACHE_GROUPS, of as fn(&HeaderMap) -> Vec<String>),
                (CACHE_GROUP_INVALIDATION, invalidated),
            ] {
                let mut fields = HeaderMap::new();
                for line in *lines {
                    fields.append(&name, line.parse().unwrap());
                }
                assert_eq!(read(&fields), *expected, "{lines:?}: {why}");
            }
        }
    }

    #[test]
    fn the_two_fields_are_told_apart() {
        let mut fields = HeaderMap::new();
        fields.insert(CACHE_GROUPS, "\"a\"".parse().unwrap());
        assert_eq!((of(&fields).len(), invalidated(&fields).len()), (1, 0));
    }

    #[test]
    fn thirty_two_groups_of_thirty_two_characters_and_more_are_read() {
        for (count, length) in [(32, 32), (500, 100)] {
            let member = format!("\"{}\"", "x".repeat(length));
            let mut fields = HeaderMap::new();
            fields.insert(CACHE_GROUPS, vec![member; count].join(", ").parse().unwrap());
            let read = of(&fields);
            assert_eq!(read.len(), count, "§2");
            assert!(read.iter().all(|group| group.len() == length), "§2");
        }
    }
}
