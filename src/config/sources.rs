//! Where a running Larder's configuration comes from: what its start reads, and every reload again.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use super::model::Store;
use super::seen::SeenFile;
use super::{Loaded, Machine, Overrides, Problems, Source};

/// Read where neither flag nor environment names a file, if it exists.
const DEFAULT_FILE: &str = "larder.yaml";

/// A file, variables and flags.
#[derive(Debug, Clone)]
pub struct Sources {
    file: PathBuf,
    /// Whether somebody named the file, so that it must exist.
    named: bool,
    env: BTreeMap<String, String>,
    flags: Overrides,
}

/// What one reading came to.
#[derive(Debug)]
pub struct Reading {
    /// The configuration, or why there is none.
    pub result: Result<Loaded, Problems>,
    /// Every file that was looked at, as it was then.
    pub files: Vec<SeenFile>,
    /// Whether the configuration's own file had anything in it.
    pub written: bool,
}

/// What a reload goes by of the configuration in force.
#[derive(Debug, Clone, Copy)]
pub struct InForce {
    /// The memory tier that runs: rules get their bounds from it until a restart.
    pub store: Store,
    /// Whether the file had anything in it.
    pub written: bool,
}

impl Sources {
    /// The file that a flag or `LARDER_CONFIG` names, else `./larder.yaml` if that exists.
    pub fn new(flag: Option<PathBuf>, env: &BTreeMap<String, String>, flags: Overrides) -> Self {
        let variable = env.get("LARDER_CONFIG").filter(|name| !name.is_empty());
        let named = flag.or_else(|| variable.map(PathBuf::from));
        Self {
            named: named.is_some(),
            file: named.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE)),
            env: env.clone(),
            flags,
        }
    }

    /// Reads everything for a start.
    pub fn read(&self) -> Reading {
        let (file, text) = SeenFile::read(self.file.clone());
        let source = match text {
            Ok(text) => Some(self.source(text)),
            Err(error) if error.kind() == ErrorKind::NotFound && !self.named => None,
            Err(error) => return Reading::refused(file, unreadable(&self.file, &error)),
        };
        self.load(file, source, None)
    }

    /// Reads everything again for a reload. What a start may leave out must not vanish: a file that
    /// is gone or empty for a moment is one that somebody is writing.
    pub fn read_again(&self, in_force: InForce) -> Reading {
        let (file, text) = SeenFile::read(self.file.clone());
        let source = match text {
            Ok(text) if in_force.written && text.trim().is_empty() => {
                return Reading::refused(file, emptied(&self.file));
            }
            Ok(text) => Some(self.source(text)),
            Err(error) if error.kind() == ErrorKind::NotFound && !self.named && !in_force.written => None,
            Err(error) => return Reading::refused(file, unreadable(&self.file, &error)),
        };
        self.load(file, source, Some(in_force.store))
    }

    fn source(&self, text: String) -> Source {
        Source {
            name: self.file.display().to_string(),
            text,
        }
    }

    fn load(&self, file: SeenFile, source: Option<Source>, store: Option<Store>) -> Reading {
        let written = source
            .as_ref()
            .is_some_and(|source| !source.text.trim().is_empty());
        let machine = Machine::here();
        let (result, named) = super::load_noting(machine, store, source, &self.env, &self.flags);
        let mut files = vec![file];
        files.extend(named);
        Reading {
            result,
            files,
            written,
        }
    }
}

impl Source {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// As the system says, or that it is not UTF-8.
    pub fn read(path: &Path) -> Result<Source, Problems> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Source {
                name: path.display().to_string(),
                text,
            }),
            Err(error) => Err(unreadable(path, &error)),
        }
    }
}

impl Reading {
    fn refused(file: SeenFile, problems: Problems) -> Self {
        Self {
            result: Err(problems),
            files: vec![file],
            written: false,
        }
    }
}

/// That a file cannot be read, and what to do about it.
fn unreadable(path: &Path, error: &Error) -> Problems {
    let fix = match error.kind() {
        ErrorKind::NotFound => "check the path; a relative one begins at the working directory",
        ErrorKind::IsADirectory => "name the file in this directory",
        ErrorKind::PermissionDenied => "let the user that runs Larder read it",
        ErrorKind::InvalidData => "save it as UTF-8 text",
        _ => "check that it can be read",
    };
    Problems::one(format!("cannot read {}: {error}", path.display()), None, fix)
}

fn emptied(path: &Path) -> Problems {
    Problems::one(
        format!("{} is empty", path.display()),
        Some("it was not before, so somebody may be writing it".to_owned()),
        "write the configuration into it; one without settings can say so in a comment",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        variables.iter().map(text).collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn origin(reading: Reading) -> String {
        reading.result.unwrap().config.origin.host
    }

    #[test]
    fn a_flag_names_the_file_before_the_environment_does() {
        let (by_flag, by_env) = (file("origin: http://flag\n"), file("origin: http://env\n"));
        let env = env(&[("LARDER_CONFIG", by_env.path().to_str().unwrap())]);
        let sources = |flag| Sources::new(flag, &env, Overrides::default());
        assert_eq!(origin(sources(Some(by_flag.path().to_owned())).read()), "flag");
        assert_eq!(origin(sources(None).read()), "env");
    }

    #[test]
    fn a_named_file_that_is_not_there_is_an_error() {
        let sources = Sources::new(
            Some("/nowhere/larder.yaml".into()),
            &env(&[]),
            Overrides::default(),
        );
        let problems = sources.read().result.unwrap_err().to_string();
        assert!(
            problems.contains("cannot read /nowhere/larder.yaml: "),
            "{problems}"
        );
    }

    #[test]
    fn what_was_written_must_not_vanish_at_a_reload() {
        let named = file("rules: []\n");
        let env = env(&[("LARDER_ORIGIN", "http://app")]);
        let sources = Sources::new(Some(named.path().to_owned()), &env, Overrides::default());
        let reading = sources.read();
        assert!(reading.written);
        let in_force = InForce {
            store: reading.result.unwrap().config.store,
            written: true,
        };
        for text in ["", " \n"] {
            std::fs::write(named.path(), text).unwrap();
            let problems = sources.read_again(in_force).result.unwrap_err().to_string();
            assert!(problems.contains("is empty"), "{problems}");
            assert!(sources.read().result.is_ok(), "a start may go without");
        }
        std::fs::write(named.path(), "# nothing\n").unwrap();
        assert!(sources.read_again(in_force).result.is_ok());
        std::fs::remove_file(named.path()).unwrap();
        assert!(sources.read_again(in_force).result.is_err());
    }

    #[test]
    fn every_file_that_was_looked_at_is_named_whatever_came_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("larder.yaml"), "origin: http://app\nadmin_token_file: token\n").unwrap();
        let sources = Sources::new(Some(at("larder.yaml")), &env(&[]), Overrides::default());
        let refused = sources.read();
        assert!(refused.result.is_err());
        let paths: Vec<_> = refused.files.iter().map(SeenFile::path).collect();
        assert_eq!(paths, [at("larder.yaml"), at("token")]);
        std::fs::write(at("token"), "secret").unwrap();
        let changed: Vec<_> = refused.files.iter().map(|file| file.look() != *file).collect();
        assert_eq!(changed, [false, true]);
        assert!(sources.read().result.is_ok());
    }
}
