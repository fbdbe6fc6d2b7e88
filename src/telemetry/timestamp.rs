//! RFC 3339 timestamps in UTC, with milliseconds. Pure.

use std::time::{SystemTime, UNIX_EPOCH};

use super::decimal::last_digit;

/// `2026-03-01T12:00:00.000Z`; a time before 1970 is written as 1970 began.
pub fn rfc3339(time: SystemTime) -> String {
    let mut text = String::new();
    push_rfc3339(&mut text, time);
    text
}

/// Appends what [`rfc3339`] writes.
pub(super) fn push_rfc3339(text: &mut String, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let millis = u64::from(since.subsec_millis());
    let d = last_digit;
    // Digit by digit: formatting costs ten times as much, and every log line has a time.
    let written = [
        d(year / 1_000),
        d(year / 100),
        d(year / 10),
        d(year),
        b'-',
        d(month / 10),
        d(month),
        b'-',
        d(day / 10),
        d(day),
        b'T',
        d(hour / 10),
        d(hour),
        b':',
        d(minute / 10),
        d(minute),
        b':',
        d(second / 10),
        d(second),
        b'.',
        d(millis / 100),
        d(millis / 10),
        d(millis),
        b'Z',
    ];
    // ASCII, so the error cannot occur.
    text.push_str(std::str::from_utf8(&written).unwrap_or_default());
}

/// Year, month and day of the day that is `days` after 1 January 1970.
///
/// Years are counted from March, so that the leap day is the last of its year and the lengths of
/// the months before it follow one line, (153 m + 2) / 5.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_FROM_MARCH_OF_YEAR_0_TO_1970: u64 = 719_468;
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days + DAYS_FROM_MARCH_OF_YEAR_0_TO_1970;
    let (era, of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn known_moments_are_written_as_everyone_else_writes_them() {
        let rows = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (millis, written) in rows {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(millis)), written);
        }
    }

    #[test]
    fn every_day_of_four_centuries_agrees_with_the_http_date() {
        for day in 0..146_097_u64 {
            let time = UNIX_EPOCH + Duration::from_secs(day * 86_400);
            let http = httpdate::fmt_http_date(time);
            let ours = rfc3339(time);
            assert_eq!(http[12..16], ours[..4], "{http} {ours}");
            assert_eq!(http[5..7], ours[8..10], "{http} {ours}");
        }
    }
}
