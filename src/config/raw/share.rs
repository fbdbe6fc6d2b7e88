//! `share`: `auto`, `public`, or `{ per: cookie sid }`.

use http::HeaderName;

use super::super::model::Share;
use super::super::reader::Reader;
use super::super::source::Spanned;
use super::super::tree::{Node, Value};

/// `share`, as written.
pub(in crate::config) type RawShare = Spanned<Share>;

const EXPECTED: &str = "auto, public, or { per: cookie NAME } or { per: header NAME }";

/// Reads any of the shapes.
pub(super) fn read(node: Option<&Node>, r: &mut Reader<'_>) -> Option<RawShare> {
    let found = node?;
    match &found.value {
        Value::Text(text) if text.starts_with("per") => {
            r.wrong_kind(found, EXPECTED);
            r.report.amend(format!(
                "write {{ per: {} }}",
                text.trim_start_matches("per").trim_matches([':', ' '])
            ));
            None
        }
        Value::Text(_) => r
            .choice(node, &[("auto", Simple::Auto), ("public", Simple::Public)])
            .map(|word| {
                let share = match word.value {
                    Simple::Auto => Share::Auto,
                    Simple::Public => Share::Public,
                };
                Spanned::new(share, &word.place)
            }),
        Value::Map(_) => {
            let mut f = r.section(node, "share")?;
            let per = f.get("per");
            r.end(f);
            if per.is_none() && found.value == Value::Map(Vec::new()) {
                r.wrong_kind(found, EXPECTED);
            }
            per_one(&r.text(per, "`cookie NAME` or `header NAME`")?, r)
        }
        Value::Empty | Value::Null | Value::List(_) | Value::Noted => {
            r.wrong_kind(found, EXPECTED);
            None
        }
    }
}

#[derive(Clone, Copy)]
enum Simple {
    Auto,
    Public,
}

fn per_one(text: &Spanned<String>, r: &mut Reader<'_>) -> Option<RawShare> {
    let share = match text.value.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["cookie", name] => Some(Share::PerCookie((*name).to_owned())),
        ["header", name] => HeaderName::from_bytes(name.as_bytes()).ok().map(Share::PerHeader),
        _ => None,
    };
    let Some(share) = share else {
        let problem = r
            .report
            .error(&text.place, format!("`{}` names nobody", text.value));
        problem.cause("one copy is kept for each value of one cookie or one request field");
        problem.fix("write { per: cookie sid } or { per: header X-Tenant }");
        return None;
    };
    Some(Spanned::new(share, &text.place))
}
