//! One row of the table: what the origin answers, what clients ask, how much time passes, and what
//! must be seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use larder::clock::Clock;

use crate::support::{Answer, End, Response, Seen, TestLarder, TestOrigin, within};

/// A behaviour and the clause that asks for it.
pub struct Row {
    /// A sentence.
    pub name: String,
    /// Such as `9111 §5.2.2.1`.
    pub section: &'static str,
    scripts: Vec<Script>,
    steps: Vec<Step>,
}

/// The next answer of one resource; its last answers all further requests.
struct Script {
    resource: &'static str,
    /// Seconds that pass before the head.
    delay: u64,
    answer: Answer,
}

enum Step {
    Ask(Ask),
    /// Seconds.
    Pass(u64),
    /// The origin has been asked this often in all.
    Await(usize),
    /// The store has an answer that is fresh.
    AwaitFresh,
    Down,
    Up,
}

struct Ask {
    method: String,
    resource: &'static str,
    fields: Vec<(String, String)>,
    content: &'static [u8],
    checks: Vec<Check>,
}

type Check = Box<dyn Fn(&Exchange) -> Result<(), String> + Send>;

/// A request of a row and all that came of it.
pub(super) struct Exchange {
    pub(super) response: Response,
    /// What the origin saw meanwhile.
    seen: Vec<Seen>,
    fill: Fill,
}

/// Replaces `{path}` by the row's own path, and `{now}`, `{now+60}`, `{now-60}` by dates. Its time
/// is when the row began and what has passed by its steps: the same in every run.
#[derive(Clone)]
struct Fill {
    path: String,
    clock: Clock,
    began: SystemTime,
    /// Seconds.
    passed: Arc<AtomicU64>,
}

/// The resource that a row is about unless it names another.
const MAIN: &str = "x";

/// A row; `section` is the clause that asks for what it shows.
pub fn row(name: impl Into<String>, section: &'static str) -> Row {
    Row {
        name: name.into(),
        section,
        scripts: Vec::new(),
        steps: Vec::new(),
    }
}

impl Row {
    /// The origin's next answer; the last one given answers all further requests.
    pub fn answer(self, answer: Answer) -> Row {
        self.answer_at(MAIN, answer)
    }

    /// The next answer of another resource of this row.
    pub fn answer_at(mut self, resource: &'static str, answer: Answer) -> Row {
        let delay = 0;
        self.scripts.push(Script {
            resource,
            delay,
            answer,
        });
        self
    }

    /// The origin's next answer, this many seconds after it was asked.
    pub fn answer_after(mut self, delay: u64, answer: Answer) -> Row {
        let resource = MAIN;
        self.scripts.push(Script {
            resource,
            delay,
            answer,
        });
        self
    }

    /// A client asks.
    pub fn get(self) -> Row {
        self.send("GET", &[])
    }

    /// A client asks with fields.
    pub fn get_with(self, fields: &[(&str, &str)]) -> Row {
        self.send("GET", fields)
    }

    /// A client asks for another resource of this row.
    pub fn get_at(self, resource: &'static str) -> Row {
        self.send_to("GET", resource, &[], b"")
    }

    /// A client sends any method without content.
    pub fn send(self, method: &str, fields: &[(&str, &str)]) -> Row {
        self.send_to(method, MAIN, fields, b"")
    }

    /// A client sends anything.
    pub fn send_to(
        mut self,
        method: &str,
        resource: &'static str,
        fields: &[(&str, &str)],
        content: &'static [u8],
    ) -> Row {
        let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        self.steps.push(Step::Ask(Ask {
            method: method.to_owned(),
            resource,
            fields: fields.collect(),
            content,
            checks: Vec::new(),
        }));
        self
    }

    /// Seconds pass.
    pub fn pass(mut self, seconds: u64) -> Row {
        self.steps.push(Step::Pass(seconds));
        self
    }

    /// The origin is asked this often in all, sooner or later.
    pub fn asked_in_time(mut self, times: usize) -> Row {
        self.steps.push(Step::Await(times));
        self
    }

    /// Something fresh is stored, sooner or later; nobody asks the origin for that.
    pub fn fresh_in_time(mut self) -> Row {
        self.steps.push(Step::AwaitFresh);
        self
    }

    /// The origin's port refuses.
    pub fn down(mut self) -> Row {
        self.steps.push(Step::Down);
        self
    }

    /// The origin is back.
    pub fn up(mut self) -> Row {
        self.steps.push(Step::Up);
        self
    }

    /// The last answer came from the store alone.
    pub fn hit(self) -> Row {
        self.asked_nothing().check(|exchange| {
            let status = exchange.response.cache_status();
            expect("a hit", status.hit, true)
        })
    }

    /// The last request went to the origin once, with this `fwd`.
    pub fn fwd(self, word: &'static str) -> Row {
        self.forwarded().check(move |exchange| {
            let status = exchange.response.cache_status();
            expect("fwd", status.fwd.as_deref(), Some(word))
        })
    }

