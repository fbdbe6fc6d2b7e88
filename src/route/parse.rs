//! Reads patterns. Never lenient: what could be meant in two ways is an error with a fix.

use http::Method;

use super::PatternError;
use super::path::{decode, is_ambiguous};
use super::pattern::{Host, Methods, Pattern, Segment};

/// Reads `METHOD|METHOD /path` and a host.
pub(super) fn pattern(text: &str, host: Option<&str>) -> Result<Pattern, PatternError> {
    let text = text.trim();
    if let Some(meant) = method_list(text) {
        let given = text.to_owned();
        return Err(PatternError::MethodList { given, meant });
    }
    let (methods, path) = words(text)?;
    let methods = methods.map_or(Ok(vec![Method::GET]), self::methods)?;
    let (segments, rest, names) = path_segments(path)?;
    Ok(Pattern {
        text: Box::from(text),
        path_text: Box::from(path),
        methods: Methods::new(methods),
        host: host.map_or(Ok(Host::Any), self::host)?,
        segments,
        rest,
        names: names.into(),
    })
}

fn words(text: &str) -> Result<(Option<&str>, &str), PatternError> {
    let mut words = text.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Err(PatternError::Empty),
        (Some(path), None, _) if path.starts_with('/') => Ok((None, path)),
        (Some(only), None, _) if only.split('|').all(is_method) => Err(PatternError::NoPath(only.to_owned())),
        (Some(only), None, _) => Err(no_path(only)),
        (Some(_), Some(_), Some(_)) => Err(PatternError::ExtraWords(text.to_owned())),
        (Some(methods), Some(path), None) if path.starts_with('/') => Ok((Some(methods), path)),
        (Some(_), Some(path), None) => Err(no_path(path)),
    }
}

/// What a word without a leading slash was meant as.
fn no_path(word: &str) -> PatternError {
    let Some((_, rest)) = word.split_once("://") else {
        return PatternError::MissingSlash(word.to_owned());
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    PatternError::Url {
        given: word.to_owned(),
        host: host.to_owned(),
        path: format!("/{path}"),
    }
}

/// `PUT|DELETE /a` for `PUT | DELETE /a`, `PUT, DELETE /a` and `[PUT, DELETE] /a`.
pub(crate) fn method_list(text: &str) -> Option<String> {
    let (before, path) = text.split_once('/')?;
    let is_mark = |c: char| c.is_whitespace() || matches!(c, ',' | '|' | '[' | ']');
    let methods: Vec<&str> = before.split(is_mark).filter(|word| !word.is_empty()).collect();
    let joined = methods.join("|");
    let written_so = before.trim_end() == joined;
    (methods.len() > 1 && !written_so && methods.iter().all(|word| is_method(word)))
        .then(|| format!("{joined} /{path}"))
}

fn methods(text: &str) -> Result<Vec<Method>, PatternError> {
    let mut methods = Vec::new();
    for word in text.split('|') {
        let method = method(word)?;
        if methods.contains(&method) {
            return Err(PatternError::DuplicateMethod(word.to_owned()));
        }
        methods.push(method);
    }
    Ok(methods)
}

fn method(word: &str) -> Result<Method, PatternError> {
    let upper = word.to_ascii_uppercase();
    if upper != word && is_method(&upper) {
        return Err(PatternError::LowerCaseMethod {
            given: word.to_owned(),
            upper,
        });
    }
    let wrong = || PatternError::NotAMethod(word.to_owned());
    if !is_method(word) {
        return Err(wrong());
    }
    Method::from_bytes(word.as_bytes()).map_err(|_| wrong())
}

fn is_method(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

fn host(text: &str) -> Result<Host, PatternError> {
    let wrong = || PatternError::Host(text.to_owned());
    let lower = text.trim().to_ascii_lowercase();
    let name = lower.strip_prefix("*.").unwrap_or(&lower);
    let bracketed = name.starts_with('[') && name.ends_with(']');
    let is_name = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '-' | '_' | '.')
            || (bracketed && matches!(c, ':' | '[' | ']'))
    };
    if name.is_empty() || name.starts_with('.') || name.contains("..") || !name.chars().all(is_name) {
        return Err(wrong());
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    Ok(if lower.starts_with("*.") {
        Host::Below(format!(".{name}").into())
    } else {
        Host::Exact(name.into())
    })
}

type Segments = (Vec<Segment>, bool, Vec<Box<str>>);

fn path_segments(path: &str) -> Result<Segments, PatternError> {
    refuse_what_never_matches(path)?;
    let mut segments = Vec::new();
    let mut names: Vec<Box<str>> = Vec::new();
    let mut rest = false;
    for text in path.trim_start_matches('/').split('/') {
        if rest {
            return Err(PatternError::RestNotLast(path.to_owned()));
        }
        if text == "**" {
            rest = true;
            continue;
        }
        let (segment, name) = segment(text)?;
        if let Some(name) = name {
            if names.contains(&name) {
                return Err(PatternError::DuplicateCapture(name.into()));
            }
            names.push(name);
        }
        segments.push(segment);
    }
    Ok((segments, rest, names))
}

fn refuse_what_never_matches(path: &str) -> Result<(), PatternError> {
    if path.contains(['?', '#']) {
        return Err(PatternError::QueryInPath(path.to_owned()));
    }
    if path.contains("//") {
        return Err(PatternError::EmptySegment(path.to_owned()));
    }
    let lower = path.to_ascii_lowercase();
    if lower.contains("%2f") || lower.contains("%5c") || lower.contains('\\') {
        return Err(PatternError::HiddenSlash(path.to_owned()));
    }
    if is_ambiguous(path) {
        return Err(PatternError::DotSegment(path.to_owned()));
    }
    Ok(())
}

fn segment(text: &str) -> Result<(Segment, Option<Box<str>>), PatternError> {
    if text.contains('*') {
        return Err(PatternError::Star(text.to_owned()));
    }
    let unbalanced = || PatternError::UnbalancedBrace(text.to_owned());
    let Some((prefix, after)) = text.split_once('{') else {
        return if text.contains('}') {
            Err(unbalanced())
        } else {
            Ok((Segment::Literal(decode(text).into()), None))
        };
    };
    let (name, suffix) = after.split_once('}').ok_or_else(unbalanced)?;
    if prefix.contains('}') || name.contains('{') || suffix.starts_with('}') {
        return Err(unbalanced());
    }
    if suffix.contains('{') {
        return Err(PatternError::TwoCaptures(text.to_owned()));
    }
    if suffix.contains('}') {
        return Err(unbalanced());
    }
    if name.is_empty() {
        return Err(PatternError::EmptyCapture(text.to_owned()));
    }
    if !is_capture_name(name) {
        return Err(PatternError::CaptureName(name.to_owned()));
    }
    let segment = if prefix.is_empty() && suffix.is_empty() {
        Segment::Name
    } else {
        Segment::Part {
            prefix: decode(prefix).into(),
            suffix: decode(suffix).into(),
        }
    };
    Ok((segment, Some(name.into())))
}

/// Whether `{name}` can be a capture.
pub(super) fn is_capture_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}
