//! Where Larder listens and whom it forwards to, and that these are not the same.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderValue, Uri};

use super::super::model::{Address, HostField, Origin};
use super::super::raw::{Raw, RawHost, RawOrigin};
use super::super::report::Report;
use super::super::source::{Place, Spanned};
use super::value;

/// Ports of both listeners where the file says nothing.
const LISTEN: u16 = 8080;
const ADMIN: u16 = 9321;

/// Every place of `listen`, in its order, and `admin`.
pub(super) fn listeners(raw: &Raw, report: &mut Report) -> (Option<Vec<Address>>, Option<SocketAddr>) {
    let admin = listener(raw.admin.as_ref(), ADMIN, report);
    if !raw.listen_written {
        return (
            listener(None, LISTEN, report).map(|any| vec![Address::Tcp(any)]),
            admin,
        );
    }
    let places: Vec<Option<Address>> = raw
        .listen
        .iter()
        .map(|written| place(&written.address, report))
        .collect();
    let places: Option<Vec<Address>> = places.into_iter().collect();
    (places.filter(|places| !places.is_empty()), admin)
}

fn place(written: &Spanned<String>, report: &mut Report) -> Option<Address> {
    match written.value.trim().strip_prefix("unix:") {
        Some(path) => unix(path, "a listener", written, report).map(Address::Unix),
        None => listener(Some(written), LISTEN, report).map(Address::Tcp),
    }
}

/// Longest path of a socket, in bytes: the system has room for no more.
const SOCKET_PATH: usize = 107;

