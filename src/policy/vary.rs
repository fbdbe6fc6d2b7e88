//! Selecting a stored response by the fields that its `Vary` nominates (RFC 9111 §4.1).

use http::{HeaderMap, HeaderName};

/// The nominated fields of a stored response with the normalised values its request had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Selecting {
    /// Name and normalised value; `None` where the request lacked the field.
    pub fields: Box<[(HeaderName, Option<Box<[u8]>>)]>,
}

impl Selecting {
    /// What `Vary` in `answer` nominates, with `request`'s values. `Err` for `Vary: *`.
    /// `ignored`: the rule lifts `Vary`.
    pub fn of(_answer: &HeaderMap, _request: &HeaderMap, _ignored: bool) -> Result<Selecting, VaryStar> {
        todo!()
    }

    /// Whether a request with these fields selects the stored response.
    pub fn matches(&self, _request: &HeaderMap) -> bool {
        todo!()
    }

    /// The same nominated fields with another request's values: what the variant for that request
    /// would be stored under.
    pub fn for_request(&self, _request: &HeaderMap) -> Selecting {
        todo!()
    }
}

/// `Vary: *`: no request ever selects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VaryStar;
