//! What a YAML parser's error means to the person who wrote the file.

use serde_yaml::granit_parser::{ErrorKind, ScanError};

use super::report::Report;
use super::source::{Place, Source};
use crate::route::method_list;

/// What is wrong, why, and what to write instead.
struct Advice {
    at: std::ops::Range<usize>,
    title: String,
    cause: String,
    fix: String,
}

/// Notes what is wrong, in words about the file.
pub(super) fn explain(error: &ScanError, source: &Source, report: &mut Report) {
    let at = error.marker().byte_offset().unwrap_or(source.text.len());
    let at = source.boundary(at);
    let line = source.line_around(at);
    let advice = tab(source, at, error.kind())
        .or_else(|| brace(source, at, &line))
        .or_else(|| scalar_start(source, at, &line))
        .or_else(|| methods(source, at, &line))
        .unwrap_or_else(|| by_kind(error.kind(), source, at));
    report
        .error(&Place::File(advice.at), advice.title)
        .cause(advice.cause)
        .fix(advice.fix);
}

fn advice(at: usize, title: &str, cause: &str, fix: &str) -> Advice {
    Advice {
        at: at..at + 1,
        title: title.into(),
        cause: cause.into(),
        fix: fix.into(),
    }
}

/// A tab where YAML counts spaces.
fn tab(source: &Source, at: usize, kind: &ErrorKind) -> Option<Advice> {
    let is_tab = matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar
    );
    let line = source.line_around(at);
    // The parser may have stopped at the end of the line before.
    let tab = source
        .text
        .get(line.start..)?
        .find('\t')
        .map(|offset| line.start + offset);
    is_tab.then(|| {
        advice(
            tab.unwrap_or(at),
            "a tab in the indentation",
            "YAML counts columns, and a tab has no width of its own",
            "use spaces; two for each level",
        )
    })
}

/// `{name}` where YAML reads a map: `[product:{sku}]`, `{sku}-x`.
fn brace(source: &Source, at: usize, line: &std::ops::Range<usize>) -> Option<Advice> {
    let text = source.text.get(line.clone())?;
    let column = at.saturating_sub(line.start);
    let (before, after) = (text.get(..column)?, text.get(column..)?);
    let at_open =
        after.starts_with('{') && before.ends_with(|c: char| !c.is_whitespace() && !"[{,".contains(c));
    let at_colon = after.starts_with(":{");
    let after_close = before.ends_with('}');
    if !(at_open || at_colon || after_close) {
        return None;
    }
    let word_end = |c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']');
    let method = ["GET ", "HEAD ", "POST ", "PUT ", "PATCH ", "DELETE "];
    let start = before.rfind([',', '[']).map_or(0, |i| i + 1);
    let lead = before.get(start..)?;
    let trimmed = lead.trim_start_matches(|c: char| c.is_whitespace() || c == '-');
    let in_match = method.iter().any(|m| trimmed.contains(m));
    let start = if in_match || before.contains('[') {
        start + (lead.len() - trimmed.len())
    } else {
        before.rfind(word_end).map_or(0, |i| i + 1)
    };
    let open = text.get(start..)?.find('{')?;
    let rest = text.get(start + open..)?;
    let close = rest.find('}').map_or(rest.len(), |i| i + 1);
    let tail = rest.get(close..)?;
    let tail = tail.find(word_end).unwrap_or(tail.len());
    let end = start + open + close + tail;
    let value = text.get(start..end)?.trim();
    Some(Advice {
        at: line.start + start..line.start + end,
        title: format!("`{value}` must be in quotes here"),
        cause: "in a list with `[ ]`, and at the start of a value, YAML reads `{` as the start of a map"
            .into(),
        fix: format!("write \"{value}\""),
    })
}

/// `[GET, POST] /a`, which ends as a list for YAML where the path begins.
fn methods(source: &Source, at: usize, line: &std::ops::Range<usize>) -> Option<Advice> {
    let open = source.text.get(line.start..at)?.rfind('[')?;
    let start = line.start + open;
    let value = source.text.get(start..line.end)?.trim_end();
    let meant = method_list(value)?;
    Some(Advice {
        at: start..start + value.len(),
        title: format!("`{value}` is a list with something behind it"),
        cause: "several methods are written with `|` between".into(),
        fix: format!("write {meant}"),
    })
}

