//! HTTP dates as seconds since 1970 (RFC 9110 §5.6.7), by counting days.

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
pub const DAYS: [&str; 7] = [
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
];
const DAY: i64 = 86_400;

/// Reads one of the three forms. `now` settles the century of two-digit years. RFC 9111 §4.2: case
/// does not count, and a zone other than GMT is invalid.
pub fn read(text: &str, now: i64) -> Option<i64> {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(' ').collect();
    // Sun, 06 Nov 1994 08:49:37 GMT
    if let [day_name, day, month, year, time, "gmt"] = words[..] {
        is_day(day_name.strip_suffix(',')?, 3)?;
        return at(number(year, 4)?, month_of(month)?, number(day, 2)?, time);
    }
    // Sunday, 06-Nov-94 08:49:37 GMT
    if let [day_name, date, time, "gmt"] = words[..] {
        is_day(day_name.strip_suffix(',')?, 9)?;
        let parts: Vec<&str> = date.split('-').collect();
        let [day, month, year] = parts[..] else {
            return None;
        };
        return in_century(number(year, 2)?, month_of(month)?, number(day, 2)?, time, now);
    }
    // Sun Nov  6 08:49:37 1994
    let (day_name, month, day, time, year) = match words[..] {
        [day_name, month, "", day, time, year] => (day_name, month, number(day, 1)?, time, year),
        [day_name, month, day, time, year] => (day_name, month, number(day, 2)?, time, year),
        _ => return None,
    };
    is_day(day_name, 3)?;
    at(number(year, 4)?, month_of(month)?, day, time)
}

/// More than 50 years ahead is the most recent year in the past with the same two digits.
fn in_century(two_digits: i64, month: usize, day: i64, time: &str, now: i64) -> Option<i64> {
    let this_year = civil(now).0;
    let mut year = this_year - this_year % 100 + two_digits;
    if at(year, month, day.min(28), time)? > now + 50 * 365 * DAY + 12 * DAY {
        year -= 100;
    }
    at(year, month, day, time)
}

fn is_day(name: &str, letters: usize) -> Option<()> {
    let known = DAYS.iter().any(|day| name == &day[..letters.min(day.len())]);
    known.then_some(())
}

fn month_of(name: &str) -> Option<usize> {
    MONTHS.iter().position(|month| *month == name)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let readable = text.len() == digits && text.chars().all(|c| c.is_ascii_digit());
    if readable { text.parse().ok() } else { None }
}

fn at(year: i64, month: usize, day: i64, time: &str) -> Option<i64> {
    let parts: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = parts[..] else {
        return None;
    };
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let in_day = hour <= 23 && minute <= 59 && second <= 60;
    let in_month = 1 <= day && day <= month_length(year, month);
    if !in_day || !in_month {
        return None;
    }
    let mut days = day - 1;
    for earlier in 0..month {
        days += month_length(year, earlier);
    }
    for between in 1970..year {
        days += year_length(between);
    }
    for between in year..1970 {
        days -= year_length(between);
    }
    Some(days * DAY + hour * 3600 + minute * 60 + second)
}

fn year_length(year: i64) -> i64 {
    (0..12).map(|month| month_length(year, month)).sum()
}

fn month_length(year: i64, month: usize) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 if leap => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Year, month (from 0), day (from 1), second of the day.
fn civil(seconds: i64) -> (i64, usize, i64, i64) {
    let (mut days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let mut year = 1970;
    while days < 0 {
        year -= 1;
        days += year_length(year);
    }
    while days >= year_length(year) {
        days -= year_length(year);
        year += 1;
    }
    let mut month = 0;
    while days >= month_length(year, month) {
        days -= month_length(year, month);
        month += 1;
    }
    (year, month, days + 1, second)
}

/// The forms that dates are written in.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    Fixed,
    Rfc850,
    Asctime,
}

pub fn write(seconds: i64, form: Form) -> String {
    let (year, month, day, second) = civil(seconds);
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    let weekday = capital(DAYS[seconds.div_euclid(DAY).rem_euclid(7) as usize]);
    let month = capital(MONTHS[month]);
    let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    match form {
        Form::Fixed => format!("{}, {day:02} {month} {year:04} {time} GMT", &weekday[..3]),
        Form::Rfc850 => format!(
            "{weekday}, {day:02}-{month}-{:02} {time} GMT",
            year.rem_euclid(100)
        ),
        Form::Asctime => format!("{} {month} {day:>2} {time} {year:04}", &weekday[..3]),
    }
}
