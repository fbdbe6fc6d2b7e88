//! A ttl: `5m`, a policy's name, `origin`, or `{ min, default, max }`.

use std::time::Duration;

use super::super::reader::Reader;
use super::super::source::{Place, Spanned};
use super::super::tree::{Node, Value};

/// A ttl, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum RawTtl {
    /// `origin`.
    Origin(Place),
    /// `5m`.
    Fixed(Spanned<Duration>),
    /// `product_info`.
    Policy(Spanned<String>),
    /// `{ min: 1m, default: 5m, max: 1h }`.
    Clamp {
        min: Option<Spanned<Duration>>,
        default: Option<Spanned<Duration>>,
        max: Option<Spanned<Duration>>,
        place: Place,
    },
}

impl RawTtl {
    /// Reads any of the shapes.
    pub fn read(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Self> {
        const EXPECTED: &str = "a duration, a policy's name, `origin`, or { min, default, max }";
        let node = node?;
        match &node.value {
            Value::Text(_) => {
                let text = r.text(Some(node), EXPECTED)?;
                Self::of_text(&text, r)
            }
            Value::Map(entries) if !entries.is_empty() => Self::clamp(node, r),
            Value::Empty | Value::Null | Value::List(_) | Value::Map(_) | Value::Noted => {
                r.wrong_kind(node, EXPECTED);
                None
            }
        }
    }

    /// Reads a scalar: what begins with a digit or a sign is meant as a duration.
    pub fn of_text(text: &Spanned<String>, r: &mut Reader<'_>) -> Option<Self> {
        let first = text.value.chars().next();
        if text.value == "origin" {
            Some(RawTtl::Origin(text.place.clone()))
        } else if first.is_some_and(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
            r.duration_of(text).map(RawTtl::Fixed)
        } else {
            Some(RawTtl::Policy(text.clone()))
        }
    }

    fn clamp(node: &Node, r: &mut Reader<'_>) -> Option<Self> {
        let mut f = r.section(Some(node), "ttl: { }")?;
        let clamp = RawTtl::Clamp {
            min: r.duration(f.get("min")),
            default: r.duration(f.get("default")),
            max: r.duration(f.get("max")),
            place: node.place.clone(),
        };
        r.end(f);
        Some(clamp)
    }

    /// Where it was written.
    pub fn place(&self) -> &Place {
        match self {
            RawTtl::Origin(place) | RawTtl::Clamp { place, .. } => place,
            RawTtl::Fixed(fixed) => &fixed.place,
            RawTtl::Policy(name) => &name.place,
        }
    }

    /// Whether it hands freshness back to the origin.
    pub fn is_origin(&self) -> bool {
        matches!(self, RawTtl::Origin(_))
    }
}
