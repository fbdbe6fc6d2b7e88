//! Content codings and `Accept-Encoding` (RFC 9110 §8.4.1, §12.5.3).

use http::{HeaderMap, HeaderValue, header};

use super::list;
use super::weighted::Preference;

/// A content coding that Larder can make and undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// Brotli, RFC 7932.
    Br,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Coding {
    /// Every coding.
    pub const ALL: [Coding; 3] = [Coding::Gzip, Coding::Br, Coding::Zstd];

    /// Its registered name.
    pub const fn word(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Br => "br",
            Coding::Zstd => "zstd",
        }
    }

    /// Its name as the value of `Content-Encoding`.
    pub const fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.word())
    }

    /// The coding of this name, in any case; `x-gzip` is `gzip` (§8.4.1.3).
    pub fn of_word(word: &[u8]) -> Option<Coding> {
        if word.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Coding::Gzip);
        }
        let mut all = Coding::ALL.into_iter();
        all.find(|coding| word.eq_ignore_ascii_case(coding.word().as_bytes()))
    }
}

/// How an answer's content is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coded {
    /// It is not.
    Identity,
    /// In one coding that Larder can undo.
    By(Coding),
    /// In a coding that is not known here, or in several.
    Otherwise,
}

/// What `Content-Encoding` says.
pub fn of(fields: &HeaderMap) -> Coded {
    let mut lines = fields.get_all(header::CONTENT_ENCODING).iter();
    let Some(first) = lines.next() else {
        return Coded::Identity;
    };
    let mut members = std::iter::once(first)
        .chain(lines)
        .flat_map(|line| list::members(line.as_bytes()))
        .filter(|member| !member.eq_ignore_ascii_case(b"identity"));
    match (members.next(), members.next()) {
        (None, _) => Coded::Identity,
        (Some(only), None) => Coding::of_word(only).map_or(Coded::Otherwise, Coded::By),
        (Some(_), Some(_)) => Coded::Otherwise,
    }
}

/// What a client says of one coding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Said {
    /// Nothing.
    #[default]
    Unsaid,
    /// Its weight, in thousandths; 0 is "not acceptable".
    Weight(u16),
}

/// What a client accepts. Without `Accept-Encoding`: the identity alone, although the RFC allows more,
/// since clients that do not send the field seldom decode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accepted {
    /// In the order of [`Coding::ALL`].
    codings: [Said; 3],
    identity: Said,
    others: Said,
}

impl Accepted {
    /// What a request's `Accept-Encoding` says.
    pub fn of(request: &HeaderMap) -> Accepted {
        let mut accepted = Accepted::default();
        for line in request.get_all(header::ACCEPT_ENCODING) {
            accepted.add_line(line.as_bytes());
        }
        accepted
    }

    /// Adds what one more line says. Members that are no preference are passed over; of one that is
    /// repeated the first counts.
    pub fn add_line(&mut self, line: &[u8]) {
        for member in list::members(line) {
            let Some(preference) = Preference::parse(member) else {
                continue;
            };
            if let Some(place) = self.place(preference.what)
                && *place == Said::Unsaid
            {
                *place = Said::Weight(preference.weight);
            }
        }
    }

    fn place(&mut self, what: &[u8]) -> Option<&mut Said> {
        if let Some(coding) = Coding::of_word(what) {
            self.codings.get_mut(coding as usize)
        } else if what.eq_ignore_ascii_case(b"identity") {
            Some(&mut self.identity)
        } else if what == b"*" {
            Some(&mut self.others)
        } else {
            None
        }
    }

    /// How much a coding is wanted, in thousandths; 0 where it is not acceptable.
    pub fn weight(&self, coding: Coding) -> u16 {
        let said = self.codings.get(coding as usize).copied().unwrap_or(Said::Unsaid);
        match (said, self.others) {
            (Said::Weight(weight), _) | (Said::Unsaid, Said::Weight(weight)) => weight,
            (Said::Unsaid, Said::Unsaid) => 0,
        }
    }

