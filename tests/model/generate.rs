//! Random exchanges and requests after them: few names and boundary numbers, so that things
//! collide, and spellings as they are found in the wild.

use crate::dates::{self, Form};
use crate::rfc::{Event, Exchange, Question};
use crate::rng::Rng;
use crate::syntax::Lines;

/// When the answers are received: 2023-11-14 22:13:20.
pub const RECEIVED: i64 = 1_700_000_000;

pub struct Generator(Rng);

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "5",
    "9",
    "10",
    "11",
    "60",
    "61",
    "99",
    "100",
    "3600",
    "86400",
    "007",
    "2147483647",
    "2147483648",
    "2147483649",
    "4294967297",
    "99999999999999999999",
];
const BROKEN_NUMBERS: &[&str] = &[
    "", "-1", "1.0", "+5", "'60'", "10s", "0x10", "1e3", "six", "10;x=1", " 10", "10 10", "\"10", "60\"",
];
/// Seconds between two moments: most often small, sometimes a boundary.
const SPANS: &[i64] = &[
    0,
    0,
    1,
    1,
    2,
    5,
    9,
    10,
    11,
    12,
    20,
    21,
    59,
    60,
    61,
    70,
    99,
    100,
    101,
    110,
    160,
    3600,
    3610,
    86_400,
    864_000,
    864_010,
    1_000_000,
    2_147_483_647,
    2_147_483_648,
    2_147_483_649,
];
const STATUSES: &[u16] = &[
    103, 203, 204, 206, 299, 300, 301, 302, 303, 304, 307, 308, 400, 403, 404, 405, 410, 412, 414, 416, 418,
    428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 511, 599,
];
const NUMBERED: &[&str] = &[
    "max-age",
    "max-age",
    "s-maxage",
    "stale-while-revalidate",
    "stale-if-error",
];
const PLAIN: &[&str] = &[
    "public",
    "public",
    "no-cache",
    "no-store",
    "private",
    "must-revalidate",
    "proxy-revalidate",
    "must-understand",
    "immutable",
    "no-transform",
    "foo",
    "no-storex",
    "maxage=60",
];
const ODD: &[&str] = &[
    "private=\"set-cookie\"",
    "private=\"x-a, Vary\"",
    "no-cache=\"expires\"",
    "private=set-cookie",
    "no-cache=\"x-a\"",
    "no-cache=\"x-a, etag\"",
    "private=\"\"",
    "no-cache=\"a b\"",
    "public=1",
    "no-store=1",
    "must-revalidate=\"x\"",
    "max-age",
    "s-maxage",
    "no-store =1",
    "max-age =60",
    "max-age= 60",
    "foo=\"max-age=60\"",
    "foo=\"a, no-store\"",
    "foo=\"a, no-store",
    "foo=\"a\\\"b, no-store\"",
    "\"no-store\"",
    "no-store;x",
    "=",
    "must-understand=1",
    "private, public",
    "no-cache=\"x-a\", no-cache",
    "foo=\"a, max-age=5, bar=\"b\"",
];
const TAGS: &[&str] = &[
    "\"a\"", "\"b\"", "W/\"a\"", "W/\"b\"", "\"\"", "\"a,b\"", "\"a\\\"",
];
const BROKEN_TAGS: &[&str] = &[
    "a", "w/\"a\"", "\"a", "\"a b\"", "\"a\"b\"", "W/ \"a\"", "'a'", "",
];
const SELECTING: &[&str] = &["x-a", "x-b", "Accept-Language", "Accept-Encoding", "cookie"];
const VALUES: &[&str] = &[
    "1", "2", "1, 2", "1,2", "2, 1", "\"1, 2\"", "\"1,2\"", "", ",1", "1,,2", "1 2", "A", "a",
];
const LANGUAGES: &[&str] = &[
    "en",
    "EN",
    "de",
    "en, de",
    "de,en",
    "en;q=0.5, de",
    "de;q=1, en;Q=0.50",
    "de;q=1.000,en;q=0.5",
    "en;q=0.5,de;q=2",
    "en; q=.5",
    "en;q=0.1234",
    "",
    "*",
];
const CODINGS: &[&str] = &["gzip", "GZIP", "br", "gzip, br", "br,gzip", "gzip;q=1.0", ""];

impl Generator {
    pub fn seeded(seed: u64) -> Generator {
        Generator(Rng::seeded(seed))
    }

