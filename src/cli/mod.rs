//! The commands, one a file. None prints or exits: each hands back what to show and the exit
//! code, or writes to what it is given.

mod admin_port;
pub mod check;
pub mod client;
pub mod completions;
pub mod demo;
mod front;
pub mod man;
pub mod purge;
pub mod reload;
mod runtime;
pub mod serve;
pub mod version;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{CommandFactory, Parser};

pub use admin_port::AdminPort;
pub use front::{Front, Launch, Start, StartFailure, start};

use crate::config::SCHEMA;

/// What a command has to say when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code.
    pub code: u8,
    /// The text: for standard output where the code is 0, else for standard error.
    pub text: String,
    /// For standard error, whatever the code: what is no part of the result.
    pub aside: String,
}

impl Output {
    /// Done.
    pub fn ok(text: impl Into<String>) -> Self {
        Self {
            code: 0,
            text: text.into(),
            aside: String::new(),
        }
    }

    /// Not done.
    pub fn failed(code: u8, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            aside: String::new(),
        }
    }

    /// The same, with something to say beside the result.
    #[must_use]
    pub fn with_aside(mut self, aside: String) -> Self {
        self.aside = aside;
        self
    }
}

/// A caching reverse-proxy sidecar that explains itself
#[derive(Debug, Parser)]
#[command(name = "larder", version, arg_required_else_help = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve traffic
    Serve(Box<serve::ServeArgs>),
    /// Check a configuration: exit code 0 valid, 1 valid with warnings, 2 not valid
    Check {
        /// The configuration
        file: PathBuf,
    },
    /// Drop stored responses of a running Larder
    Purge(purge::PurgeArgs),
    /// Have a running Larder read its configuration again: exit code 0 in force, 1 refused
    Reload(reload::ReloadArgs),
    /// Try Larder in front of a slow sample shop
    Demo(demo::DemoArgs),
    /// Say which version this is, and how it was built
    Version(version::VersionArgs),
    /// Print the JSON Schema of the configuration
    Schema,
    /// Print a script that completes commands and flags in a shell
    Completions(completions::CompletionsArgs),
    /// Print a manual page, or write all of them into a directory
    Man(man::ManArgs),
}

/// Runs the command that `line` (the program's name first) names. `out` gets what a command
/// says while it runs; `start` brings a Larder up.
pub fn run(
    line: impl IntoIterator<Item = OsString>,
    env: &BTreeMap<String, String>,
    out: &mut dyn Write,
    start: Start,
) -> Output {
    let command = match Line::try_parse_from(line) {
        Ok(line) => line.command,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            let text = error.render().to_string();
            return Output {
                code,
                ..Output::ok(text)
            };
        }
    };
    match command {
        Command::Serve(args) => serve::serve(&args, env, start),
        Command::Check { file } => {
            let (text, code) = check::check(&file, env);
            // What it finds is its result, whatever the code.
            match out.write_all(text.as_bytes()) {
                Ok(()) => Output {
                    code,
                    ..Output::ok("")
                },
                Err(error) => Output::failed(2, format!("larder check: cannot write: {error}\n")),
            }
        }
        Command::Purge(args) => runtime::block_on(1, purge::purge(&args)),
        Command::Reload(args) => runtime::block_on(1, reload::reload(&args)),
        Command::Demo(args) => runtime::block_on(2, demo::demo(&args, out, start)),
        Command::Version(args) => version::version(&args),
        Command::Schema => Output::ok(SCHEMA),
        Command::Completions(args) => completions::completions(&args, Line::command()),
        Command::Man(args) => man::man(&args, Line::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(line: &[&str]) -> Output {
        let line = line.iter().map(OsString::from);
        let start: Start = |_| Box::pin(async { Err("not in this test".into()) });
        run(line, &BTreeMap::new(), &mut Vec::new(), start)
    }

    #[test]
    fn the_version_and_help_are_no_errors_and_the_rest_is() {
        assert_eq!(
            output(&["larder", "--version"]),
            Output::ok(format!("larder {}\n", env!("CARGO_PKG_VERSION")))
        );
        assert_eq!(output(&["larder", "serve", "--help"]).code, 0);
        assert_eq!(output(&["larder", "srve"]).code, 2);
        assert_eq!(output(&["larder", "purge"]).code, 2);
        assert_eq!(output(&["larder"]).code, 2);
    }
}
