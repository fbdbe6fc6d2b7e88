//! What this binary is, as its build told it (`build.rs`).

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// For which platform it was built.
pub const TARGET: &str = env!("LARDER_BUILD_TARGET");
/// The oldest compiler that builds it.
pub const MSRV: &str = env!("CARGO_PKG_RUST_VERSION");
/// What secures connections, and what it computes with; there is no second choice.
pub const TLS: (&str, &str) = ("rustls", "ring");
/// What there is beyond plain forwarding and storing; the same in every build of a version.
pub const FEATURES: [&str; 6] = ["tls", "http2", "redis", "zstd", "br", "gzip"];

/// The commit it was built from, where the build knew one.
pub fn commit() -> Option<&'static str> {
    known(env!("LARDER_BUILD_COMMIT"))
}

/// The compiler that built it, where that said so.
pub fn compiler() -> Option<&'static str> {
    known(env!("LARDER_BUILD_RUSTC"))
}

/// What logs and metrics show where nothing is known.
pub const UNKNOWN: &str = "unknown";

fn known(text: &'static str) -> Option<&'static str> {
    Some(text).filter(|text| !text.is_empty())
}
