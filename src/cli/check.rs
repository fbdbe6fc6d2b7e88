//! `larder check FILE`: says everything that is wrong with a configuration, and what is
//! probably not meant. Prints nothing itself.

use std::collections::BTreeMap;
use std::path::Path;

use super::front::in_one_line;
use crate::config::{Config, Loaded, Overrides, Source, load};

/// Checks a file as `serve` would read it, environment included: what to print, and the exit
/// code.
///
/// | code | means |
/// |---|---|
/// | 0 | valid |
/// | 1 | valid, with warnings |
/// | 2 | not valid, or not readable |
pub fn check(path: &Path, env: &BTreeMap<String, String>) -> (String, u8) {
    let source = match Source::read(path) {
        Ok(source) => source,
        Err(problems) => return (problems.render(false), 2),
    };
    let name = source.name.clone();
    match load(Some(source), env, &Overrides::default()) {
        Ok(Loaded { config, warnings }) => {
            let mut out: String = warnings.iter().map(|warning| format!("{warning}\n")).collect();
            out.push_str(&format!(
                "{name}: {}{}\n",
                counted("valid", warnings.len(), "warning"),
                summary(&config)
            ));
            (out, u8::from(!warnings.is_empty()))
        }
        Err(problems) => {
            let end = counted("not valid", problems.0.len(), "error");
            (format!("{problems}\n{name}: {end}\n"), 2)
        }
    }
}

fn counted(word: &str, count: usize, what: &str) -> String {
    match count {
        0 => word.to_owned(),
        1 => format!("{word}, 1 {what}"),
        many => format!("{word}, {many} {what}s"),
    }
}

/// What the file comes to, in one line.
fn summary(config: &Config) -> String {
    let rules = config.rules.rules().len();
    let rules = if rules == 1 {
        "1 rule".to_owned()
    } else {
        format!("{rules} rules")
    };
    let listen = in_one_line(config.listen.iter().map(|listen| &listen.address));
    let memory = config.store.memory >> 20;
    let redis = config
        .redis
        .as_ref()
        .map_or_else(String::new, |redis| format!(", Redis {}", redis.servers));
    format!("; {rules}, {listen} -> {}, {memory} MiB{redis}", config.origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_valid_warned_and_broken_apart() {
        let directory = tempfile::tempdir().unwrap();
        let warned = "origin: http://app\nrules:\n  - match: GET /\n    ttl: 1m\n    set_cookie: share\n";
        for (text, code, word) in [
            ("origin: http://app\n", 0, "valid; 0 rules"),
            (warned, 1, "valid, 1 warning; 1 rule"),
            ("orgin: http://app\n", 2, "not valid, 1 error"),
        ] {
            let path = directory.path().join("larder.yaml");
            std::fs::write(&path, text).unwrap();
            let (out, found) = check(&path, &BTreeMap::new());
            assert_eq!(found, code, "{out}");
            assert!(out.contains(word), "{out}");
        }
        let (out, code) = check(&directory.path().join("none.yaml"), &BTreeMap::new());
        assert_eq!(code, 2, "{out}");
    }
}
