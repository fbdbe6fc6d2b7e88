//! Header field grammars, one field a file. Pure, and forgiving only where the RFCs are.
//!
//! Where a value is malformed, the more restrictive reading wins: a refusal that is spelled badly
//! still refuses, a permission that is spelled badly permits nothing.

pub mod age;
pub mod cache_control;
pub mod cache_groups;
pub mod cache_status;
pub mod coding;
pub mod connection;
pub mod content_length;
pub mod content_type;
pub mod delta_seconds;
pub mod etag;
pub mod forwarded;
pub mod http_date;
pub mod list;
pub mod media_range;
pub mod range;
mod structured;
pub mod targeted;
pub mod trailer;
pub mod vary;
pub mod via;
pub mod weighted;

/// The length of a field section, bytes, with so many counted for each line beside its name and value.
pub fn section_length(fields: &http::HeaderMap, each_line: usize) -> usize {
    let lines = fields.iter();
    lines
        .map(|(name, value)| name.as_str().len() + value.len() + each_line)
        .sum()
}
