//! Weighted lists of what a client prefers: `Accept-Language`, `Accept-Encoding`, `Accept-Charset`
//! (RFC 9110 §12.4.2, §12.5). What they mean does not depend on order, case or spacing.

use std::cmp::Ordering;

use http::{HeaderMap, HeaderName, header};

use super::list;

/// Most members that are read; a longer list is compared as written.
const MOST: usize = 24;

/// What a canonical form begins with.
const MARK: u8 = 0;

/// One member: what is preferred, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preference<'a> {
    /// A language range, coding or charset, in any case.
    pub what: &'a [u8],
    /// In thousandths; 0 is "not acceptable".
    pub weight: u16,
}

impl<'a> Preference<'a> {
    /// Reads `what` or `what;q=0.5`; anything else is `None`.
    pub fn parse(member: &'a [u8]) -> Option<Preference<'a>> {
        let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let what = parts.next().filter(|what| list::is_token(what))?;
        let weight = match parts.next() {
            None => 1000,
            Some(parameter) => weight(parameter)?,
        };
        parts.next().is_none().then_some(Preference { what, weight })
    }

    fn order(&self, other: &Preference<'_>) -> Ordering {
        let folded = |text: &'a [u8]| text.iter().map(u8::to_ascii_lowercase);
        let others = other.what.iter().map(u8::to_ascii_lowercase);
        folded(self.what).cmp(others).then(self.weight.cmp(&other.weight))
    }
}

/// `q=0.5` in thousandths: at most three digits after the point (§12.4.2).
fn weight(parameter: &[u8]) -> Option<u16> {
    let value = parameter
        .strip_prefix(b"q=")
        .or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, fraction) = match value.split_first()? {
        (b'0', rest) => (0, rest),
        (b'1', rest) => (1000, rest),
        _ => return None,
    };
    let digits = match fraction.split_first() {
        None => &[][..],
        Some((b'.', digits)) => digits,
        Some(_) => return None,
    };
    if digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let padded = digits.iter().chain(b"000").take(3);
    let thousandths = padded.fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    Some(whole + thousandths).filter(|weight| *weight <= 1000)
}

/// A request's preferences, sorted, without what adds nothing. Held on the stack: a hit reads them.
#[derive(Debug, Clone, Copy)]
pub struct Preferences<'a> {
    members: [Preference<'a>; MOST],
    count: usize,
}

impl<'a> Preferences<'a> {
    /// The preferences in a field; `None` where it has none of its own, or a member that is no
    /// preference.
    pub fn of(request: &'a HeaderMap, name: &HeaderName) -> Option<Preferences<'a>> {
        let mut read = Preferences {
            members: [Preference { what: b"", weight: 0 }; MOST],
            count: 0,
        };
        let lines = request.get_all(name).iter();
        for member in lines.flat_map(|line| list::members(line.as_bytes())) {
            *read.members.get_mut(read.count)? = Preference::parse(member)?;
            read.count += 1;
        }
        if *name == header::ACCEPT_ENCODING {
            read.reduce_codings();
        }
        read.sort();
        (read.count > 0).then_some(read)
    }

    /// The members, in order of what they name.
    pub fn members(&self) -> &[Preference<'a>] {
        self.members.get(..self.count).unwrap_or_default()
    }

    /// The one that is preferred to all others; `None` where several are, or all are refused.
    pub fn first_choice(&self) -> Option<&'a [u8]> {
        let most = self.members().iter().map(|member| member.weight).max()?;
        let mut first = self.members().iter().filter(|member| member.weight == most);
        let only = first.next().filter(|_| most > 0)?;
        first.next().is_none().then_some(only.what)
    }

    /// A coding that is not named is refused, unless `*` says otherwise (§12.5.3): naming it to
    /// refuse it adds nothing, but for `identity`, which is allowed unless refused. Old names count
    /// as the new ones (§8.4.1).
    fn reduce_codings(&mut self) {
        let star = self.members().iter().any(|member| member.what == b"*");
        let mut kept = 0;
        for at in 0..self.count {
            let Some(mut member) = self.members.get(at).copied() else {
                continue;
            };
            let identity = member.what.eq_ignore_ascii_case(b"identity");
            if member.weight == 0 && !star && !identity {
                continue;
            }
            if member.what.eq_ignore_ascii_case(b"x-gzip") || member.what.eq_ignore_ascii_case(b"x-compress")
            {
                member.what = member.what.get(2..).unwrap_or(member.what);
            }
            if let Some(place) = self.members.get_mut(kept) {
                *place = member;
                kept += 1;
            }
        }
        self.count = kept;
    }