/// Notes the first character that looks like a space and is none, if there is one outside
/// comments. Only said where something else is wrong: in a text it may be meant.
pub(super) fn false_space(source: &Source, report: &mut Report) {
    let is_false = |c: char| matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{3000}');
    let mut start = 0;
    for line in source.text.split_inclusive('\n') {
        let code = line.split(" #").next().unwrap_or(line);
        let code = if code.starts_with('#') { "" } else { code };
        if let Some((at, c)) = code.char_indices().find(|(_, c)| is_false(*c)) {
            let at = start + at;
            let title = "this looks like a space and is none";
            let problem = report.error(&Place::File(at..at + c.len_utf8()), title);
            problem.cause(format!(
                "it is the character U+{:04X}, a no-break space or the like, which YAML takes for a letter",
                u32::from(c)
            ));
            problem.fix("write an ordinary space; such characters come from web pages and word processors");
            return;
        }
        start += line.len();
    }
}

/// A value that begins with a character that YAML keeps for itself.
fn scalar_start(source: &Source, at: usize, line: &std::ops::Range<usize>) -> Option<Advice> {
    let rest = source.text.get(at..line.end)?;
    let before = source.text.get(line.start..at)?;
    let first = rest.chars().next().filter(|c| "@`%*&!|>".contains(*c))?;
    let at_start = before.trim_end().ends_with([':', '-', '[', ',', '{']) || before.trim().is_empty();
    if !at_start {
        return None;
    }
    let end = rest.find([',', ']', '}', '\n']).unwrap_or(rest.len());
    let value = rest.get(..end)?.trim();
    let cause = match first {
        '*' => {
            "at the start of a value, YAML reads `*` as a reference to an `&anchor`, and there is none".into()
        }
        '&' => "at the start of a value, YAML reads `&` as the name of an anchor".into(),
        _ => format!("a value cannot begin with `{first}` in YAML"),
    };
    Some(Advice {
        at: at..at + value.len(),
        title: format!("`{value}` must be in quotes here"),
        cause,
        fix: format!("write \"{value}\""),
    })
}

fn by_kind(kind: &ErrorKind, source: &Source, at: usize) -> Advice {
    match kind {
        ErrorKind::RecursionLimitExceeded => advice(
            at,
            "too many levels within one another",
            "the file nests deeper than any setting",
            "close the brackets that were opened, or check the indentation",
        ),
        ErrorKind::DirectiveDisallowed => advice(
            at,
            "YAML directives (`%...`) are not used here",
            "a line that begins with `%` speaks to the YAML parser",
            "remove the line",
        ),
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::DocumentIndicatorInQuotedScalar => unclosed_quote(source, at),
        ErrorKind::InvalidTrailingDoubleQuotedScalar | ErrorKind::InvalidTrailingSingleQuotedScalar => {
            advice(
                at,
                "text after a closing quote",
                "the value ended with the quote",
                "put the whole value in quotes, and write a quote within it twice ('') or as \\\"",
            )
        }
        ErrorKind::UnknownQuotedScalarEscape | ErrorKind::InvalidQuotedScalarHexEscape => advice(
            at,
            "an unknown escape in double quotes",
            "within \"...\" a backslash begins an escape such as \\n or \\\"",
            "use single quotes, where a backslash is a backslash",
        ),
        ErrorKind::MismatchedFlowCollectionEnd { open, .. } | ErrorKind::UnclosedFlowCollection { open } => {
            unclosed_bracket(source, at, *open)
        }
        ErrorKind::UnexpectedEofFlowSequence | ErrorKind::InvalidColonPlacement => {
            unclosed_bracket(source, at, '[')
        }
        ErrorKind::UnexpectedEofFlowMapping | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            unclosed_bracket(source, at, '{')
        }
        ErrorKind::ExpectedFlowSequenceSeparator => unclosed_bracket(source, at, '['),
        ErrorKind::ExpectedFlowMappingSeparator => unclosed_bracket(source, at, '{'),
        ErrorKind::MisplacedFlowCollectionEnd => advice(
            at,
            "a closing bracket without an opening one",
            "nothing is open here that it could close",
            "remove it, or put the value in quotes",
        ),
        ErrorKind::MappingValueNotAllowed | ErrorKind::SimpleKeyExpected => misplaced_colon(source, at),
        ErrorKind::BlockSequenceEntryNotAllowed | ErrorKind::BlockEntryInFlowCollection => advice(
            at,
            "a list item (`-`) cannot stand here",
            "an item stands on a line of its own, below its key",
            "begin a new line, indented by two spaces more than the key",
        ),
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation
        | ErrorKind::InvalidSimpleKey => advice(
            at,
            "this line does not fit the ones above",
            "its indentation is that of no block above, or the colon after a key is missing",
            "align it with the lines it belongs to; two spaces for each level",
        ),
        ErrorKind::UnknownAnchor => advice(
            at,
            "this alias stands for nothing",
            "`*name` refers to `&name`, which must come first in the file",
            "put the value in quotes if it is meant as text",
        ),
        other => Advice {
            at: at..at + 1,
            title: "this is not YAML".into(),
            cause: parser_words(other),
            fix: "check quotes, brackets and indentation on this line and the one above".into(),
        },
    }
}

