//! `Cache-Status` (RFC 9211): Larder's own member, rendered.

use std::io::Write;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

/// The field's name.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What became of a request, in the words of RFC 9211 §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus {
    /// Answered from the store, forwarded, or neither.
    pub handling: Handling,
    /// Remaining freshness of the answer, where it has any notion of it.
    pub ttl: Option<Ttl>,
    /// A word from the closed list of reasons, where it adds to `fwd`.
    pub detail: Option<&'static str>,
}

/// Answered from the store, forwarded, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// `hit`: the store answered, stale or not.
    Hit,
    /// `fwd`: the request, or one that it was collapsed with, went to the origin.
    Forwarded {
        /// Why: one of the words of §2.2.
        fwd: &'static str,
        /// `fwd-status`: the origin's status where it differs from the one sent (§2.3).
        status: Option<u16>,
        /// `stored` (§2.5).
        stored: bool,
        /// `collapsed`, and whether the answer could be used; `None` without collapsing (§2.6).
        collapsed: Option<bool>,
    },
    /// Larder answered by itself.
    Refused,
}

/// Remaining freshness lifetime (§2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// Fresh for this long.
    Left(Duration),
    /// Stale for this long: written as a negative number.
    Over(Duration),
}

impl CacheStatus {
    /// The field value, a list of this one member.
    pub fn render(&self) -> HeaderValue {
        // Longest: both words at their longest and every parameter, far under this size. One
        // that did not fit would be cut, never dropped.
        let mut space = [0_u8; 192];
        let mut out = std::io::Cursor::new(space.as_mut_slice());
        let _ = self.write(&mut out);
        let length = usize::try_from(out.position()).unwrap_or(0);
        let text = space.get(..length).unwrap_or_default();
        HeaderValue::from_bytes(text).unwrap_or(HeaderValue::from_static("larder"))
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        out.write_all(b"larder")?;
        self.handling.write(out)?;
        match self.ttl {
            None => {}
            Some(Ttl::Left(left)) => {
                out.write_all(b"; ttl=")?;
                // Every hit comes by here: the formatting machinery costs more than all the rest.
                out.write_all(itoa::Buffer::new().format(left.as_secs()).as_bytes())?;
            }
            // A response that has just become stale shows at least one second of it.
            Some(Ttl::Over(over)) => write!(out, "; ttl=-{}", over.as_secs().max(1))?,
        }
        match self.detail {
            None => Ok(()),
            Some(word) => write!(out, "; detail={word}"),
        }
    }
}

impl Handling {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        match self {
            Handling::Hit => out.write_all(b"; hit"),
            Handling::Refused => Ok(()),
            Handling::Forwarded {
                fwd,
                status,
                stored,
                collapsed,
            } => {
                write!(out, "; fwd={fwd}")?;
                if let Some(status) = status {
                    write!(out, "; fwd-status={status}")?;
                }
                if *stored {
                    out.write_all(b"; stored")?;
                }
                match collapsed {
                    None => Ok(()),
                    Some(true) => out.write_all(b"; collapsed"),
                    Some(false) => out.write_all(b"; collapsed=?0"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(fwd: &'static str) -> Handling {
        Handling::Forwarded {
            fwd,
            status: None,
            stored: false,
            collapsed: None,
        }
    }

    #[test]
    fn members_read_as_in_the_rfc() {
        let seconds = Duration::from_secs;
        let table = [
            (Handling::Hit, None, None, "larder; hit"),
            (
                Handling::Hit,
                Some(Ttl::Left(seconds(1742))),
                None,
                "larder; hit; ttl=1742",
            ),
            (
                Handling::Hit,
                Some(Ttl::Left(Duration::from_millis(900))),
                None,
                "larder; hit; ttl=0",
            ),
            (
                Handling::Hit,
                Some(Ttl::Over(seconds(412))),
                None,
                "larder; hit; ttl=-412",
            ),
            (
                Handling::Hit,
                Some(Ttl::Over(Duration::from_millis(3))),
                None,
                "larder; hit; ttl=-1",
            ),
            (forwarded("uri-miss"), None, None, "larder; fwd=uri-miss"),
            (
                forwarded("bypass"),
                None,
                Some("credentials"),
                "larder; fwd=bypass; detail=credentials",
            ),
            (
                Handling::Forwarded {
                    fwd: "uri-miss",
                    status: None,
                    stored: true,
                    collapsed: None,
                },
                None,
                None,
                "larder; fwd=uri-miss; stored",
            ),
            (
                Handling::Forwarded {
                    fwd: "stale",
                    status: Some(304),
                    stored: true,
                    collapsed: None,
                },
                Some(Ttl::Left(seconds(60))),
                None,
                "larder; fwd=stale; fwd-status=304; stored; ttl=60",
            ),
            (
                Handling::Forwarded {
                    fwd: "uri-miss",
                    status: None,
                    stored: false,
                    collapsed: Some(true),
                },
                None,
                None,
                "larder; fwd=uri-miss; collapsed",
            ),
            (
                Handling::Forwarded {
                    fwd: "uri-miss",
                    status: None,
                    stored: false,
                    collapsed: Some(false),
                },
                None,
                None,
                "larder; fwd=uri-miss; collapsed=?0",
            ),
            (
                Handling::Refused,
                None,
                Some("bad-request"),
                "larder; detail=bad-request",
            ),
        ];
        for (handling, ttl, detail, expected) in table {
            assert_eq!(
                CacheStatus {
                    handling,
                    ttl,
                    detail
                }
                .render(),
                expected
            );
        }
    }

    #[test]
    fn the_longest_member_fits() {
        let handling = Handling::Forwarded {
            fwd: "uri-miss",
            status: Some(999),
            stored: true,
            collapsed: Some(false),
        };
        for reason in crate::policy::Reason::ALL {
            let ttl = Some(Ttl::Over(Duration::MAX));
            let text = CacheStatus {
                handling,
                ttl,
                detail: Some(reason.word()),
            }
            .render();
            assert!(text.to_str().unwrap().ends_with(reason.word()), "{text:?}");
        }
    }
}