    pub fn exchange(&mut self) -> Exchange {
        let received = RECEIVED;
        let mut request = self.selecting();
        self.maybe(5, &mut request, |g| {
            g.line(
                "Cache-Control",
                &["no-store", "max-age=0", "No-Store", "no-store=1"],
            )
        });
        self.credentials(&mut request);
        let sent = received - self.pick(&[0, 0, 0, 0, 1, 2, 10]);
        let answer = self.answer(received);
        Exchange {
            method: self.method(),
            request,
            status: if self.chance(70) { 200 } else { self.pick(STATUSES) },
            answer,
            sent,
            received,
        }
    }

    fn method(&mut self) -> String {
        let odd = ["HEAD", "POST", "PUT", "OPTIONS", "PROPFIND"];
        if self.chance(4) {
            self.pick(&odd).to_owned()
        } else {
            "GET".to_owned()
        }
    }

    /// A later request, much like the one before.
    pub fn question(&mut self, exchange: &Exchange) -> Question {
        let mut request = if self.chance(70) {
            self.alike(&exchange.request)
        } else {
            self.selecting()
        };
        request.retain(|(name, _)| {
            !["authorization", "cookie"].contains(&name.to_lowercase().as_str()) || self.chance(50)
        });
        self.credentials(&mut request);
        self.conditions(&mut request, exchange);
        let event = match self.0.below(20) {
            0 => Event::MadeStale,
            1 => Event::Invalidated,
            2 => Event::Forgotten,
            _ => Event::Nothing,
        };
        Question {
            request,
            now: exchange.received + self.pick(SPANS) + self.pick(&[0, 0, 0, 1, -1]).max(0),
            event,
            length: self.pick(&[0, 1, 2, 10, 79, 80, 81, 99, 100, 200, 400, 700]),
        }
    }

    fn answer(&mut self, received: i64) -> Lines {
        let mut answer = Lines::new();
        for _ in 0..self.pick(&[0, 1, 1, 1, 1, 2, 3]) {
            let value = self.cache_control();
            answer.push((self.cased("Cache-Control"), value));
        }
        if self.chance(85) {
            let skew = self.pick(&[
                0, 0, 0, 0, 0, 1, -1, 10, -10, 60, -60, 3600, -3600, 86_400, -1_000_000,
            ]);
            self.date_line(&mut answer, "Date", received - skew);
        }
        self.maybe_date(
            30,
            &mut answer,
            "Expires",
            received,
            &[0, 1, 9, 10, 11, 60, 100, 3600, -1, -60, 4_000_000_000],
        );
        self.maybe_date(
            50,
            &mut answer,
            "Last-Modified",
            received,
            &[
                0,
                -1,
                -10,
                -99,
                -100,
                -101,
                -600,
                -1000,
                -8_640_000,
                -8_640_010,
                -300_000_000,
                10,
            ],
        );
        if self.chance(25) {
            let value = self.age();
            answer.push((self.cased("Age"), value));
            self.maybe(15, &mut answer, |g| ("age".to_owned(), g.age()));
        }
        if self.chance(50) {
            let value = self.tag();
            answer.push((self.cased("ETag"), value));
            self.maybe(5, &mut answer, |g| ("etag".to_owned(), g.tag()));
        }
        while self.chance(30) {
            let value = self.vary();
            answer.push((self.cased("Vary"), value));
        }
        self.maybe(4, &mut answer, |_| ("Set-Cookie".to_owned(), "a=1".to_owned()));
        self.maybe(4, &mut answer, |g| {
            g.line("Content-Encoding", &["gzip", "identity", "br"])
        });
        self.maybe(5, &mut answer, |g| {
            g.line("Content-Type", &["text/html", "Text/Event-Stream; x=y"])
        });
        self.maybe(5, &mut answer, |g| g.line("X-A", VALUES));
        self.shuffled(answer)
    }

    fn cache_control(&mut self) -> String {
        let mut text = String::new();
        for at in 0..self.pick(&[1, 1, 2, 2, 3, 4]) {
            if at > 0 {
                text += self.pick(&[",", ", ", " , ", ",,", ",\t"]);
            }
            text += &self.directive();
        }
        text
    }

