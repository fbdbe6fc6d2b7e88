//! Tells the crate what only its build knows: commit, target and compiler (`src/version.rs`).
//!
//! `LARDER_COMMIT` names the commit, for builds without a repository. Otherwise a release build
//! asks git, and does without where git has no answer. A build for development does not ask:
//! it holds changes that no commit has, and every commit would compile everything anew.
#![allow(clippy::print_stdout, reason = "a build script speaks to cargo so")]

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LARDER_COMMIT");
    println!("cargo::rustc-env=LARDER_BUILD_TARGET={}", variable("TARGET"));
    println!("cargo::rustc-env=LARDER_BUILD_RUSTC={}", compiler());
    println!("cargo::rustc-env=LARDER_BUILD_COMMIT={}", commit());
}

/// A variable's first line; nothing if it is not set.
fn variable(name: &str) -> String {
    first_line(&env::var(name).unwrap_or_default())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// `1.95.0`, of `rustc 1.95.0 (59807616e 2026-04-14)`.
fn compiler() -> String {
    let said = said(Command::new(variable("RUSTC")).arg("--version"));
    said.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// The commit, or nothing.
fn commit() -> String {
    let given = variable("LARDER_COMMIT");
    if !given.is_empty() || variable("PROFILE") != "release" {
        return given;
    }
    // Sources within somebody else's repository have no commit of their own.
    let commit = git(&["rev-parse", "HEAD"]);
    if commit.is_empty() || !git(&["rev-parse", "--show-prefix"]).is_empty() {
        return String::new();
    }
    watch();
    commit
}

/// Has cargo look again when another commit is checked out, or one is made. A path that does not
/// exist would have it look every time: a branch may have no file of its own.
fn watch() {
    let branch = git(&["rev-parse", "--symbolic-full-name", "HEAD"]);
    for name in ["HEAD", "logs/HEAD", &branch] {
        let path = git(&["rev-parse", "--git-path", name]);
        if Path::new(&path).is_file() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// What git says of the directory of this package; nothing where it fails or is not there.
fn git(arguments: &[&str]) -> String {
    said(Command::new("git").args(arguments))
}

fn said(command: &mut Command) -> String {
    match command.output() {
        Ok(output) if output.status.success() => first_line(&String::from_utf8_lossy(&output.stdout)),
        Ok(_) | Err(_) => String::new(),
    }
}