    fn sort(&mut self) {
        let count = self.count;
        if let Some(members) = self.members.get_mut(..count) {
            members.sort_unstable_by(Preference::order);
        }
    }

    /// One form for all that mean the same: `de;500,en;1000` after a mark that no field value can
    /// have, so that nothing written by a client reads as one.
    pub fn canonical(&self) -> Box<[u8]> {
        let mut form = vec![MARK];
        for (at, member) in self.members().iter().enumerate() {
            if at > 0 {
                form.push(b',');
            }
            form.extend(member.what.iter().map(u8::to_ascii_lowercase));
            form.push(b';');
            form.extend_from_slice(member.weight.to_string().as_bytes());
        }
        form.into_boxed_slice()
    }

    /// Whether their canonical form is this one. Allocates nothing.
    pub fn is_canonically(&self, form: &[u8]) -> bool {
        let Some(form) = form.strip_prefix(&[MARK]) else {
            return false;
        };
        let mut written = form.split(|byte| *byte == b',');
        let same = self.members().iter().all(|member| {
            written.next().is_some_and(|text| {
                let mut parts = text.split(|byte| *byte == b';');
                parts
                    .next()
                    .is_some_and(|what| what.eq_ignore_ascii_case(member.what))
                    && parts
                        .next()
                        .is_some_and(|weight| weight == itoa::Buffer::new().format(member.weight).as_bytes())
            })
        });
        same && written.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(fields: &'a mut HeaderMap, name: &HeaderName, value: &str) -> Option<Preferences<'a>> {
        fields.insert(name, value.parse().unwrap());
        Preferences::of(fields, name)
    }

    #[test]
    fn what_means_the_same_has_one_form() {
        let (language, coding) = (header::ACCEPT_LANGUAGE, header::ACCEPT_ENCODING);
        let table = [
            (&language, "en", Some("en;1000")),
            (&language, "de, en", Some("de;1000,en;1000")),
            (&language, "en,de", Some("de;1000,en;1000")), // §12.5.4: order says nothing for sure
            (&language, "EN ;q=0.5 ,de; Q=1.0", Some("de;1000,en;500")),
            (&language, "en;q=0.50, de;q=0.125", Some("de;125,en;500")),
            (&language, "en;q=0", Some("en;0")),
            (&language, "en;q=1.1", None),
            (&language, "en;q=0.1234", None),
            (&language, "en;q=.5", None),
            (&language, "en;level=1", None),
            (&language, "en;q=0.5;x=1", None),
            (&language, "e n", None),
            (&language, "", None),
            (&coding, "gzip, br", Some("br;1000,gzip;1000")),
            (&coding, "x-gzip", Some("gzip;1000")),       // §8.4.1.3
            (&coding, "gzip, br;q=0", Some("gzip;1000")), // §12.5.3: as good as not named
            (&coding, "gzip, br;q=0, *;q=0.1", Some("*;100,br;0,gzip;1000")),
            (&coding, "gzip, identity;q=0", Some("gzip;1000,identity;0")),
            (&coding, "br;q=0", None),
        ];
        for (name, value, expected) in table {
            let mut fields = HeaderMap::new();
            let found = read(&mut fields, name, value);
            let expected = expected.map(|form| format!("\0{form}"));
            let form = found.map(|found| found.canonical());
            let expected_form = expected.as_deref().map(str::as_bytes);
            assert_eq!(form.as_deref(), expected_form, "{name}: {value}");
            if let (Some(found), Some(expected)) = (found, expected) {
                assert!(found.is_canonically(expected.as_bytes()), "{name}: {value}");
                assert!(!found.is_canonically(b"de;1,en;2"), "{name}: {value}");
                assert!(!found.is_canonically(format!("{expected},zz;1").as_bytes()));
            }
        }
    }

    #[test]
    fn the_first_choice_is_one() {
        let table = [
            ("de", Some("de")),
            ("fr;q=0.5, de;q=1.0", Some("de")),
            ("fr;q=0.5, de;q=0.4", Some("fr")),
            ("de, en", None),
            ("de;q=0", None),
        ];
        for (value, expected) in table {
            let mut fields = HeaderMap::new();
            let found = read(&mut fields, &header::ACCEPT_LANGUAGE, value).unwrap();
            assert_eq!(found.first_choice(), expected.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn a_list_too_long_to_read_is_none() {
        let long: Vec<String> = (0..MOST + 1).map(|n| format!("l{n}")).collect();
        let mut fields = HeaderMap::new();
        assert!(read(&mut fields, &header::ACCEPT_LANGUAGE, &long.join(",")).is_none());
    }
}