    fn directive(&mut self) -> String {
        let text = match self.0.below(10) {
            0..5 => {
                let name = self.pick(NUMBERED);
                let number = self.number();
                if self.chance(8) {
                    format!("{name}=\"{number}\"")
                } else {
                    format!("{name}={number}")
                }
            }
            5..9 => self.pick(PLAIN).to_owned(),
            _ => self.pick(ODD).to_owned(),
        };
        self.cased(&text)
    }

    fn number(&mut self) -> String {
        let numbers = if self.chance(92) { NUMBERS } else { BROKEN_NUMBERS };
        // Small ones most of all.
        if self.chance(60) {
            self.pick(&NUMBERS[..11]).to_owned()
        } else {
            self.pick(numbers).to_owned()
        }
    }

    fn age(&mut self) -> String {
        let first = self.number();
        match self.0.below(8) {
            0 => format!("{first}, {}", self.number()),
            1 => format!(",{first}"),
            2 => String::new(),
            _ => first,
        }
    }

    fn vary(&mut self) -> String {
        let mut names = Vec::new();
        for _ in 0..self.pick(&[1, 1, 2, 3]) {
            let name = match self.0.below(25) {
                0 => self.pick(&["*", "", "x a", "x-a;b", "\"x-a\""]),
                _ => self.pick(SELECTING),
            };
            names.push(self.cased(name));
        }
        names.join(self.pick(&[",", ", ", " ,", ",,"]))
    }

    /// Request fields that `Vary` may name.
    fn selecting(&mut self) -> Lines {
        let mut lines = Lines::new();
        for name in SELECTING {
            let values = match *name {
                "Accept-Language" => LANGUAGES,
                "Accept-Encoding" => CODINGS,
                "cookie" => continue,
                _ => VALUES,
            };
            self.maybe(50, &mut lines, |g| g.line(name, values));
            self.maybe(8, &mut lines, |g| g.line(name, values));
        }
        lines
    }

    fn credentials(&mut self, request: &mut Lines) {
        self.maybe(8, request, |g| g.line("Authorization", &["Basic YQ=="]));
        self.maybe(8, request, |g| g.line("Cookie", &["a=1", "a=2"]));
    }

    /// The same lines spread and spaced in another way, one of them perhaps changed.
    fn alike(&mut self, lines: &Lines) -> Lines {
        let mut alike = Lines::new();
        for (name, value) in lines {
            let splits = self.chance(30) && !value.contains(['"', ';']) && value.contains(',');
            if let (true, Some((one, other))) = (splits, value.split_once(',')) {
                alike.push((self.cased(name), one.to_owned()));
                alike.push((self.cased(name), other.to_owned()));
            } else {
                let spaced = self.pick(&[",", ", ", " ,\t", ",,"]);
                let value = if self.chance(30) {
                    value.replace(',', spaced)
                } else {
                    value.clone()
                };
                alike.push((self.cased(name), value));
            }
        }
        if self.chance(15) && !alike.is_empty() {
            let at = self.0.below(alike.len() as u64) as usize;
            match self.0.below(2) {
                0 => drop(alike.remove(at)),
                _ => alike[at].1 = self.pick(VALUES).to_owned(),
            }
        }
        alike
    }

    fn conditions(&mut self, request: &mut Lines, exchange: &Exchange) {
        if self.chance(20) {
            let mut tags: Vec<String> = Vec::new();
            for _ in 0..self.pick(&[1, 1, 2, 3]) {
                tags.push(self.tag());
            }
            let star = self.chance(8);
            let value = if star {
                "*".to_owned()
            } else {
                tags.join(self.pick(&[",", ", ", ",, "]))
            };
            request.push((self.cased("If-None-Match"), value));
            self.maybe(10, request, |g| ("if-none-match".to_owned(), g.tag()));
        }
        let seen = exchange
            .answer
            .iter()
            .find(|(name, _)| name.to_lowercase() == "last-modified");
        self.maybe_date(
            20,
            request,
            "If-Modified-Since",
            exchange.received,
            &[0, 1, -1, -10, -100, -600, -1000, -86_400],
        );
        if let Some((_, value)) = seen {
            self.maybe(10, request, |_| ("If-Modified-Since".to_owned(), value.clone()));
        }
        if self.chance(20) {
            let value = self.range();
            request.push((self.cased("Range"), value));
            self.maybe(3, request, |g| ("range".to_owned(), g.range()));
            match (self.0.below(6), seen) {
                (0 | 1, _) => request.push(("If-Range".to_owned(), self.tag())),
                (2, Some((_, value))) => request.push(("If-Range".to_owned(), value.clone())),
                (3, _) => self.date_line(request, "If-Range", exchange.received - 100),
                _ => {}
            }
        }
    }

