//! Numbers as decimal digits at the end of a text, without the formatting machinery, which costs
//! more than the rest of a log line. Pure.

use std::time::Duration;

/// Appends `number`.
pub(super) fn push_number(text: &mut String, number: u64) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.push(digit(number));
}

/// Appends `duration` in milliseconds, rounded to the microsecond: `0.25`, `3.0`.
pub(super) fn push_millis(text: &mut String, duration: Duration) {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let micros = nanos / 1_000 + u64::from(nanos % 1_000 >= 500);
    push_number(text, micros / 1_000);
    let fraction = micros % 1_000;
    text.push('.');
    text.push(digit(fraction / 100));
    if fraction % 100 != 0 {
        text.push(digit(fraction / 10));
    }
    if fraction % 10 != 0 {
        text.push(digit(fraction));
    }
}

/// The last digit of `number`.
fn digit(number: u64) -> char {
    char::from(last_digit(number))
}

/// The last digit of `number`, as ASCII.
pub(super) fn last_digit(number: u64) -> u8 {
    // Below ten, whatever the number.
    b'0' + (number % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_everyone_writes_them() {
        for number in [0, 7, 10, 99, 100, 1_024, 65_535, u64::MAX] {
            let mut text = String::from("x");
            push_number(&mut text, number);
            assert_eq!(text, format!("x{number}"));
        }
    }

    #[test]
    fn milliseconds_have_one_to_three_decimals() {
        let rows = [
            (0, "0.0"),
            (499, "0.0"),
            (500, "0.001"),
            (50_000, "0.05"),
            (100_000, "0.1"),
            (101_000, "0.101"),
            (110_000, "0.11"),
            (1_234_499, "1.234"),
            (1_999_500, "2.0"),
            (86_400_000_000_000, "86400000.0"),
        ];
        for (nanos, written) in rows {
            let mut text = String::new();
            push_millis(&mut text, Duration::from_nanos(nanos));
            assert_eq!(text, written, "{nanos}");
        }
        let mut text = String::new();
        push_millis(&mut text, Duration::MAX);
        assert_eq!(text, "18446744073709.552");
    }
}
