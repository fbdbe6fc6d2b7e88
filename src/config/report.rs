//! Collects the problems of one configuration, so that all are told at once.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::hidden::{self, Extent};
use super::problem::{Excerpt, Problem, Problems, Severity};
use super::seen::SeenFile;
use super::source::{Place, Source};

/// Problems kept in full; a broken generated file may have a million.
const KEPT: usize = 100;

/// Characters of a line shown around a caret.
const SHOWN: usize = 100;

/// The problems found so far.
pub(super) struct Report {
    source: Option<Arc<Source>>,
    /// Where each line but the first begins.
    lines: Vec<usize>,
    /// Bytes of the file that no picture shows.
    concealed: Vec<Range<usize>>,
    problems: Vec<Problem>,
    /// Takes the problems past `KEPT`.
    spare: Problem,
    dropped: usize,
    /// The other files that were looked at.
    files: Vec<SeenFile>,
}

impl Report {
    /// Nothing wrong yet.
    pub fn new(source: Option<Arc<Source>>) -> Self {
        let text = source.as_ref().map_or("", |source| source.text.as_str());
        let lines = text
            .bytes()
            .enumerate()
            .filter(|(_, b)| *b == b'\n')
            .map(|(at, _)| at + 1)
            .collect();
        Report {
            source,
            lines,
            concealed: Vec::new(),
            problems: Vec::new(),
            spare: blank(),
            dropped: 0,
            files: Vec::new(),
        }
    }

    /// Notes that a file was looked at.
    pub fn saw(&mut self, file: SeenFile) {
        self.files.push(file);
    }

    /// The other files that were looked at.
    pub fn take_files(&mut self) -> Vec<SeenFile> {
        std::mem::take(&mut self.files)
    }

    /// Keeps these bytes of the file out of every picture made from now on.
    pub fn conceal(&mut self, range: Range<usize>) {
        self.concealed.push(range);
    }

    /// Notes an error; the result takes label, cause and fix.
    pub fn error(&mut self, place: &Place, title: impl Into<String>) -> &mut Problem {
        self.push(Severity::Error, place, title.into())
    }

    /// Notes a warning; the result takes label, cause and fix.
    pub fn warn(&mut self, place: &Place, title: impl Into<String>) -> &mut Problem {
        self.push(Severity::Warning, place, title.into())
    }

    /// Replaces the fix of the problem noted last.
    pub fn amend(&mut self, fix: String) {
        if let (0, Some(last)) = (self.dropped, self.problems.last_mut()) {
            last.fix = Some(fix);
        }
    }

    /// Whether an error was noted.
    pub fn has_errors(&self) -> bool {
        self.dropped > 0 || self.problems.iter().any(|p| p.severity == Severity::Error)
    }

    /// The line a place is on, from 1; 0 for places outside the file.
    pub fn line(&self, place: &Place) -> usize {
        match place {
            Place::File(range) => self.lines.partition_point(|start| *start <= range.start) + 1,
            Place::Given { .. } | Place::Nowhere => 0,
        }
    }

    /// A picture of a place.
    pub fn excerpt(&self, place: &Place, label: &str) -> Option<Excerpt> {
        match place {
            Place::File(range) => {
                let source = self.source.as_deref()?;
                let mut excerpt = self.picture(source, range);
                excerpt.label = label.to_owned();
                Some(excerpt)
            }
            Place::Given { name, value } => Some(Excerpt {
                file: if name.starts_with('-') {
                    "command line".into()
                } else {
                    "environment".into()
                },
                position: None,
                text: shorten(&format!("{name}={value}")),
                before: name.chars().count() + 1,
                width: value.chars().count().clamp(1, SHOWN),
                label: label.to_owned(),
            }),
            Place::Nowhere => Some(Excerpt {
                file: self.source.as_ref()?.name.clone(),
                position: None,
                text: String::new(),
                before: 0,
                width: 0,
                label: String::new(),
            }),
        }
    }

    /// All problems in the order of the file: errors and warnings apart.
    pub fn finish(mut self) -> (Problems, Vec<Problem>) {
        self.problems.sort_by_key(|p| (p.severity, p.order));
        self.problems.dedup_by(|a, b| a.title == b.title && a.at == b.at);
        if self.dropped > 0 {
            let mut rest = blank();
            rest.title = format!("and {} more problems", self.dropped);
            self.problems.push(rest);
        }
        let (errors, warnings) = self
            .problems
            .into_iter()
            .partition(|p| p.severity == Severity::Error);
        (Problems(errors), warnings)
    }

