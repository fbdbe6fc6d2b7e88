//! One problem of a configuration, and how it is shown: what is wrong, a picture of the line
//! with a caret, why, and what to write instead.

use std::fmt;

/// Characters of a line of explanation.
const WIDTH: usize = 92;

/// Whether a problem stops the configuration from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, and is probably not what was meant.
    Warning,
}

/// One thing that is wrong, or probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether it stops the configuration.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: String,
    /// Where.
    pub at: Option<Excerpt>,
    /// Other places that have to do with it.
    pub also: Vec<Excerpt>,
    /// Why it is wrong, where the title alone does not say so.
    pub cause: Option<String>,
    /// What to write instead.
    pub fix: Option<String>,
    /// Order among the problems of a file.
    pub(super) order: usize,
}

/// A line of the file, or a setting from outside, with what a caret points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The file's name, or the kind of setting (`environment`, `flag`).
    pub file: String,
    /// Line and column, both from 1; settings from outside have none.
    pub position: Option<(usize, usize)>,
    /// The line, shortened around the caret, without control characters.
    pub text: String,
    /// Characters of `text` before the caret.
    pub before: usize,
    /// How many characters the caret underlines; at least 1.
    pub width: usize,
    /// What the caret says.
    pub label: String,
}

impl Problem {
    /// Adds words beside the caret.
    pub(super) fn label(&mut self, label: impl Into<String>) -> &mut Self {
        if let Some(at) = &mut self.at {
            at.label = label.into();
        }
        self
    }

    /// Hides a secret in the picture; where it does not stand there whole, shows no picture.
    pub(super) fn hide(&mut self, secret: &str) -> &mut Self {
        if let Some(at) = &mut self.at {
            let stars = "*".repeat(secret.len());
            if at.text.contains(secret) {
                at.text = at.text.replace(secret, &"*".repeat(secret.chars().count()));
            } else if !at.text.contains(&stars) {
                at.text.clear();
                at.label.clear();
            }
        }
        self
    }

    /// Says why it is wrong.
    pub(super) fn cause(&mut self, cause: impl Into<String>) -> &mut Self {
        self.cause = Some(cause.into());
        self
    }

    /// Says what to write instead.
    pub(super) fn fix(&mut self, fix: impl Into<String>) -> &mut Self {
        self.fix = Some(fix.into());
        self
    }

    /// Shows another place that has to do with it.
    pub(super) fn also(&mut self, excerpt: Option<Excerpt>) -> &mut Self {
        self.also.extend(excerpt);
        self
    }

    /// The problem as text of several lines, with ANSI colours only if `colour`.
    pub fn render(&self, colour: bool) -> String {
        let ink = Ink { colour };
        let heading = match self.severity {
            Severity::Error => ink.paint("31;1", "error"),
            Severity::Warning => ink.paint("33;1", "warning"),
        };
        let mut out = format!("{heading}: {}\n", ink.paint("1", &printable(&self.title)));
        let gutter = self.gutter();
        for excerpt in self.at.iter().chain(&self.also) {
            excerpt.render(&mut out, gutter, &ink);
        }
        for (word, text) in [("why", &self.cause), ("fix", &self.fix)] {
            if let Some(text) = text {
                let lines = wrapped(&printable(text)).join(&format!("\n{:gutter$}        ", ""));
                out.push_str(&format!("{:gutter$} = {}: {lines}\n", "", ink.paint("1", word)));
            }
        }
        out
    }

    /// The place in one line, for logs: file, line and column, or the kind of setting.
    pub fn place(&self) -> String {
        match &self.at {
            Some(at) => printable(&at.place()),
            None => String::new(),
        }
    }

    /// Width of the column of line numbers.
    fn gutter(&self) -> usize {
        let lines = self.at.iter().chain(&self.also).filter_map(|e| e.position);
        lines.map(|(line, _)| line.to_string().len()).max().unwrap_or(1)
    }
}

impl Excerpt {
    fn place(&self) -> String {
        match self.position {
            Some((line, column)) => format!("{}:{line}:{column}", self.file),
            None => self.file.clone(),
        }
    }

    fn render(&self, out: &mut String, gutter: usize, ink: &Ink) {
        let number = self
            .position
            .map_or_else(String::new, |(line, _)| line.to_string());
        out.push_str(&format!("{:gutter$}--> {}\n", "", printable(&self.place())));
        if self.text.is_empty() && self.label.is_empty() {
            return;
        }
        let carets = ink.paint("31;1", &"^".repeat(self.width.max(1)));
        let label = if self.label.is_empty() {
            String::new()
        } else {
            format!(" {}", printable(&self.label))
        };
        let pad = " ".repeat(self.before);
        out.push_str(&format!("{:gutter$} |\n{number:>gutter$} | {}\n", "", self.text));
        out.push_str(&format!("{:gutter$} | {pad}{carets}{label}\n", ""));
    }
}

/// Writes colours, or not.
struct Ink {
    colour: bool,
}

impl Ink {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Lines of at most [`WIDTH`] characters, broken between words.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// Without control characters: a file must not be able to move a terminal's cursor.
pub(super) fn printable(text: &str) -> String {
    let safe = |c: char| c == '\n' || !(c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
    text.chars()
        .map(|c| if safe(c) { c } else { '\u{fffd}' })
        .collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// Everything wrong with a configuration, in the order of the file. Never empty as an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// The one thing that is wrong, where it is no place in the file.
    pub(crate) fn one(title: String, cause: Option<String>, fix: impl Into<String>) -> Problems {
        Problems(vec![Problem {
            severity: Severity::Error,
            title,
            at: None,
            also: Vec::new(),
            cause,
            fix: Some(fix.into()),
            order: 0,
        }])
    }

    /// All problems as text, with ANSI colours only if `colour`.
    pub fn render(&self, colour: bool) -> String {
        let all: Vec<String> = self.0.iter().map(|p| p.render(colour)).collect();
        all.join("\n")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        Problem {
            severity: Severity::Error,
            title: "bad \u{1b}[2J".into(),
            at: Some(Excerpt {
                file: "a.yaml".into(),
                position: Some((12, 3)),
                text: "  x: 1".into(),
                before: 2,
                width: 1,
                label: "here".into(),
            }),
            also: Vec::new(),
            cause: Some("c".into()),
            fix: Some("f".into()),
            order: 0,
        }
    }

    #[test]
    fn a_problem_is_a_title_a_picture_a_cause_and_a_fix() {
        let expected = "error: bad \u{fffd}[2J\n  --> a.yaml:12:3\n   |\n12 |   x: 1\n   |   ^ here\n   = why: c\n   = fix: f\n";
        assert_eq!(problem().to_string(), expected);
    }

    #[test]
    fn colours_come_only_when_asked_for() {
        assert!(!problem().render(false).contains('\u{1b}'));
        assert!(problem().render(true).contains("\u{1b}[31;1merror"));
    }
}