fn parser_words(kind: &ErrorKind) -> String {
    let words = kind.to_string();
    if words.is_empty() {
        format!("the parser says: {kind:?}")
    } else {
        words
    }
}

/// A quote that is never closed: the caret goes to where it was opened.
fn unclosed_quote(source: &Source, at: usize) -> Advice {
    let before = source.text.get(..at).unwrap_or_default();
    let line = before.trim_end().rfind('\n').map_or(0, |i| i + 1);
    let opened = before
        .get(line..)
        .and_then(|l| l.find(['"', '\'']))
        .map_or(at, |i| line + i);
    advice(
        opened,
        "a quote is opened and not closed",
        "everything up to the next quote, over all following lines, would be one value",
        "close it at the end of the value",
    )
}

/// A bracket that is never closed: the caret goes to where it was opened.
fn unclosed_bracket(source: &Source, at: usize, open: char) -> Advice {
    let close = if open == '{' { '}' } else { ']' };
    let before = source.text.get(..at).unwrap_or_default();
    let opened = before.rfind(open).unwrap_or(at);
    Advice {
        at: opened..opened + 1,
        title: format!("`{open}` is opened and not closed"),
        cause: format!("`{close}` is missing, or a comma between two entries"),
        fix: format!("close it with `{close}`; put text that contains brackets, `:` or `,` in quotes"),
    }
}

/// `a: b: c`, or a line that a missing colon joined to the next.
fn misplaced_colon(source: &Source, at: usize) -> Advice {
    let line = source.line_around(at);
    let text = source.text.get(line.start..at).unwrap_or_default();
    if text.contains(": ") {
        return advice(
            at,
            "a second `: ` on one line",
            "YAML reads `word: ` as a key, and a value cannot be a key",
            "put the value in quotes if the colon belongs to it, or begin a new line",
        );
    }
    // The line itself may be the one without a colon, joined to the value above.
    let whole = source.text.get(line.clone()).unwrap_or_default().trim_end();
    if !whole.contains(": ") && !whole.ends_with(':') && whole.contains(':') {
        return Advice {
            at: line,
            ..no_colon()
        };
    }
    let above = source.text.get(..line.start).unwrap_or_default().trim_end();
    let above = above.rfind('\n').map_or(0, |i| i + 1);
    let line_above = source.text.get(above..line.start).unwrap_or_default();
    let start = above + (line_above.len() - line_above.trim_start().len());
    let deeper = text.len() - text.trim_start().len() > line_above.len() - line_above.trim_start().len();
    if deeper {
        return advice(
            line.start + (text.len() - text.trim_start().len()),
            "this line is indented too far",
            "YAML reads it as a continuation of the value above, which cannot contain a key",
            "align it with the key above",
        );
    }
    Advice {
        at: start..line.start.max(start + 1),
        ..no_colon()
    }
}

fn no_colon() -> Advice {
    advice(
        0,
        "a key without a colon and a space",
        "YAML reads this line as part of a longer text; a key ends with `:` and a space",
        "write `key: value`",
    )
}