    fn push(&mut self, severity: Severity, place: &Place, title: String) -> &mut Problem {
        let at = if self.problems.len() < KEPT {
            self.excerpt(place, "")
        } else {
            None
        };
        let problem = Problem {
            severity,
            // Any key may have got the value that belongs to another.
            title: hidden::elided_in(&title),
            at,
            order: place.start(),
            ..blank()
        };
        if self.problems.len() >= KEPT {
            self.dropped += 1;
            self.spare = problem;
            return &mut self.spare;
        }
        self.problems.push(problem);
        self.problems.last_mut().unwrap_or(&mut self.spare)
    }

    /// The line a range begins on, cut to what fits, with a caret under the range as far as it is
    /// on that line.
    fn picture(&self, source: &Source, range: &Range<usize>) -> Excerpt {
        let line = source.line_around(range.start);
        let start = source.boundary(range.start).clamp(line.start, line.end);
        let end = source.boundary(range.end).clamp(start, line.end);
        let whole = self.without_secrets(source, &line);
        let text = |range: Range<usize>| {
            let (from, to) = (range.start - line.start, range.end - line.start);
            whole.get(from..to).unwrap_or_default()
        };
        let lead: Vec<char> = text(line.start..start).chars().collect();
        let cut = lead.len().saturating_sub(SHOWN * 2 / 3);
        let mut shown: String = lead.iter().skip(cut).collect();
        if cut > 0 {
            shown = format!("…{shown}");
        }
        let before = shown.chars().count();
        let room = SHOWN.saturating_sub(before).max(8);
        let width = text(start..end).trim_end().chars().count().clamp(1, room);
        shown.extend(text(start..line.end).chars().take(room));
        if text(start..line.end).chars().nth(room).is_some() {
            shown.push('…');
        }
        Excerpt {
            file: source.name.clone(),
            position: Some(source.position(start)),
            text: visible(&shown),
            before,
            width,
            label: String::new(),
        }
    }

    /// The line with `*` for every byte that is secret, so that offsets stay what they are.
    fn without_secrets<'s>(&self, source: &'s Source, line: &Range<usize>) -> Cow<'s, str> {
        let text = source.text.get(line.clone()).unwrap_or_default();
        let mut secrets = hidden::secrets(text, Extent::Token);
        let within = |range: &&Range<usize>| range.start < line.end && range.end > line.start;
        secrets.extend(self.concealed.iter().filter(within).map(|range| {
            let from = range.start.max(line.start) - line.start;
            from..range.end - line.start
        }));
        if secrets.is_empty() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(hidden::cover(text, &secrets))
    }
}

fn blank() -> Problem {
    Problem {
        severity: Severity::Error,
        title: String::new(),
        at: None,
        also: Vec::new(),
        cause: None,
        fix: None,
        order: usize::MAX,
    }
}

fn shorten(text: &str) -> String {
    visible(&text.chars().take(SHOWN).collect::<String>())
}

/// Tabs as arrows, since they are often what is wrong; other control characters hidden.
fn visible(text: &str) -> String {
    super::problem::printable(&text.replace('\t', "→"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> Report {
        Report::new(Some(Arc::new(Source {
            name: "t.yaml".into(),
            text: text.into(),
        })))
    }

    #[test]
    fn a_long_line_is_cut_around_its_caret() {
        let text = "[".repeat(10_000_000);
        let mut report = report(&text);
        let at = report
            .error(&Place::File(5_000_000..5_000_001), "deep")
            .at
            .clone()
            .unwrap();
        assert!(at.text.chars().count() < 120, "{}", at.text.len());
        assert_eq!(at.position, Some((1, 5_000_001)));
        assert_eq!(at.text.chars().nth(at.before), Some('['));
    }

    #[test]
    fn problems_come_in_the_order_of_the_file_and_are_capped() {
        let mut report = report("abcdef");
        for n in (0..5).rev() {
            report.error(&Place::File(n..n + 1), format!("p{n}"));
        }
        report.warn(&Place::File(0..1), "w");
        for n in 0..KEPT {
            report.error(&Place::Nowhere, format!("q{n}"));
        }
        let (errors, warnings) = report.finish();
        assert_eq!(errors.0[0].title, "p0");
        assert_eq!(errors.0.last().unwrap().title, "and 6 more problems");
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn a_caret_stays_on_its_line_and_tabs_are_seen() {
        let report = report("a:\n\tb: 1\nc: 2\n");
        let at = report.excerpt(&Place::File(3..12), "tab").unwrap();
        assert_eq!((at.text.as_str(), at.before, at.width), ("→b: 1", 0, 5));
    }
}
