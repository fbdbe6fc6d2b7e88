//! `larder check FILE`: says everything that is wrong with a configuration, and what is
//! probably not meant. Prints nothing itself.

use std::collections::BTreeMap;
use std::path::Path;

/// Checks a file: what to print, and the exit code: 0 valid, 1 valid with warnings, 2 not valid.
pub fn check(_path: &Path, _env: &BTreeMap<String, String>) -> (String, u8) {
    todo!()
}