/// The path in `unix:/path` or `unix:///path`.
fn unix(path: &str, what: &str, written: &Spanned<String>, report: &mut Report) -> Option<PathBuf> {
    let path = path.strip_prefix("//").unwrap_or(path);
    let (cause, fix) = if !path.starts_with('/') {
        (
            "the path must begin with a slash",
            "write one such as unix:/run/larder/http.sock".to_owned(),
        )
    } else if path.len() > SOCKET_PATH {
        (
            "the path of a socket has at most 107 bytes",
            "write a shorter one".to_owned(),
        )
    } else {
        return Some(PathBuf::from(path));
    };
    let problem = report.error(
        &written.place,
        format!("`unix:{path}` is not the socket of {what}"),
    );
    problem.cause(cause).fix(fix);
    None
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
        let also = if port == LISTEN {
            ", or unix:/path for a socket"
        } else {
            ""
        };
        (
            "it takes an address and a port, without a scheme".to_owned(),
            format!("write 0.0.0.0:{port}{also}"),
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
    let located = located(written.url.as_ref()?, report)?;
    Some(Origin {
        host: located.host,
        port: located.port,
        unix: located.unix,
        tls: None,
        h2c: located.scheme == Scheme::H2c,
        http2: http2(written, located.scheme, report),
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

/// Whether HTTP/2 may be agreed on; where it is spoken without asking, it may not be forbidden.
fn http2(written: &RawOrigin, scheme: Scheme, report: &mut Report) -> bool {
    let Some(wanted) = &written.http2 else {
        return true;
    };
    if scheme == Scheme::H2c && !wanted.value {
        let problem = report.error(&wanted.place, "`http2: false` with an h2c:// url");
        problem.cause("h2c:// is HTTP/2 and nothing else");
        problem.fix("begin the url with http:// for HTTP/1.1, or remove `http2`");
    }
    wanted.value
}

fn host_field(written: &RawOrigin) -> HostField {
    match written.host.as_ref().map(|h| &h.value) {
        Some(RawHost::Fixed(name)) => {
            HeaderValue::from_str(name).map_or(HostField::Forward, HostField::Fixed)
        }
        Some(RawHost::Forward) | None => HostField::Forward,
    }
}

/// How an origin is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// HTTP/1.1 in clear.
    Http,
    /// Over TLS, HTTP/2 or HTTP/1.1.
    Https,
    /// HTTP/2 in clear.
    H2c,
}

impl Scheme {
    const ALL: [(&'static str, Scheme); 3] = [
        ("http", Scheme::Http),
        ("https", Scheme::Https),
        ("h2c", Scheme::H2c),
    ];

    fn usual_port(self) -> u16 {
        match self {
            Scheme::Http | Scheme::H2c => 80,
            Scheme::Https => 443,
        }
    }
}

/// Where an origin is.
struct Located {
    scheme: Scheme,
    host: String,
    port: u16,
    unix: Option<PathBuf>,
}

/// Whether an origin's URL asks for TLS.
pub(in crate::config) fn is_secured(url: &str) -> bool {
    url.trim()
        .split_once("://")
        .is_some_and(|(scheme, _)| scheme == "https")
}

/// The host of an origin's URL, without brackets.
pub(in crate::config) fn host_of(url: &str) -> Option<String> {
    let uri = url.trim().parse::<Uri>().ok()?;
    Some(bare(uri.host()?).to_owned())
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Where `http://host:port` is.
fn located(written: &Spanned<String>, report: &mut Report) -> Option<Located> {
    if let Some(path) = written.value.trim().strip_prefix("unix:") {
        return Some(Located {
            scheme: Scheme::Http,
            // What a request without `Host` is sent with.
            host: "localhost".to_owned(),
            port: 80,
            unix: Some(unix(path, "an origin", written, report)?),
        });
    }
    url(written, report)
}

fn url(written: &Spanned<String>, report: &mut Report) -> Option<Located> {
    let text = written.value.trim();
    // User and password may be secrets: they are shown nowhere.
    let (secret, shown) = match text.rsplit_once('@') {
        Some((before, rest)) => (
            Some(before.split_once("://").map_or(before, |(_, user)| user)),
            rest,
        ),
        None => (None, text),
    };
    let mut refuse = |cause: &str, fix: String| -> Option<Located> {
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
    let Some((_, known)) = Scheme::ALL.into_iter().find(|(word, _)| *word == scheme) else {
        let lower = scheme.to_lowercase();
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        return if Scheme::ALL.iter().any(|(word, _)| *word == lower) {
            refuse(
                "schemes are written in lower case",
                format!("write {lower}://{host}"),
            )
        } else {
            refuse(
                "origins are spoken to by http://, https://, h2c:// or over unix:/path",
                example(),
            )
        };
    };
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
        return refuse(cause, format!("write {scheme}://{authority}"));
    }
    let after_host = authority
        .as_str()
        .get(authority.host().len()..)
        .unwrap_or_default();
    let port = match (after_host, authority.port_u16()) {
        ("", _) => known.usual_port(),
        (_, Some(port)) if port > 0 => port,
        _ => {
            return refuse(
                "the port must be a number from 1 to 65535",
                format!("write {scheme}://{}:3000", authority.host()),
            );
        }
    };
    Some(Located {
        scheme: known,
        host: bare(authority.host()).to_owned(),
        port,
        unix: None,
    })
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
    listen: &[Address],
    admin: Option<SocketAddr>,
    origin: Option<&Origin>,
    report: &mut Report,
) {
    let written = raw.listen.iter().map(|listen| Some(listen.address.place.clone()));
    let listeners = listen.iter().zip(written.chain(std::iter::repeat(None)));
    let admin_place = raw.admin.as_ref().map(|admin| admin.place.clone());
    let mut bound: Vec<Bound> = Vec::new();
    for (address, place) in listeners {
        bound.push(Bound {
            key: "listen",
            address: address.clone(),
            place,
        });
    }
    bound.extend(admin.map(|admin| Bound {
        key: "admin",
        address: Address::Tcp(admin),
        place: admin_place,
    }));
    if let Some(origin) = origin {
        for one in &bound {
            one.is_not(origin, raw, report);
        }
    }
    for (number, one) in bound.iter().enumerate() {
        if let Some(other) = bound.iter().take(number).find(|other| one.meets(other)) {
            one.cannot_stand_beside(other, report);
        }
    }
}

/// A listener, and where it is written.
struct Bound {
    key: &'static str,
    address: Address,
    place: Option<Place>,
}

impl Bound {
    fn is_not(&self, origin: &Origin, raw: &Raw, report: &mut Report) {
        let same = match (&self.address, &origin.unix) {
            (Address::Tcp(address), None) => is_here(*address, origin),
            (Address::Unix(path), Some(other)) => path == other,
            (Address::Tcp(_), Some(_)) | (Address::Unix(_), None) => false,
        };
        if !same {
            return;
        }
        let also = self.place.as_ref();
        let also = also.and_then(|at| report.excerpt(at, &format!("`{}`", self.key)));
        let title = format!("`origin` is the address that `{}` listens on", self.key);
        let url = raw.origin.as_ref().and_then(|origin| origin.url.as_ref());
        let problem = report.error(url.map_or(&Place::Nowhere, |url| &url.place), title);
        let shown = match &origin.unix {
            Some(path) => format!("unix:{}", path.display()),
            None => format!("{}:{}", origin.host, origin.port),
        };
        problem.label(shown).also(also);
        problem.cause(format!(
            "Larder listens on {} and would forward every request to itself",
            self.address
        ));
        problem.fix("give the application another port, and write that port in `origin`");
    }

    fn meets(&self, other: &Bound) -> bool {
        match (&self.address, &other.address) {
            (Address::Tcp(one), Address::Tcp(other)) => meet(*one, *other),
            (Address::Unix(one), Address::Unix(other)) => one == other,
            (Address::Tcp(_), Address::Unix(_)) | (Address::Unix(_), Address::Tcp(_)) => false,
        }
    }

    fn cannot_stand_beside(&self, other: &Bound, report: &mut Report) {
        let also = other.place.as_ref();
        let also = also.and_then(|at| report.excerpt(at, &format!("`{}`", other.key)));
        let at = self.place.as_ref().or(other.place.as_ref());
        let at = at.cloned().unwrap_or(Place::Nowhere);
        if self.key == other.key {
            let problem = report.error(&at, "two listeners have the same address");
            problem.also(also).cause("only one of them could be opened");
            problem.fix("remove one of them, or give it another port");
            return;
        }
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
            ("https://app", Some(("app", 443))),
            ("h2c://app:50051", Some(("app", 50051))),
            ("HTTPS://app", None),
            ("ftp://app", None),
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
            let found = found.as_ref().map(|found| (found.host.as_str(), found.port));
            assert_eq!(found, expected, "{text}");
            assert!(!report.finish().0.to_string().contains("secret"));
        }
    }
}
