//! `delta-seconds` (RFC 9111 §1.2.2): whole seconds, capped, never negative.

use std::time::Duration;

/// A number of whole seconds, at most 2^31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct DeltaSeconds(u32);

impl DeltaSeconds {
    /// No time at all: what unreadable freshness counts as (RFC 9111 §4.2.1).
    pub const ZERO: DeltaSeconds = DeltaSeconds(0);
    /// What every larger value counts as (RFC 9111 §1.2.2).
    pub const MAX: DeltaSeconds = DeltaSeconds(1 << 31);

    /// Reads `1*DIGIT`; anything else, a sign or a fraction included, is `None`.
    pub fn parse(text: &[u8]) -> Option<DeltaSeconds> {
        if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let value = text.iter().fold(0_u32, |sum, digit| {
            sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
        });
        Some(DeltaSeconds(value).min(Self::MAX))
    }

    /// A number of seconds, however large.
    pub fn capped(seconds: u64) -> DeltaSeconds {
        u32::try_from(seconds).map_or(Self::MAX, |seconds| DeltaSeconds(seconds).min(Self::MAX))
    }

    /// The same as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_are_seconds_and_overflow_is_capped() {
        let table: &[(&str, Option<u64>)] = &[
            ("0", Some(0)),
            ("60", Some(60)),
            ("0060", Some(60)),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", Some(2_147_483_648)), // §1.2.2: 2^31 stands for all beyond
            ("2147483649", Some(2_147_483_648)),
            ("4294967296", Some(2_147_483_648)),
            ("99999999999999999999999999", Some(2_147_483_648)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1 ", None),
            ("0x10", None),
            ("'60'", None),
            ("6O", None),
        ];
        for (text, seconds) in table {
            let read = DeltaSeconds::parse(text.as_bytes()).map(|d| d.duration().as_secs());
            assert_eq!(read, *seconds, "{text:?}");
        }
    }
}