    fn range(&mut self) -> String {
        let unit = self.pick(&[
            "bytes=", "bytes=", "bytes=", "bytes=", "Bytes=", "bytes= ", "items=", "bytes", "bytes:",
        ]);
        let specs: Vec<String> = if self.chance(3) {
            (0..self.pick(&[32, 33, 40]))
                .map(|_| self.pick(&["0-0", "-1", "9-", "190-300"]).to_owned())
                .collect()
        } else {
            (0..self.pick(&[1, 1, 1, 2, 3]))
                .map(|_| self.range_spec())
                .collect()
        };
        format!("{unit}{}", specs.join(self.pick(&[",", ", ", ",,"])))
    }

    fn range_spec(&mut self) -> String {
        const POSITIONS: &[u64] = &[
            0, 1, 2, 9, 10, 78, 79, 80, 81, 98, 99, 100, 180, 190, 300, 390, 699, 700,
        ];
        let (first, last) = (self.pick(POSITIONS), self.pick(POSITIONS));
        match self.0.below(20) {
            0..9 => format!("{}-{}", first.min(last), first.max(last)),
            9..12 => format!("{first}-"),
            12..16 => format!("-{first}"),
            16 => format!("{first}-99999999999999999999999"),
            17 => format!("99999999999999999999999-{last}"),
            18 => format!("{first}-{first}"),
            _ => self
                .pick(&[
                    "", "-", "5-1", "a-b", "1 -2", "1- 2", "+1-2", "--1", "1", "1-2-3", "-0",
                ])
                .to_owned(),
        }
    }

    fn tag(&mut self) -> String {
        if self.chance(90) {
            self.pick(TAGS).to_owned()
        } else {
            self.pick(BROKEN_TAGS).to_owned()
        }
    }

    fn maybe_date(&mut self, percent: u64, lines: &mut Lines, name: &str, from: i64, spans: &[i64]) {
        if self.chance(percent) {
            let span = self.pick(spans);
            self.date_line(lines, name, from + span);
            if self.chance(4) {
                self.date_line(lines, name, from + span);
            }
        }
    }

    fn date_line(&mut self, lines: &mut Lines, name: &str, time: i64) {
        let form = self.pick(&[
            Form::Fixed,
            Form::Fixed,
            Form::Fixed,
            Form::Fixed,
            Form::Rfc850,
            Form::Asctime,
        ]);
        let date = dates::write(time, form);
        let date = if self.chance(90) { date } else { self.broken(&date) };
        lines.push((self.cased(name), date));
    }

    /// A date as people write them; some of these are still dates.
    fn broken(&mut self, date: &str) -> String {
        match self.0.below(12) {
            0 => "0".to_owned(),
            1 => date.replace("GMT", "UTC"),
            2 => date.replace("GMT", "+0000"),
            3 => date.replacen(',', "", 1),
            4 => date.replacen(' ', "  ", 1),
            5 => date.to_lowercase(),
            6 => date.to_uppercase(),
            7 => date.replace(" GMT", ""),
            8 => date.replacen(":1", ":6", 1),
            9 => date.replacen('3', "", 1),
            // A weekday that is wrong says nothing about the date.
            10 => date.replacen("Tue", "Wed", 1),
            _ => String::new(),
        }
    }

    fn cased(&mut self, text: &str) -> String {
        match self.0.below(12) {
            0 => text.to_uppercase(),
            1 => text.to_lowercase(),
            _ => text.to_owned(),
        }
    }

    fn shuffled(&mut self, mut lines: Lines) -> Lines {
        for at in (1..lines.len()).rev() {
            lines.swap(at, self.0.below(at as u64 + 1) as usize);
        }
        lines
    }

    fn line(&mut self, name: &str, values: &[&str]) -> (String, String) {
        let value = self.pick(values).to_owned();
        (self.cased(name), value)
    }

    fn maybe(
        &mut self,
        percent: u64,
        lines: &mut Lines,
        line: impl FnOnce(&mut Generator) -> (String, String),
    ) {
        if self.chance(percent) {
            let line = line(self);
            lines.push(line);
        }
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.0.below(among.len() as u64) as usize]
    }
}
