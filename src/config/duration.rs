//! `250ms 30s 5m 1h 7d`.

use std::time::Duration;

/// The longest duration the language knows: ten years. Longer ones are typing errors.
pub(super) const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Why a text is no duration, and what may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotADuration {
    /// Why.
    pub cause: String,
    /// What to write.
    pub fix: String,
}

/// Reads a duration.
pub(super) fn parse(text: &str) -> Result<Duration, NotADuration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let wrong = |cause: &str, fix: String| NotADuration {
        cause: cause.into(),
        fix,
    };
    let example = || "write a whole number and a unit: 250ms, 30s, 5m, 1h or 7d".to_owned();
    if number.is_empty() {
        return Err(wrong("a duration is a whole number and a unit", example()));
    }
    let Some((_, milliseconds)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(match unit.trim() {
            "" if number.bytes().all(|b| b == b'0') => wrong("the unit is missing", "write 0s".into()),
            "" => wrong(
                "the unit is missing",
                format!("write {number}s for seconds, {number}m for minutes"),
            ),
            other => match meant(other) {
                Some(unit) => wrong("units are ms, s, m, h and d", format!("write {number}{unit}")),
                None => wrong(
                    "units are ms, s, m, h and d, and the number is a whole one",
                    example(),
                ),
            },
        });
    };
    let too_long = || wrong("the longest duration is 3650d", "write a shorter one".into());
    let total = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(*milliseconds));
    total
        .map(Duration::from_millis)
        .filter(|d| *d <= LONGEST)
        .ok_or_else(too_long)
}

/// The unit that a longer or foreign word stands for.
fn meant(word: &str) -> Option<&'static str> {
    Some(match word.to_lowercase().as_str() {
        "ms" | "msec" | "millis" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return None,
    })
}

/// A duration in the language's own words, in its largest exact unit.
pub(super) fn show(duration: Duration) -> String {
    let total = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let exact = UNITS.iter().rev().find(|(_, ms)| total % ms == 0 && total > 0);
    exact.map_or_else(|| "0s".to_owned(), |(unit, ms)| format!("{}{unit}", total / ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text).map(|d| d.as_millis()), Ok(milliseconds), "{text}");
            assert_eq!(show(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn what_was_meant_is_offered() {
        for (text, fix) in [
            ("30", "write 30s for seconds, 30m for minutes"),
            ("5 min", "write 5m"),
            ("1H", "write 1h"),
            ("2hours", "write 2h"),
            (
                "1.5h",
                "write a whole number and a unit: 250ms, 30s, 5m, 1h or 7d",
            ),
            ("-5s", "write a whole number and a unit: 250ms, 30s, 5m, 1h or 7d"),
            ("4000d", "write a shorter one"),
            ("99999999999999999999s", "write a shorter one"),
        ] {
            assert_eq!(parse(text).unwrap_err().fix, fix, "{text}");
        }
    }
}
