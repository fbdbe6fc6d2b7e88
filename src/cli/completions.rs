//! `larder completions SHELL`: a script that completes commands and flags.

use clap::Command;
use clap_complete::{Shell, generate};

use super::Output;

/// For which shell.
#[derive(Debug, Clone, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// The script for `line`, the whole command line of Larder.
pub fn completions(args: &CompletionsArgs, mut line: Command) -> Output {
    let name = line.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, &mut line, name, &mut script);
    Output::ok(String::from_utf8_lossy(&script))
}
