//! Where Larder listens and whom it forwards to, and that these are not the same.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::{HeaderValue, Uri};

use super::super::model::{HostField, Origin};
use super::super::raw::{Raw, RawHost, RawOrigin};
use super::super::report::Report;
use super::super::source::{Place, Spanned};
use super::value;

/// Ports of both listeners where the file says nothing.
const LISTEN: u16 = 8080;
const ADMIN: u16 = 9321;

/// `listen` and `admin`.
pub(super) fn listeners(raw: &Raw, report: &mut Report) -> (Option<SocketAddr>, Option<SocketAddr>) {
    (
        listener(raw.listen.as_ref(), LISTEN, report),
        listener(raw.admin.as_ref(), ADMIN, report),
    )
}

fn listener(written: Option<&Spanned<String>>, port: u16, report: &mut Report) -> Option<SocketAddr> {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let Some(written) = written else {
        return Some(SocketAddr::new(any, port));
    };
    let text = written.value.trim();
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (cause, fix) = if text.contains("://") || text.starts_with("unix:") {
        (
            "it takes a TCP address: no scheme, no path".to_owned(),
            format!("write 0.0.0.0:{port}"),
        )
    } else if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        (
            "the address is missing".to_owned(),
            format!("write 0.0.0.0:{port} for every address of this host"),
        )
    } else if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        (
            "the port is missing".to_owned(),
            format!("write {}", SocketAddr::new(ip, port)),
        )
    } else if let Some(port) = text.strip_prefix("localhost:") {
        (
            "it takes an address, not a name".to_owned(),
            format!("write 127.0.0.1:{port}"),
        )
    } else {
        let cause = "it takes an IP address and a port from 0 to 65535";
        (cause.to_owned(), format!("write one such as 0.0.0.0:{port}"))
    };
    report
        .error(&written.place, format!("`{text}` is not an address to listen on"))
        .cause(cause)
        .fix(fix);
    None
}

/// The origin; a missing one is an error.
pub(super) fn origin(raw: &Raw, report: &mut Report) -> Option<Origin> {
    if !raw.origin_written {
        report
            .error(&Place::Nowhere, "no origin is set")
            .cause("Larder needs to know which server it stands in front of")
            .fix("add `origin: http://127.0.0.1:3000`, pass --origin, or set LARDER_ORIGIN");
        return None;
    }
    let written = raw.origin.as_ref()?;
    let (host, port) = url(written.url.as_ref()?, report)?;
    Some(Origin {
        host,
        port,
        connect_timeout: value(&written.connect_timeout, Duration::from_secs(1)),
        response_timeout: value(&written.response_timeout, Duration::from_secs(120)),
        idle_timeout: value(&written.idle_timeout, Duration::from_secs(1)),
        max_connections: super::count(&written.max_connections, 256),
        max_in_flight: written
            .max_in_flight
            .as_ref()
            .and_then(|m| usize::try_from(m.value).ok()),
        host_field: host_field(written),
    })
}

fn host_field(written: &RawOrigin) -> HostField {
    match written.host.as_ref().map(|h| &h.value) {
        Some(RawHost::Fixed(name)) => {
            HeaderValue::from_str(name).map_or(HostField::Forward, HostField::Fixed)
        }
        Some(RawHost::Forward) | None => HostField::Forward,
    }
}

