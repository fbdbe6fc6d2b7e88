//! `key`: what tells two requests apart.

use http::HeaderName;

use super::super::model::{JsonOthers, Unkeyed};
use super::super::reader::Reader;
use super::super::source::{Place, Spanned};
use super::super::tree::{Node, Value};

/// `key`, as written. Its parts have defaults one by one.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct RawKey {
    pub query: Option<Spanned<RawQuery>>,
    pub unkeyed: Option<Spanned<Unkeyed>>,
    pub headers: Option<Vec<Spanned<HeaderName>>>,
    pub cookies: Option<Vec<Spanned<String>>>,
    pub body: Option<Spanned<RawBody>>,
}

/// `key.query`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum RawQuery {
    All,
    None,
    Only(Vec<Spanned<String>>),
    Except(Vec<Spanned<String>>),
}

/// `key.body`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum RawBody {
    Ignored,
    Whole,
    Json {
        fields: Vec<Spanned<String>>,
        others: JsonOthers,
    },
}

impl RawKey {
    /// Reads the section.
    pub fn read(node: Option<&Node>, r: &mut Reader<'_>) -> Self {
        let Some(mut f) = r.section(node, "key") else {
            return Self::default();
        };
        let key = Self {
            query: query(f.get("query"), r),
            unkeyed: r.choice(
                f.get("unkeyed"),
                &[("drop", Unkeyed::Drop), ("forward", Unkeyed::Forward)],
            ),
            headers: headers(f.get("headers"), r),
            cookies: r.texts(f.get("cookies"), "a list of cookie names such as [theme]"),
            body: body(f.get("body"), r),
        };
        r.end(f);
        key
    }
}

fn query(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<RawQuery>> {
    const EXPECTED: &str = "all, none, a list of names, or { except: [names] }";
    let node = node?;
    let query = match &node.value {
        Value::Text(text) if text == "all" => RawQuery::All,
        Value::Text(text) if text == "none" => RawQuery::None,
        Value::List(_) => RawQuery::Only(names(r.texts(Some(node), "names")?, node, false, r)?),
        Value::Map(_) => {
            let mut f = r.section(Some(node), "key.query")?;
            let except = f.get("except");
            r.end(f);
            let except = except?;
            RawQuery::Except(names(
                r.texts(Some(except), "a list of names such as [utm_*]")?,
                except,
                true,
                r,
            )?)
        }
        Value::Text(text) => {
            let fix = format!("write [{text}] for this parameter alone");
            r.wrong_kind(node, EXPECTED);
            r.report.amend(fix);
            return None;
        }
        Value::Empty | Value::Null | Value::Noted => {
            r.wrong_kind(node, EXPECTED);
            return None;
        }
    };
    Some(Spanned::new(query, &node.place))
}

/// Names of parameters; a `*` stands only at the end, and only in `except`.
fn names(
    names: Vec<Spanned<String>>,
    node: &Node,
    wildcards: bool,
    r: &mut Reader<'_>,
) -> Option<Vec<Spanned<String>>> {
    if names.is_empty() {
        let problem = r.report.error(&node.place, "a list without names");
        let fix = if wildcards {
            "write `query: all`"
        } else {
            "write `query: none`"
        };
        problem.cause("it says nothing about the query").fix(fix);
        return None;
    }
    for name in &names {
        let stem = name
            .value
            .strip_suffix('*')
            .filter(|_| wildcards)
            .unwrap_or(&name.value);
        if stem.contains('*') || stem.is_empty() {
            let title = format!("`{}` cannot name a parameter", name.value);
            let problem = r.report.error(&name.place, title);
            problem.cause("`*` stands for any ending, in `except` alone, after the start of a name");
            problem.fix("write whole names, or `{ except: [utm_*] }`");
        } else if stem.contains(['&', '=', '?', '#']) {
            let problem = r
                .report
                .error(&name.place, format!("`{}` cannot name a parameter", name.value));
            problem
                .cause("`&`, `=`, `?` and `#` separate parameters")
                .fix("write the name alone");
        }
    }
    Some(names)
}

fn headers(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Vec<Spanned<HeaderName>>> {
    let names = r.texts(node, "a list of field names such as [Accept-Language]")?;
    Some(names.iter().filter_map(|name| field_name(name, r)).collect())
}

/// A field name, or a note that it is none.
pub(in crate::config) fn field_name(
    text: &Spanned<String>,
    r: &mut Reader<'_>,
) -> Option<Spanned<HeaderName>> {
    match HeaderName::from_bytes(text.value.as_bytes()) {
        Ok(name) => Some(Spanned::new(name, &text.place)),
        Err(_) => {
            let problem = r
                .report
                .error(&text.place, format!("`{}` is not a field name", text.value));
            problem.cause("field names are letters, digits and a few signs such as `-`");
            problem.fix("write one such as X-Tenant");
            None
        }
    }
}

fn body(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<RawBody>> {
    let node = node?;
    let body = match &node.value {
        Value::Text(text) if text == "true" => RawBody::Whole,
        Value::Text(text) if text == "false" => RawBody::Ignored,
        Value::Map(_) => json(node, r)?,
        Value::Text(_) | Value::Empty | Value::Null | Value::List(_) | Value::Noted => {
            r.wrong_kind(node, "true, false, or { json: [fields] }");
            return None;
        }
    };
    Some(Spanned::new(body, &node.place))
}

fn json(node: &Node, r: &mut Reader<'_>) -> Option<RawBody> {
    let mut f = r.section(Some(node), "key.body")?;
    let fields = f.get("json");
    let others = r.choice(
        f.get("others"),
        &[("pass", JsonOthers::Pass), ("ignore", JsonOthers::Ignore)],
    );
    r.end(f);
    if fields.is_none() {
        no_fields(&node.place, r);
        return None;
    }
    let fields = r.texts(fields, "a list of JSON members such as [product_sku, days]")?;
    if fields.is_empty() {
        no_fields(&node.place, r);
        return None;
    }
    Some(RawBody::Json {
        fields,
        others: others.map_or(JsonOthers::Pass, |o| o.value),
    })
}

fn no_fields(place: &Place, r: &mut Reader<'_>) {
    let problem = r.report.error(place, "`key.body` names no JSON members");
    problem.cause("without one, all requests would share an answer");
    problem.fix("write { json: [product_sku, days] }, or `true` for the whole body");
}
