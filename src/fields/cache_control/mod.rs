//! `Cache-Control` of requests and answers (RFC 9111 §5.2, RFC 5861, RFC 8246), read in one pass.
//!
//! What the directives mean together is for `policy` to say. Unknown directives are ignored.

use http::{HeaderMap, HeaderName, header};

use super::delta_seconds::DeltaSeconds;
use super::list;

#[cfg(test)]
mod tests;

/// Every directive of a message's `Cache-Control` lines. Reading allocates only for the field
/// names of a qualified `private` or `no-cache`.
///
/// Of a repeated number the smallest counts, and one that cannot be read counts as zero: that is
/// stale (RFC 9111 §4.2.1). Restrictions count with whatever argument they come, and so does
/// `immutable` (RFC 8246 §2); permissions (`public`, `must-understand`) only in their exact form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// `max-age` (§5.2.1.1, §5.2.2.1).
    pub max_age: Option<DeltaSeconds>,
    /// `s-maxage` (§5.2.2.10).
    pub s_maxage: Option<DeltaSeconds>,
    /// `stale-while-revalidate` (RFC 5861 §3).
    pub stale_while_revalidate: Option<DeltaSeconds>,
    /// `stale-if-error` (RFC 5861 §4).
    pub stale_if_error: Option<DeltaSeconds>,
    /// `max-stale` (§5.2.1.2); without an argument [`DeltaSeconds::MAX`].
    pub max_stale: Option<DeltaSeconds>,
    /// `min-fresh` (§5.2.1.3); of several the largest, the one that asks most.
    pub min_fresh: Option<DeltaSeconds>,
    /// `private` (§5.2.2.7).
    pub private: Scope,
    /// `no-cache` (§5.2.1.4, §5.2.2.4).
    pub no_cache: Scope,
    /// `public` (§5.2.2.9).
    pub public: bool,
    /// `no-store` (§5.2.1.5, §5.2.2.5).
    pub no_store: bool,
    /// `must-revalidate` (§5.2.2.2).
    pub must_revalidate: bool,
    /// `proxy-revalidate` (§5.2.2.8).
    pub proxy_revalidate: bool,
    /// `must-understand` (§5.2.2.3).
    pub must_understand: bool,
    /// `no-transform` (§5.2.1.6, §5.2.2.6).
    pub no_transform: bool,
    /// `only-if-cached` (§5.2.1.7).
    pub only_if_cached: bool,
    /// `immutable` (RFC 8246 §2).
    pub immutable: bool,
}

/// What a directive with an optional list of field names covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// The directive is absent.
    #[default]
    Absent,
    /// The whole response: no argument, or one that is not a list of field names.
    Whole,
    /// These fields alone.
    Fields(Vec<HeaderName>),
}

impl Scope {
    /// Whether the directive is about the whole response.
    pub fn is_whole(&self) -> bool {
        match self {
            Scope::Whole => true,
            Scope::Absent | Scope::Fields(_) => false,
        }
    }

    /// The fields named; none in the unqualified form.
    pub fn fields(&self) -> &[HeaderName] {
        match self {
            Scope::Absent | Scope::Whole => &[],
            Scope::Fields(names) => names,
        }
    }

    /// What an argument makes of the directive: one that is no list of field names widens it to
    /// the whole response.
    pub(super) fn of_argument(argument: &[u8]) -> Scope {
        field_names(argument).map_or(Scope::Whole, Scope::Fields)
    }

    /// Adds one occurrence; the wider form wins over the narrower.
    fn widen(&mut self, argument: Option<&[u8]>) {
        match (self, argument.map_or(Scope::Whole, Scope::of_argument)) {
            (Scope::Fields(names), Scope::Fields(more)) => names.extend(more),
            (scope @ Scope::Absent, Scope::Fields(names)) => *scope = Scope::Fields(names),
            (Scope::Whole, Scope::Fields(_)) | (_, Scope::Absent) => {}
            (scope, Scope::Whole) => *scope = Scope::Whole,
        }
    }
}

impl CacheControl {
    /// Reads every `Cache-Control` line of a message.
    pub fn of(fields: &HeaderMap) -> CacheControl {
        let mut read = CacheControl::default();
        for line in fields.get_all(header::CACHE_CONTROL) {
            read.add_line(line.as_bytes());
        }
        read
    }

    /// Reads one more line.
    pub fn add_line(&mut self, line: &[u8]) {
        for directive in list::members(line).map(Directive::split) {
            self.add(&directive);
        }
    }

