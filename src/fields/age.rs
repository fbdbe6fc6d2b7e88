//! `Age` (RFC 9111 §5.1): how old the sender thinks an answer is.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use super::delta_seconds::DeltaSeconds;
use super::list;

/// The answer's `Age`: of several members, on whatever lines, the first; one that is no number of
/// seconds is ignored.
pub fn of(fields: &HeaderMap) -> Option<Duration> {
    let lines = fields.get_all(header::AGE).iter();
    let first = lines.flat_map(|line| list::members(line.as_bytes())).next()?;
    DeltaSeconds::parse(first).map(DeltaSeconds::duration)
}

/// The field value for an age, in whole seconds, rounded down, at most 2^31.
pub fn value(age: Duration) -> HeaderValue {
    let seconds = age.as_secs().min(DeltaSeconds::MAX.duration().as_secs());
    // Digits are always a field value; the conversion from a number would allocate twice.
    let mut digits = itoa::Buffer::new();
    HeaderValue::from_str(digits.format(seconds)).unwrap_or(HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_member_counts_and_only_digits_do() {
        let table: &[(&[&str], Option<u64>)] = &[
            (&[], None),
            (&["0"], Some(0)),
            (&["60"], Some(60)),
            (&["7200, 0"], Some(7200)),
            (&["0,7200"], Some(0)),
            (&["7200", "0"], Some(7200)),
            (&["0", "7200"], Some(0)),
            (&["", "60"], Some(60)),
            (&[", 60"], Some(60)),
            (&["0060"], Some(60)),
            (&["99999999999"], Some(1 << 31)),
            (&["-1"], None),
            (&["-7200"], None),
            (&["1.5"], None),
            (&["7200.0"], None),
            (&["\"60\""], None),
            (&["abc"], None),
            (&["x, 60"], None),
            (&[""], None),
            (&["60;x=1"], None),
        ];
        for (lines, expected) in table {
            let mut fields = HeaderMap::new();
            for line in *lines {
                fields.append(header::AGE, line.parse().unwrap());
            }
            assert_eq!(of(&fields).map(|a| a.as_secs()), *expected, "{lines:?}");
        }
    }

    #[test]
    fn an_age_is_written_in_whole_seconds() {
        for (age, text) in [(0, "0"), (1_999, "1"), (u64::MAX, "2147483648")] {
            assert_eq!(value(Duration::from_millis(age)), text);
        }
    }
}
