//! `larder version`: what this binary is, for people and for programs.

use serde_json::json;

use super::Output;
use crate::version::{FEATURES, MSRV, TARGET, TLS, UNKNOWN, VERSION, commit, compiler};

/// How it is said.
#[derive(Debug, Clone, clap::Args)]
pub struct VersionArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Says it. Always exit code 0.
pub fn version(args: &VersionArgs) -> Output {
    Output::ok(if args.json { as_json() } else { as_text() })
}

fn as_json() -> String {
    let (tls, provider) = TLS;
    let said = json!({
        "name": "larder",
        "version": VERSION,
        "commit": commit(),
        "target": TARGET,
        "rustc": compiler(),
        "msrv": MSRV,
        "tls": { "library": tls, "provider": provider },
        "features": FEATURES,
    });
    format!("{said:#}\n")
}

fn as_text() -> String {
    let (tls, provider) = TLS;
    format!(
        "larder {VERSION}\ncommit    {}\ntarget    {TARGET}\nrustc     {}, at least {MSRV}\ntls       {tls} with {provider}\nfeatures  {}\n",
        commit().unwrap_or(UNKNOWN),
        compiler().unwrap_or(UNKNOWN),
        FEATURES.join(", "),
    )
}
