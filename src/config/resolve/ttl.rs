//! Named policies, and what a written ttl stands for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::duration::{self, LONGEST};
use super::super::model::Ttl;
use super::super::raw::{Policy, RawTtl};
use super::super::report::Report;
use super::super::similar::nearest;
use super::super::source::{Place, Spanned};

/// The named policies of a file. One that is unreadable is known, and stands for nothing.
pub(super) struct Policies(BTreeMap<String, Option<Ttl>>);

impl Policies {
    /// Resolves the section `ttl`.
    pub fn new(written: &[Policy], report: &mut Report) -> Self {
        let mut policies = BTreeMap::new();
        for policy in written {
            let ttl = match &policy.ttl {
                Some(RawTtl::Policy(other)) => {
                    let title = format!("`{}` is not a duration", other.value);
                    let problem = report.error(&other.place, title);
                    problem.cause("a policy stands for a duration, not for another policy");
                    problem.fix("write a duration such as 30m");
                    None
                }
                Some(RawTtl::Origin(_)) => Some(Ttl::Origin),
                Some(RawTtl::Fixed(fixed)) => fixed_ttl(fixed, report),
                Some(RawTtl::Clamp {
                    min,
                    default,
                    max,
                    place,
                }) => clamp(min, default, max, place, report),
                None => None,
            };
            policies.insert(policy.name.value.clone(), ttl);
        }
        Policies(policies)
    }

    /// What a ttl stands for; `None` if that was noted as wrong.
    pub fn resolve(&self, written: &RawTtl, report: &mut Report) -> Option<Ttl> {
        match written {
            RawTtl::Origin(_) => Some(Ttl::Origin),
            RawTtl::Fixed(fixed) => fixed_ttl(fixed, report),
            RawTtl::Clamp {
                min,
                default,
                max,
                place,
            } => clamp(min, default, max, place, report),
            RawTtl::Policy(name) => match self.0.get(&name.value) {
                Some(ttl) => *ttl,
                None => {
                    self.undefined(name, report);
                    None
                }
            },
        }
    }

    /// A ttl of a status: a duration, or a policy that is one. Zero is a word too: not stored.
    pub fn resolve_status(&self, written: &RawTtl, report: &mut Report) -> Option<Duration> {
        match written {
            RawTtl::Fixed(fixed) => Some(fixed.value),
            RawTtl::Policy(name) => match self.resolve(written, report)? {
                Ttl::Fixed(duration) => Some(duration),
                Ttl::Origin | Ttl::Clamp { .. } => {
                    let title = format!("the policy `{}` is not a plain duration", name.value);
                    let problem = report.error(&name.place, title);
                    problem
                        .cause("a status takes a duration alone")
                        .fix("write one such as 30s");
                    None
                }
            },
            // The reader noted these.
            RawTtl::Origin(_) | RawTtl::Clamp { .. } => None,
        }
    }

    fn undefined(&self, name: &Spanned<String>, report: &mut Report) {
        let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
        let near = nearest(&name.value, known.iter().copied().chain(["origin"]));
        let cause = if known.is_empty() {
            "the file has no section `ttl:` that names policies".to_owned()
        } else {
            format!("`ttl:` at the top of the file names: {}", known.join(", "))
        };
        let problem = report.error(&name.place, format!("no ttl is named `{}`", name.value));
        problem.cause(cause);
        match near {
            Some(near) => problem
                .label(format!("did you mean `{near}`?"))
                .fix(format!("write {near}")),
            None => problem.fix(format!(
                "write a duration such as 5m, or add `{}: 5m` under `ttl:` at the top of the file",
                name.value
            )),
        };
    }
}

fn fixed_ttl(fixed: &Spanned<Duration>, report: &mut Report) -> Option<Ttl> {
    if fixed.value.is_zero() {
        let problem = report.error(&fixed.place, "a ttl of no time at all");
        problem.cause("every answer would be stale at once");
        problem.fix("write `cache: false` to pass requests through, or a longer ttl");
        return None;
    }
    Some(Ttl::Fixed(fixed.value))
}

type Bound = Option<Spanned<Duration>>;

fn clamp(min: &Bound, default: &Bound, max: &Bound, place: &Place, report: &mut Report) -> Option<Ttl> {
    let ordered = [
        ("min", min, "default", default),
        ("default", default, "max", max),
        ("min", min, "max", max),
    ];
    for (low_name, low, high_name, high) in ordered {
        let (Some(low), Some(high)) = (low, high) else {
            continue;
        };
        if low.value > high.value {
            let also = report.excerpt(&high.place, &format!("`{high_name}`"));
            let title = format!("`{low_name}` is longer than `{high_name}`");
            let problem = report.error(&low.place, title);
            problem.label(format!("`{low_name}`")).also(also);
            let (low, high) = (duration::show(low.value), duration::show(high.value));
            problem.cause(format!("nothing is at least {low} and at most {high} long"));
            problem.fix("order them: min, default, max");
            return None;
        }
    }
    if max.as_ref().is_some_and(|max| max.value.is_zero()) {
        let problem = report.error(place, "a ttl of no time at all");
        problem
            .cause("with `max: 0s` every answer would be stale at once")
            .fix("write `cache: false`");
        return None;
    }
    Some(Ttl::Clamp {
        min: min.as_ref().map_or(Duration::ZERO, |m| m.value),
        default: default.as_ref().map(|d| d.value),
        max: max.as_ref().map_or(LONGEST, |m| m.value),
    })
}