    fn add(&mut self, directive: &Directive<'_>) {
        let argument = directive.argument;
        // By length first: one comparison per directive instead of sixteen.
        match directive.name.len() {
            6 if directive.is("public") => self.public |= argument.is_none(),
            7 if directive.is("max-age") => smallest(&mut self.max_age, directive),
            7 if directive.is("private") => self.private.widen(argument),
            8 if directive.is("s-maxage") => smallest(&mut self.s_maxage, directive),
            8 if directive.is("no-store") => self.no_store = true,
            8 if directive.is("no-cache") => self.no_cache.widen(argument),
            9 if directive.is("immutable") => self.immutable = true,
            9 if directive.is("max-stale") => self.add_max_stale(directive),
            9 if directive.is("min-fresh") => self.min_fresh = self.min_fresh.max(directive.seconds()),
            12 if directive.is("no-transform") => self.no_transform = true,
            14 if directive.is("only-if-cached") => self.only_if_cached = true,
            14 if directive.is("stale-if-error") => smallest(&mut self.stale_if_error, directive),
            15 if directive.is("must-revalidate") => self.must_revalidate = true,
            15 if directive.is("must-understand") => self.must_understand |= argument.is_none(),
            16 if directive.is("proxy-revalidate") => self.proxy_revalidate = true,
            22 if directive.is("stale-while-revalidate") => {
                smallest(&mut self.stale_while_revalidate, directive);
            }
            // Unknown, or no directive at all.
            _ if !list::is_token(directive.name) => self.add_refusals(directive.text),
            _ => {}
        }
    }

    /// Reads a member that is no directive, such as `private; max-age=60` or `no-store max-age=60`: it
    /// permits nothing, and a refusal in it still refuses.
    fn add_refusals(&mut self, text: &[u8]) {
        let words = text.split(|byte| !list::is_token(std::slice::from_ref(byte)));
        for word in words.map(|word| word.to_ascii_lowercase()) {
            match word.as_slice() {
                b"no-store" => self.no_store = true,
                b"private" => self.private.widen(None),
                b"no-cache" => self.no_cache.widen(None),
                b"must-revalidate" => self.must_revalidate = true,
                b"proxy-revalidate" => self.proxy_revalidate = true,
                b"no-transform" => self.no_transform = true,
                _ => {}
            }
        }
    }

    fn add_max_stale(&mut self, directive: &Directive<'_>) {
        if directive.argument.is_some() {
            smallest(&mut self.max_stale, directive);
        } else if self.max_stale.is_none() {
            self.max_stale = Some(DeltaSeconds::MAX);
        }
    }
}

/// Keeps the smaller of what is there and what the directive says; unreadable is zero.
fn smallest(slot: &mut Option<DeltaSeconds>, directive: &Directive<'_>) {
    let value = directive.seconds().unwrap_or(DeltaSeconds::ZERO);
    *slot = Some(slot.map_or(value, |present| present.min(value)));
}

/// One directive, as written.
#[derive(Debug, Clone, Copy)]
pub struct Directive<'a> {
    /// Its name, in any case.
    pub name: &'a [u8],
    /// What follows `=`, without the quotes of a quoted string.
    pub argument: Option<&'a [u8]>,
    /// The whole member.
    pub text: &'a [u8],
}

impl<'a> Directive<'a> {
    /// Splits a list member at its first `=`. Space around `=` is not allowed (§5.2), and stays
    /// in the argument, which then reads as invalid rather than as absent.
    pub fn split(text: &'a [u8]) -> Directive<'a> {
        let Some(equals) = text.iter().position(|b| *b == b'=') else {
            return Directive {
                name: text,
                argument: None,
                text,
            };
        };
        let (name, rest) = text.split_at(equals);
        let spaced = name.trim_ascii_end().len() != name.len();
        let argument = if spaced {
            rest
        } else {
            unquote(rest.get(1..).unwrap_or_default())
        };
        Directive {
            name: name.trim_ascii_end(),
            argument: Some(argument),
            text,
        }
    }

    /// Whether this is the directive called `name`; case does not count (§5.2).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    fn seconds(&self) -> Option<DeltaSeconds> {
        self.argument.and_then(DeltaSeconds::parse)
    }
}

/// The directives of one line, as written, for those who rewrite it.
pub fn directives(line: &[u8]) -> impl Iterator<Item = Directive<'_>> {
    list::members(line).map(Directive::split)
}

/// Without the quotes of a quoted string; escapes stay, since no valid argument has any.
fn unquote(argument: &[u8]) -> &[u8] {
    argument
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(argument)
}

/// A list of field names; `None` if it has none, or anything that is none.
fn field_names(argument: &[u8]) -> Option<Vec<HeaderName>> {
    let names: Result<Vec<_>, _> = list::members(argument).map(HeaderName::from_bytes).collect();
    names.ok().filter(|names| !names.is_empty())
}