    /// The last request went to the origin, once.
    pub fn forwarded(self) -> Row {
        self.check(|exchange| expect("requests at the origin", exchange.seen.len(), 1))
    }

    /// The origin knows nothing of the last request.
    pub fn asked_nothing(self) -> Row {
        self.check(|exchange| expect("requests at the origin", exchange.seen.len(), 0))
    }

    /// `detail` of `Cache-Status`.
    pub fn detail(self, word: &'static str) -> Row {
        self.check(move |exchange| {
            let status = exchange.response.cache_status();
            expect("detail", status.detail.as_deref(), Some(word))
        })
    }

    /// `fwd-status` of `Cache-Status`.
    pub fn fwd_status(self, code: u16) -> Row {
        self.check(move |exchange| {
            let status = exchange.response.cache_status();
            expect("fwd-status", status.fwd_status, Some(code))
        })
    }

    /// `stored` of `Cache-Status`.
    pub fn stored(self, stored: bool) -> Row {
        self.check(move |exchange| expect("stored", exchange.response.cache_status().stored, stored))
    }

    /// `ttl` of `Cache-Status`, give or take what the test itself took.
    pub fn ttl(self, seconds: i64) -> Row {
        self.check(move |exchange| {
            let ttl = exchange.response.cache_status().ttl;
            let near = ttl.is_some_and(|ttl| (seconds - SLACK..=seconds).contains(&ttl));
            expect(&format!("ttl near {seconds}, is {ttl:?}"), near, true)
        })
    }

    /// The status code.
    pub fn is(self, code: u16) -> Row {
        self.check(move |exchange| expect("status", exchange.response.status, code))
    }

    /// The status code is one of these.
    pub fn among(self, codes: &'static [u16]) -> Row {
        self.check(move |exchange| {
            let code = exchange.response.status;
            expect(&format!("{code} among {codes:?}"), codes.contains(&code), true)
        })
    }

    /// The content.
    pub fn text(self, text: &'static str) -> Row {
        self.check(move |exchange| expect("content", exchange.response.text(), text))
    }

    /// Every line of a field, in order.
    pub fn says(self, name: &'static str, values: &[&'static str]) -> Row {
        let values = values.to_vec();
        self.check(move |exchange| {
            let expected: Vec<String> = values.iter().map(|value| exchange.fill.value(value)).collect();
            expect(name, exchange.response.lines(name), expected)
        })
    }

    /// A field with this value somewhere in it.
    pub fn mentions(self, name: &'static str, part: &'static str) -> Row {
        self.check(move |exchange| {
            let lines = exchange.response.lines(name).join(", ");
            expect(&format!("{part} in {name}: {lines}"), lines.contains(part), true)
        })
    }

    /// There is such a field, once.
    pub fn has(self, name: &'static str) -> Row {
        self.check(move |exchange| expect(name, exchange.response.lines(name).len(), 1))
    }

    /// There are no such fields.
    pub fn lacks(self, names: &'static [&'static str]) -> Row {
        self.check(move |exchange| {
            names
                .iter()
                .try_for_each(|name| expect(name, exchange.response.lines(name), Vec::<String>::new()))
        })
    }

    /// `Age`, give or take what the test itself took.
    pub fn age(self, seconds: i64) -> Row {
        self.check(move |exchange| {
            let age: Option<i64> = exchange.response.field("age").and_then(|age| age.parse().ok());
            let near = age.is_some_and(|age| (seconds..=seconds + SLACK).contains(&age));
            expect(&format!("Age near {seconds}, is {age:?}"), near, true)
        })
    }

    /// The content broke off.
    pub fn broken(self) -> Row {
        self.check(|exchange| expect("complete", exchange.response.end == End::Complete, false))
    }

    /// Every line of a field as the origin saw it in the last request.
    pub fn asked(self, name: &'static str, values: &[&'static str]) -> Row {
        let values = values.to_vec();
        self.check(move |exchange| {
            let Some(seen) = exchange.seen.last() else {
                return Err("the origin was not asked".to_owned());
            };
            let expected: Vec<String> = values.iter().map(|value| exchange.fill.value(value)).collect();
            expect(&format!("{name} at the origin"), seen.lines(name), expected)
        })
    }

    /// A field that the origin saw with this value somewhere in it.
    pub fn asked_with(self, name: &'static str, part: &'static str) -> Row {
        self.check(move |exchange| {
            let lines = exchange.seen.last().map(|seen| seen.lines(name).join(", "));
            let there = lines.as_ref().is_some_and(|lines| lines.contains(part));
            expect(&format!("{part} in {name} at the origin: {lines:?}"), there, true)
        })
    }

    /// The method that the origin saw.
    pub fn asked_by(self, method: &'static str) -> Row {
        self.check(move |exchange| {
            let seen = exchange.seen.last().map(|seen| seen.method.as_str());
            expect("method at the origin", seen, Some(method))
        })
    }

    /// Anything else that must hold of the last request.
    pub(super) fn check(mut self, check: impl Fn(&Exchange) -> Result<(), String> + Send + 'static) -> Row {
        match self.steps.last_mut() {
            Some(Step::Ask(ask)) => ask.checks.push(Box::new(check)),
            Some(Step::Pass(_) | Step::Await(_) | Step::AwaitFresh | Step::Down | Step::Up) | None => {
                panic!("{}: a check without a request", self.name)
            }
        }
        self
    }

    /// Plays the row under a path of its own; what was not as it must be.
    pub async fn play(self, origin: &TestOrigin, larder: &TestLarder, number: usize) -> Vec<String> {
        let clock = larder.clock();
        let fill = Fill {
            path: format!("/{number}/"),
            began: clock.now().wall,
            clock,
            passed: Arc::default(),
        };
        script(origin, &fill, self.scripts);
        let all = format!("{}*", fill.path);
        let mut wrong = Vec::new();
        for (at, step) in self.steps.into_iter().enumerate() {
            match step {
                Step::Pass(seconds) => fill.pass(seconds),
                Step::Await(times) => drop(origin.seen(&all, times).await),
                Step::AwaitFresh => fill.fresh(larder).await,
                Step::Down => origin.down().await,
                Step::Up => origin.up().await,
                Step::Ask(ask) => {
                    let before = origin.count(&all);
                    let checks = ask.put(larder, &fill).await.map(|(response, checks)| {
                        let seen = origin.requests(&all).split_off(before);
                        let fill = fill.clone();
                        (Exchange { response, seen, fill }, checks)
                    });
                    match checks {
                        Err(none) => wrong.push(format!("step {at}: {none}")),
                        Ok((exchange, checks)) => {
                            let failed = checks.iter().filter_map(|check| check(&exchange).err());
                            let before = wrong.len();
                            wrong.extend(failed.map(|what| format!("step {at}: {what}")));
                            if wrong.len() > before {
                                wrong.push(format!("        {}", exchange.summary()));
                            }
                        }
                    }
                }
            }
        }
        wrong
    }
}

