//! What can be wrong with patterns, templates and tables; each message says cause and fix.

/// Why a pattern cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing but white space.
    #[error("the pattern is empty; write a method and a path, such as `GET /products/{{sku}}`")]
    Empty,
    /// More than two words.
    #[error("`{0}` has more than a method and a path; write `%20` for a space within a path")]
    ExtraWords(String),
    /// Several methods, and not with `|` between.
    #[error("`{given}`: several methods are written with `|` between and no space; write `{meant}`")]
    MethodList {
        /// As written.
        given: String,
        /// As it should be.
        meant: String,
    },
    /// A URL in place of a path.
    #[error(
        "`{given}` is a URL, and a match takes a path; write `{path}`, and `host: {host}` beside `match`"
    )]
    Url {
        /// As written.
        given: String,
        /// Its host.
        host: String,
        /// Its path.
        path: String,
    },
    /// A method without a path.
    #[error("`{0}` has no path; write one after the method, such as `{0} /products`")]
    NoPath(String),
    /// The path does not begin with a slash.
    #[error("the path `{0}` does not begin with `/`; write `/{0}`")]
    MissingSlash(String),
    /// A method in lower or mixed case.
    #[error("methods are written in capital letters; write `{upper}` instead of `{given}`")]
    LowerCaseMethod {
        /// As written.
        given: String,
        /// As it should be.
        upper: String,
    },
    /// A method that is no token of capital letters.
    #[error("`{0}` is not a method; write one such as `GET`, or several as `PUT|DELETE`")]
    NotAMethod(String),
    /// The same method twice.
    #[error("the method `{0}` is named twice; once is enough")]
    DuplicateMethod(String),
    /// A query or fragment in the path.
    #[error(
        "`{0}` holds a `?` or `#`; a pattern matches the path only, and `key: {{query: [...]}}` chooses parameters"
    )]
    QueryInPath(String),
    /// `//` in the path.
    #[error("`{0}` has an empty segment; requests with `//` always pass by, so write a single `/`")]
    EmptySegment(String),
    /// `.` or `..` in the path.
    #[error("`{0}` has a dot segment; requests with one always pass by, so write the path it stands for")]
    DotSegment(String),
    /// `%2F`, `%5C` or `\` in the path.
    #[error("`{0}` has a `%2F`, `%5C` or `\\`; requests with one always pass by, so write `/`")]
    HiddenSlash(String),
    /// `**` before the end.
    #[error(
        "`**` stands for the rest of a path and can only be its last segment, unlike in `{0}`; use `{{name}}` for one segment"
    )]
    RestNotLast(String),
    /// A star that is not `**` alone in its segment.
    #[error(
        "`{0}`: a `*` within a segment means nothing here; write `{{name}}` for one segment or `**` as the last segment for the rest"
    )]
    Star(String),
    /// `{}`.
    #[error("`{0}` has a capture without a name; write one between the braces, such as `{{id}}`")]
    EmptyCapture(String),
    /// A capture's name with other characters than letters, digits, `_` and `-`.
    #[error("`{{{0}}}` is not a capture: its name may hold letters, digits, `_` and `-` only")]
    CaptureName(String),
    /// The same capture twice in one pattern.
    #[error("the capture `{{{0}}}` is named twice in one path; give each its own name")]
    DuplicateCapture(String),
    /// Two captures in one segment.
    #[error("the segment `{0}` has two captures; one segment may hold one, with literal text around it")]
    TwoCaptures(String),
    /// A brace without its partner.
    #[error("`{0}` has a `{{` or `}}` without its partner; close every capture, as in `{{id}}`")]
    UnbalancedBrace(String),
    /// A host that is neither a name nor `*.name`.
    #[error(
        "`{0}` is not a host; write a name such as `shop.example.com`, or `*.example.com` for all below it, without scheme, port or path"
    )]
    Host(String),
}

/// Why a template cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No text at all.
    #[error("the template is empty; write a name, such as `product:{{sku}}`")]
    Empty,
    /// A brace without its partner.
    #[error("`{0}` has a `{{` or `}}` without its partner; close every place, as in `{{sku}}`")]
    UnbalancedBrace(String),
    /// `{}` or `{query.}`.
    #[error("`{0}` has a place without a name; write one, such as `{{sku}}` or `{{query.page}}`")]
    EmptyPlace(String),
    /// `{foo.bar}` with an unknown first word.
    #[error(
        "`{{{0}}}` is not a place; those with a dot begin with `query.`, `header.`, `response.` or `json.`"
    )]
    UnknownSource(String),
    /// A name that no capture can have.
    #[error("`{{{0}}}` is not a capture: its name may hold letters, digits, `_` and `-` only")]
    CaptureName(String),
    /// `{header.x}` or `{response.x}` with a name that no field can have.
    #[error("`{0}` is not a field name; write one such as `x-product`")]
    FieldName(String),
}

/// Two rules that would both answer the same request, equally specific.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rules {first} and {second} would both answer `{example}`, and neither is more specific")]
pub struct TableError {
    /// Index of the rule that came first.
    pub first: usize,
    /// Index of the rule that ties with it.
    pub second: usize,
    /// A request that both would answer: `GET /a/1`, or `GET shop.example.com/a/1` with a host.
    pub example: String,
}