/// Host and port of `http://host:port`.
fn url(written: &Spanned<String>, report: &mut Report) -> Option<(String, u16)> {
    let text = written.value.trim();
    // User and password may be secrets: they are shown nowhere.
    let (secret, shown) = match text.rsplit_once('@') {
        Some((before, rest)) => (
            Some(before.split_once("://").map_or(before, |(_, user)| user)),
            rest,
        ),
        None => (None, text),
    };
    let mut refuse = |cause: &str, fix: String| -> Option<(String, u16)> {
        let problem = report.error(&written.place, format!("`{shown}` is not an origin"));
        problem.cause(cause).fix(fix);
        if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
            problem.hide(secret);
        }
        None
    };
    let example = || "write one such as http://127.0.0.1:3000".to_owned();
    if let Some(meant) = with_braces(shown) {
        let cause = "a variable stands for its value only in braces";
        return refuse(cause, format!("write {meant}"));
    }
    let port = text.trim_start_matches(':');
    if port.parse::<u16>().is_ok() {
        let cause = "a port is not enough to find a server by";
        return refuse(cause, format!("write http://127.0.0.1:{port}"));
    }
    let (scheme, rest) = match text.split_once("://") {
        Some(split) => split,
        None if text.contains('/') || text.is_empty() || text.contains(char::is_whitespace) => {
            return refuse("an origin is a URL: a scheme, a host and a port", example());
        }
        None => return refuse("the scheme is missing", format!("write http://{shown}")),
    };
    if scheme != "http" {
        let cause = "only plain http:// is spoken to origins";
        return match scheme.to_lowercase().as_str() {
            "http" => refuse(
                "schemes are written in lower case",
                format!(
                    "write http://{}",
                    rest.rsplit_once('@').map_or(rest, |(_, host)| host)
                ),
            ),
            "https" => refuse(
                cause,
                "write the http:// address of the application in the same pod".into(),
            ),
            _ => refuse(cause, example()),
        };
    }
    if rest.contains('@') {
        let cause = "user and password in the URL would be sent to nobody";
        return refuse(
            cause,
            "remove them; clients' own credentials are forwarded as they are".into(),
        );
    }
    let Ok(uri) = text.parse::<Uri>() else {
        return refuse("it is not a URL", example());
    };
    let Some(authority) = uri.authority().filter(|a| !a.host().is_empty()) else {
        return refuse("the host is missing", example());
    };
    if uri.path() != "/" || uri.query().is_some() || text.contains('#') {
        let cause = "requests are forwarded with the path they came with; the origin has none of its own";
        return refuse(cause, format!("write http://{authority}"));
    }
    let after_host = authority
        .as_str()
        .get(authority.host().len()..)
        .unwrap_or_default();
    let port = match (after_host, authority.port_u16()) {
        ("", _) => 80,
        (_, Some(port)) if port > 0 => port,
        _ => {
            return refuse(
                "the port must be a number from 1 to 65535",
                format!("write http://{}:3000", authority.host()),
            );
        }
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), port))
}

/// `http://${HOST}` for `http://$HOST`; nothing for text without such a name.
pub(in crate::config) fn with_braces(text: &str) -> Option<String> {
    let (before, after) = text.split_once('$')?;
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let name = after
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .next()?;
    let rest = after.strip_prefix(name)?;
    name.starts_with(is_start)
        .then(|| format!("{before}${{{name}}}{rest}"))
}

/// Refuses listeners that meet one another or the origin.
pub(super) fn conflicts(
    raw: &Raw,
    listen: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    origin: Option<&Origin>,
    report: &mut Report,
) {
    let nowhere = Place::Nowhere;
    let place = |written: &Option<Spanned<String>>| written.as_ref().map(|w| w.place.clone());
    let url = raw.origin.as_ref().and_then(|o| place(&o.url));
    for (key, address, at) in [
        ("listen", listen, place(&raw.listen)),
        ("admin", admin, place(&raw.admin)),
    ] {
        let (Some(address), Some(origin)) = (address, origin) else {
            continue;
        };
        if is_here(address, origin) {
            let also = at.as_ref().and_then(|at| report.excerpt(at, &format!("`{key}`")));
            let title = format!("`origin` is the address that `{key}` listens on");
            let problem = report.error(url.as_ref().unwrap_or(&nowhere), title);
            problem
                .label(format!("{}:{}", origin.host, origin.port))
                .also(also);
            problem.cause(format!(
                "Larder listens on {address} and would forward every request to itself"
            ));
            problem.fix("give the application another port, and write that port in `origin`");
        }
    }
    if let (Some(listen), Some(admin)) = (listen, admin)
        && meet(listen, admin)
    {
        let also = place(&raw.listen).and_then(|at| report.excerpt(&at, "`listen`"));
        let at = place(&raw.admin)
            .or_else(|| place(&raw.listen))
            .unwrap_or(nowhere);
        report
            .error(&at, "`admin` and `listen` are the same address")
            .also(also)
            .cause("the admin port must not be reachable as part of the application")
            .fix(format!(
                "give one of them another port; the default of `admin` is {ADMIN}"
            ));
    }
}