    /// How much content without coding is wanted, in thousandths: `None` where nothing is said of it,
    /// and it is acceptable after everything that is named.
    pub fn identity(&self) -> Option<u16> {
        match (self.identity, self.others) {
            (Said::Weight(weight), _) => Some(weight),
            (Said::Unsaid, Said::Weight(0)) => Some(0),
            (Said::Unsaid, Said::Weight(_) | Said::Unsaid) => None,
        }
    }

    /// Whether content without coding is refused: `identity;q=0`, or `*;q=0` and no `identity`.
    pub fn refuses_identity(&self) -> bool {
        self.identity() == Some(0)
    }

    /// The coding to send, of those to be had, in the server's order of preference; `None` stands for
    /// none. The weightiest wins, of equals the first; a coding is preferred to the identity unless
    /// that has more weight.
    pub fn choose(&self, offered: impl IntoIterator<Item = Coding>) -> Option<Coding> {
        let mut best: Option<(u16, Coding)> = None;
        for coding in offered {
            let weight = self.weight(coding);
            if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, coding));
            }
        }
        let identity = self.identity().unwrap_or(0);
        best.filter(|(weight, _)| *weight >= identity)
            .map(|(_, coding)| coding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFERENCE: [Coding; 3] = [Coding::Zstd, Coding::Br, Coding::Gzip];

    fn request(lines: &[&str]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append(header::ACCEPT_ENCODING, line.parse().unwrap());
        }
        fields
    }

    #[test]
    fn the_weightiest_coding_is_chosen_and_of_equals_the_server_s_first() {
        use Coding::{Br, Gzip, Zstd};
        let table: &[(&[&str], Option<Coding>, bool)] = &[
            (&[], None, false),
            (&[""], None, false),
            (&["gzip"], Some(Gzip), false),
            (&["GZIP"], Some(Gzip), false),
            (&["x-gzip"], Some(Gzip), false),
            (&["gzip, deflate, br, zstd"], Some(Zstd), false),
            (&["gzip, deflate, br"], Some(Br), false),
            (&["gzip", "br"], Some(Br), false),
            (&["gzip;q=1.0, br;q=0.9"], Some(Gzip), false),
            (&["gzip;q=0.1"], Some(Gzip), false),
            (&["gzip;q=0"], None, false),
            (&["gzip;q=0.5, identity"], None, false),
            (&["gzip;q=0.5, identity;q=0.5"], Some(Gzip), false),
            (&["identity"], None, false),
            (&["identity;q=0"], None, true),
            (&["identity;q=0, gzip"], Some(Gzip), true),
            (&["*"], Some(Zstd), false),
            (&["*;q=0"], None, true),
            (&["*;q=0, identity"], None, false),
            (&["*;q=0, br"], Some(Br), true),
            (&["zstd;q=0, *"], Some(Br), false),
            (&["gzip, *;q=0.1"], Some(Gzip), false),
            (&["deflate, compress, foo"], None, false),
            (&["gzip;q=2"], None, false),
            (&["gzip;level=1, br"], Some(Br), false),
            (&["gzip;q=0, gzip"], None, false),
            (&[";;,,q=x"], None, false),
        ];
        for (lines, coding, refuses) in table {
            let accepted = Accepted::of(&request(lines));
            assert_eq!(accepted.choose(PREFERENCE), *coding, "{lines:?}");
            assert_eq!(accepted.refuses_identity(), *refuses, "{lines:?}");
        }
    }

    #[test]
    fn content_is_coded_by_what_is_named_beside_identity() {
        let table: &[(&[&str], Coded)] = &[
            (&[], Coded::Identity),
            (&["identity"], Coded::Identity),
            (&["gzip"], Coded::By(Coding::Gzip)),
            (&["X-GZip"], Coded::By(Coding::Gzip)),
            (&["identity, br"], Coded::By(Coding::Br)),
            (&["zstd"], Coded::By(Coding::Zstd)),
            (&["gzip, br"], Coded::Otherwise),
            (&["gzip", "gzip"], Coded::Otherwise),
            (&["deflate"], Coded::Otherwise),
        ];
        for (lines, expected) in table {
            let mut fields = HeaderMap::new();
            for line in *lines {
                fields.append(header::CONTENT_ENCODING, line.parse().unwrap());
            }
            assert_eq!(of(&fields), *expected, "{lines:?}");
        }
    }
}
