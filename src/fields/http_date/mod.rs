//! HTTP dates in their three forms (RFC 9110 §5.6.7): as strict as that clause, but for the case
//! of letters, which caches are told to overlook (RFC 9111 §4.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};

#[cfg(test)]
mod tests;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const LONG_DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// Reads a date. `around` settles the century of the two-digit years of the RFC 850 form: never
/// more than 50 years after it. Whether the name of the day fits the date is not asked.
pub fn parse(text: &[u8], around: SystemTime) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    let civil = match text.as_bytes().get(3)? {
        b',' => imf_fixdate(text),
        b' ' => asctime(text),
        _ => rfc850(text, around),
    }?;
    civil.to_time()
}

/// The date in the field `name`, if there is exactly one line of it and it can be read.
pub fn of(fields: &HeaderMap, name: &HeaderName, around: SystemTime) -> Option<SystemTime> {
    let mut lines = fields.get_all(name).iter();
    let line = lines.next()?;
    match lines.next() {
        None => parse(line.as_bytes(), around),
        Some(_) => None,
    }
}

/// What two-digit years are read around where no clock is at hand: the middle of 2025. It is right
/// for every date from 1976 to 2075.
pub fn without_clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_750_000_000)
}

/// Writes a date in the preferred form; `None` past the year 9999 or before 1970.
pub fn format(time: SystemTime) -> Option<HeaderValue> {
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    if time < UNIX_EPOCH || time > last {
        return None;
    }
    HeaderValue::from_str(&httpdate::fmt_http_date(time)).ok()
}

/// A date as written, before anyone checked that the day exists.
#[derive(Debug, Clone, Copy)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &str) -> Option<Civil> {
    let mut parts = text.split(' ');
    index_of(parts.next()?.strip_suffix(',')?, &DAYS)?;
    let day = digits(parts.next()?, 2)?;
    let month = month(parts.next()?)?;
    let year = digits(parts.next()?, 4)?;
    let second_of_day = time_of_day(parts.next()?)?;
    ends_with_gmt(parts)?;
    Some(Civil {
        year,
        month,
        day,
        second_of_day,
    })
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &str, around: SystemTime) -> Option<Civil> {
    let mut parts = text.split(' ');
    index_of(parts.next()?.strip_suffix(',')?, &LONG_DAYS)?;
    let mut date = parts.next()?.split('-');
    let day = digits(date.next()?, 2)?;
    let month = month(date.next()?)?;
    let year = digits(date.next()?, 2)?;
    if date.next().is_some() {
        return None;
    }
    let second_of_day = time_of_day(parts.next()?)?;
    ends_with_gmt(parts)?;
    let civil = Civil {
        year,
        month,
        day,
        second_of_day,
    };
    civil.in_century(around)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &str) -> Option<Civil> {
    index_of(text.get(..3)?, &DAYS)?;
    let month = month(text.get(4..7)?)?;
    let day = text.get(8..10)?;
    let day = match day.strip_prefix(' ') {
        Some(digit) => digits(digit, 1)?,
        None => digits(day, 2)?,
    };
    let second_of_day = time_of_day(text.get(11..19)?)?;
    let year = digits(text.get(20..)?, 4)?;
    let spaces = [3, 7, 10, 19]
        .iter()
        .all(|at| text.as_bytes().get(*at) == Some(&b' '));
    spaces.then_some(Civil {
        year,
        month,
        day,
        second_of_day,
    })
}

fn ends_with_gmt<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<()> {
    let zone = parts.next()?;
    (zone.eq_ignore_ascii_case("GMT") && parts.next().is_none()).then_some(())
}

fn index_of(name: &str, names: &[&str]) -> Option<usize> {
    names.iter().position(|n| n.eq_ignore_ascii_case(name))
}

fn month(name: &str) -> Option<i64> {
    index_of(name, &MONTHS).and_then(|at| i64::try_from(at + 1).ok())
}

/// Exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let all = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

/// `08:49:37`, up to `23:59:60` for a leap second.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = digits(parts.next()?, 2)?;
    let valid = hour < 24 && minute < 60 && second <= 60 && parts.next().is_none();
    valid.then_some((hour * 60 + minute) * 60 + second)
}

impl Civil {
    /// The two-digit year put into the latest century that is not over 50 years after `around`.
    fn in_century(self, around: SystemTime) -> Option<Civil> {
        let fifty_years = Duration::from_secs(18_263 * 86_400);
        let latest = around.checked_add(fifty_years)?;
        [2100, 2000, 1900]
            .into_iter()
            .map(|century| Civil {
                year: century + self.year,
                ..self
            })
            .find(|civil| civil.to_time().is_some_and(|time| time <= latest))
    }

    fn to_time(self) -> Option<SystemTime> {
        if self.day < 1 || self.day > days_in(self.year, self.month) {
            return None;
        }
        let seconds = self.days_since_epoch() * 86_400 + self.second_of_day;
        let distance = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        }
    }

    /// Days from 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the
    /// leap day is the last of its year.
    fn days_since_epoch(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let month_from_march = (self.month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        year * 365 + leap_days + day_of_year - 719_468
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}