/// Whether two listeners cannot both be bound. Port 0 asks for any free port.
fn meet(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0
        && a.port() == b.port()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// Whether a connection to the origin would reach the listener.
fn is_here(listen: SocketAddr, origin: &Origin) -> bool {
    if listen.port() == 0 || listen.port() != origin.port {
        return false;
    }
    let named = origin
        .host
        .trim_end_matches('.')
        .eq_ignore_ascii_case("localhost");
    let ip = origin.host.parse::<IpAddr>().ok();
    let local = named || ip.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified());
    let same = ip == Some(listen.ip());
    // Connecting to 0.0.0.0 reaches this host, as does `localhost`.
    let unspecific = named || ip.is_some_and(|ip| ip.is_unspecified());
    same || (local && listen.ip().is_unspecified()) || (unspecific && listen.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Origin {
        let raw = Raw {
            origin_written: true,
            origin: Some(RawOrigin {
                url: Some(Spanned::new(format!("http://{host}:{port}"), &Place::Nowhere)),
                ..RawOrigin::default()
            }),
            ..Raw::default()
        };
        origin(&raw, &mut Report::new(None)).unwrap()
    }

    #[test]
    fn an_origin_at_the_listener_is_found_by_any_name() {
        for (listen, host, port, expected) in [
            ("0.0.0.0:8080", "127.0.0.1", 8080, true),
            ("0.0.0.0:8080", "localhost", 8080, true),
            ("0.0.0.0:8080", "LocalHost", 8080, true),
            ("0.0.0.0:8080", "0.0.0.0", 8080, true),
            ("0.0.0.0:8080", "127.0.0.2", 8080, true),
            ("[::]:8080", "127.0.0.1", 8080, true),
            ("[::]:8080", "[::1]", 8080, true),
            ("127.0.0.1:8080", "localhost", 8080, true),
            ("127.0.0.1:8080", "0.0.0.0", 8080, true),
            ("10.0.0.5:8080", "10.0.0.5", 8080, true),
            ("10.0.0.5:8080", "127.0.0.1", 8080, false),
            ("0.0.0.0:8080", "127.0.0.1", 3000, false),
            ("0.0.0.0:8080", "app", 8080, false),
            ("0.0.0.0:0", "127.0.0.1", 8080, false),
        ] {
            assert_eq!(
                is_here(listen.parse().unwrap(), &at(host, port)),
                expected,
                "{listen} {host}:{port}"
            );
        }
    }

    #[test]
    fn an_origin_is_a_host_and_a_port() {
        for (text, expected) in [
            ("http://127.0.0.1:3000", Some(("127.0.0.1", 3000))),
            ("http://app/", Some(("app", 80))),
            ("http://[::1]:3000", Some(("::1", 3000))),
            ("https://app", None),
            ("http://app/base", None),
            ("http://user:secret@app", None),
            ("http://app:99999", None),
            ("http://app:0", None),
            ("http://app:", None),
            ("http://", None),
            ("app:3000", None),
            ("http://a b", None),
            ("3000", None),
            ("$ORIGIN", None),
        ] {
            let mut report = Report::new(None);
            let found = url(&Spanned::new(text.to_owned(), &Place::Nowhere), &mut report);
            assert_eq!(found, expected.map(|(h, p)| (h.to_owned(), p)), "{text}");
            assert!(!report.finish().0.to_string().contains("secret"));
        }
    }
}