impl Ask {
    async fn put(self, larder: &TestLarder, fill: &Fill) -> Result<(Response, Vec<Check>), String> {
        let target = format!("{}{}", fill.path, self.resource);
        let fields: Vec<(String, String)> = self
            .fields
            .iter()
            .map(|(name, value)| (name.clone(), fill.value(value)))
            .collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut client = larder.connect().await;
        client
            .send_request(&self.method, &target, &fields, self.content)
            .await;
        match client.try_response_to(&self.method).await {
            Ok(response) => Ok((response, self.checks)),
            Err(broken) => Err(format!("no answer: {broken:?}")),
        }
    }
}

impl Exchange {
    fn summary(&self) -> String {
        let asked: Vec<_> = self
            .seen
            .iter()
            .map(|seen| (&seen.method, &seen.fields))
            .collect();
        let Response { status, fields, .. } = &self.response;
        let text = String::from_utf8_lossy(&self.response.content);
        format!("{status} {fields:?} {text:?}; at the origin {asked:?}")
    }
}

impl Fill {
    fn pass(&self, seconds: u64) {
        self.passed.fetch_add(seconds, Ordering::SeqCst);
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn fresh(&self, larder: &TestLarder) {
        let target = format!("{}{MAIN}", self.path);
        let only = [("Cache-Control", "only-if-cached")];
        within("a fresh answer in the store", async {
            loop {
                let status = larder.get_with(&target, &only).await.cache_status();
                if status.hit && status.ttl.is_some_and(|ttl| ttl > 0) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    fn value(&self, value: &str) -> String {
        let value = value.replace("{path}", &self.path);
        let Some((before, (date, after))) = value
            .split_once("{now")
            .and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        else {
            return value;
        };
        let by: i64 = if date.is_empty() {
            0
        } else {
            date.parse().expect("{now+60}")
        };
        let now = self.began + Duration::from_secs(self.passed.load(Ordering::SeqCst));
        let span = Duration::from_secs(by.unsigned_abs());
        let then = if by < 0 { now - span } else { now + span };
        format!("{before}{}{after}", httpdate::fmt_http_date(then))
    }
}

/// What a row may take in seconds of its own without being wrong.
const SLACK: i64 = 8;

fn script(origin: &TestOrigin, fill: &Fill, scripts: Vec<Script>) {
    let (pattern, fill) = (format!("{}*", fill.path), fill.clone());
    let scripts = Arc::new(scripts);
    origin.on(&pattern, move |seen| {
        let resource = seen.path().rsplit('/').next().unwrap_or_default();
        let mut answers = scripts.iter().filter(|script| script.resource == resource);
        let last = answers.clone().next_back();
        let Some(script) = answers.nth(seen.before).or(last) else {
            return Answer::ok("unscripted");
        };
        fill.pass(script.delay);
        script.answer.clone().map_values(|value| fill.value(value))
    });
}

/// Says what was found where something else was expected.
pub(super) fn expect<A: PartialEq<B> + std::fmt::Debug, B: std::fmt::Debug>(
    what: &str,
    found: A,
    expected: B,
) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found:?}, not {expected:?}"))
    }
}
