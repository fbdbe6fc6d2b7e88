//! argv -> command -> exit code; the only place that prints or exits.

use std::io::Write;
use std::process::ExitCode;

use larder::cli;

fn main() -> ExitCode {
    // Variables that are not UTF-8 cannot be settings of ours.
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let env = std::env::vars_os().filter_map(text).collect();
    let mut out = std::io::stdout();
    let output = cli::run(std::env::args_os(), &env, &mut out, cli::start);
    // A reader that has gone away is no reason to fail.
    let _ = match output.code {
        0 => out.write_all(output.text.as_bytes()).and_then(|()| out.flush()),
        _ => std::io::stderr().write_all(output.text.as_bytes()),
    };
    let _ = std::io::stderr().write_all(output.aside.as_bytes());
    ExitCode::from(output.code)
}
