//! `larder man`: the manual pages, one a command, out of the same text as `--help`.

use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;

use super::Output;
use crate::version::VERSION;

/// Which page, and where it goes.
#[derive(Debug, Clone, clap::Args)]
pub struct ManArgs {
    /// The command whose page is printed; without it, the page that lists them
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub command: Option<String>,
    /// Write all pages into this directory instead, as larder.1, larder-serve.1 and so on
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Prints a page of `line`, the whole command line of Larder, or writes all of them. Exit code 2:
/// there is no such command, or the directory cannot be written to.
pub fn man(args: &ManArgs, line: Command) -> Output {
    match &args.dir {
        Some(directory) => match write(directory, line) {
            Ok(()) => Output::ok(""),
            Err(error) => Output::failed(
                2,
                format!("larder man: cannot write into {}: {error}\n", directory.display()),
            ),
        },
        None => print(args.command.as_deref(), line),
    }
}

fn write(directory: &Path, line: Command) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let line = built(line);
    for command in iter::once(&line).chain(line.get_subcommands()) {
        page(command).generate_to(directory)?;
    }
    Ok(())
}

/// Only a built command knows its subcommands by their whole names.
fn built(line: Command) -> Command {
    let mut line = line.disable_help_subcommand(true);
    line.build();
    line
}

fn page(command: &Command) -> Man {
    Man::new(command.clone()).source(format!("larder {VERSION}"))
}

fn print(name: Option<&str>, line: Command) -> Output {
    let line = built(line);
    let command = match name {
        None => Some(&line),
        Some(name) => line.find_subcommand(name),
    };
    let Some(command) = command else {
        let commands: Vec<&str> = line.get_subcommands().map(Command::get_name).collect();
        let known = commands.join(", ");
        let name = name.unwrap_or_default();
        return Output::failed(
            2,
            format!("larder man: there is no command `{name}`; there are {known}\n"),
        );
    };
    let mut text = Vec::new();
    match page(command).render(&mut text) {
        Ok(()) => Output::ok(String::from_utf8_lossy(&text)),
        Err(error) => Output::failed(2, format!("larder man: {error}\n")),
    }
}
