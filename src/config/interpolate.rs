//! `${VAR}` and `${VAR:-default}` inside one scalar, after parsing: a value from the environment
//! is text and is never read as YAML. `$$` is a dollar.

use std::collections::BTreeMap;

use super::report::Report;
use super::similar::nearest;
use super::tree::{Node, Value};

/// Fills in every scalar of the tree.
pub(super) fn fill(node: &mut Node, env: &BTreeMap<String, String>, report: &mut Report) {
    match &mut node.value {
        Value::Text(text) => match expand(text, env) {
            Ok(Some(filled)) => *text = filled,
            Ok(None) => {}
            Err(trouble) => {
                trouble.note(node, env, report);
                node.value = Value::Noted;
            }
        },
        Value::List(items) => items.iter_mut().for_each(|item| fill(item, env, report)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| fill(value, env, report)),
        Value::Empty | Value::Null | Value::Noted => {}
    }
}

/// Why a scalar cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    Unclosed,
    BadName(String),
    Missing(String),
}

impl Trouble {
    fn note(&self, node: &Node, env: &BTreeMap<String, String>, report: &mut Report) {
        match self {
            Trouble::Unclosed => report
                .error(&node.place, "`${` without a closing `}`")
                .cause("`${NAME}` stands for an environment variable")
                .fix("close it, or write `$$` for a dollar"),
            Trouble::BadName(name) => report
                .error(&node.place, format!("`{name}` cannot be the name of a variable"))
                .cause("names are letters, digits and underscores, and do not begin with a digit")
                .fix("write ${NAME} or ${NAME:-default}; `$$` is a dollar"),
            Trouble::Missing(name) => {
                let known = env.keys().map(String::as_str);
                let near = nearest(name, known).map(|n| format!("did you mean `{n}`? Otherwise "));
                report
                    .error(&node.place, format!("the variable {name} is not set"))
                    .label("needs it")
                    .cause("no environment variable of that name exists, and no default is given")
                    .fix(format!(
                        "{}set {name}, or write ${{{name}:-default}}",
                        near.unwrap_or_default()
                    ))
            }
        };
    }
}

/// The text with its variables; `None` if it has none.
fn expand(text: &str, env: &BTreeMap<String, String>) -> Result<Option<String>, Trouble> {
    if !text.contains('$') {
        return Ok(None);
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let (inside, after) = after.split_once('}').ok_or(Trouble::Unclosed)?;
            out.push_str(&value(inside, env)?);
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(Some(out))
}

/// What `NAME` or `NAME:-default` stands for; as in a shell, an empty variable takes the default.
fn value(inside: &str, env: &BTreeMap<String, String>) -> Result<String, Trouble> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Trouble::BadName(inside.to_owned()));
    }
    match (env.get(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value.clone()),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Trouble::Missing(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_once() {
        let env = BTreeMap::from([
            ("HOST".to_owned(), "app".to_owned()),
            ("EMPTY".to_owned(), String::new()),
            ("TRICK".to_owned(), "${HOST} $$ [a, b]".to_owned()),
        ]);
        let ok = |t: &str| Ok(Some(t.to_owned()));
        for (text, expected) in [
            ("plain", Ok(None)),
            ("http://${HOST}:80", ok("http://app:80")),
            ("${HOST}${HOST}", ok("appapp")),
            ("${NONE:-x y}", ok("x y")),
            ("${NONE:-}", ok("")),
            ("${EMPTY:-x}", ok("x")),
            ("${EMPTY}", ok("")),
            ("$$HOST $${HOST}", ok("$HOST ${HOST}")),
            ("cost $5", ok("cost $5")),
            ("${TRICK}", ok("${HOST} $$ [a, b]")),
            ("${HOST", Err(Trouble::Unclosed)),
            ("${NONE}", Err(Trouble::Missing("NONE".into()))),
            ("${1A}", Err(Trouble::BadName("1A".into()))),
            ("${}", Err(Trouble::BadName(String::new()))),
        ] {
            assert_eq!(expand(text, &env), expected, "{text}");
        }
    }
}
