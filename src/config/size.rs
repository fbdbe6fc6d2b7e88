//! `512KiB 64MiB`, and plain bytes.

const UNITS: [(&str, u64); 4] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads a size in bytes; the error is what to write instead.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let example = || "write a whole number of bytes, or one with KiB, MiB or GiB, such as 64MiB".to_owned();
    if number.is_empty() {
        return Err(example());
    }
    let factor = match unit {
        "" => 1,
        _ => match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, factor)) => *factor,
            None => {
                let first = unit.trim().to_lowercase().chars().next();
                let near = UNITS
                    .iter()
                    .find(|(name, _)| name.to_lowercase().chars().next() == first);
                let known = matches!(unit.trim().to_lowercase().get(1..), Some("" | "b" | "ib"));
                return Err(match near.filter(|_| known) {
                    Some((name, _)) => format!("write {number}{name}; units are multiples of 1024"),
                    None => example(),
                });
            }
        },
    };
    let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
    bytes
        .filter(|b| i64::try_from(*b).is_ok())
        .ok_or_else(|| "write a smaller size".to_owned())
}

/// A size in the language's own words, in its largest exact unit.
pub(super) fn show(bytes: u64) -> String {
    let exact = UNITS
        .iter()
        .rev()
        .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    exact.map_or_else(
        || bytes.to_string(),
        |(unit, factor)| format!("{}{unit}", bytes / factor),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_binary_multiples() {
        for (text, bytes) in [
            ("0", 0),
            ("500", 500),
            ("512KiB", 524_288),
            ("64MiB", 67_108_864),
            ("2GiB", 2_147_483_648),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
            assert_eq!(show(bytes), text);
        }
    }

    #[test]
    fn what_was_meant_is_offered() {
        for (text, fix) in [
            ("64MB", "write 64MiB; units are multiples of 1024"),
            ("64M", "write 64MiB; units are multiples of 1024"),
            ("64 mib", "write 64MiB; units are multiples of 1024"),
            ("1g", "write 1GiB; units are multiples of 1024"),
            (
                "64Mbit",
                "write a whole number of bytes, or one with KiB, MiB or GiB, such as 64MiB",
            ),
            (
                "big",
                "write a whole number of bytes, or one with KiB, MiB or GiB, such as 64MiB",
            ),
            ("99999999999GiB", "write a smaller size"),
            ("9223372036854775808", "write a smaller size"),
        ] {
            assert_eq!(parse(text).unwrap_err(), fix, "{text}");
        }
    }
}
