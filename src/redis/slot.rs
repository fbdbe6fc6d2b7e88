//! Which of a cluster's 16384 slots a key belongs to.

/// How many slots there are.
pub(super) const SLOTS: u16 = 16_384;

/// The slot of a key: CRC16 of its hash tag, where it has one, else of all of it.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    crc16(hash_tag(key)) % SLOTS
}

/// What stands between the first `{` and the next `}`, unless that is nothing.
fn hash_tag(key: &[u8]) -> &[u8] {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|&byte| byte == b'}')?;
        rest.get(..close)
    });
    tag.filter(|tag| !tag.is_empty()).unwrap_or(key)
}

/// CRC-16/XMODEM: polynomial 0x1021, nothing reflected, from zero.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_cluster_specification() {
        for (text, sum) in [("", 0), ("123456789", 0x31C3), ("A", 0x58E5), ("foo", 0xAF96)] {
            assert_eq!(crc16(text.as_bytes()), sum, "{text}");
        }
    }

    #[test]
    fn the_slot_is_that_of_the_hash_tag() {
        // As `CLUSTER KEYSLOT` of 7.0 says.
        for (key, slot) in [
            ("foo", 12_182),
            ("bar", 5_061),
            ("{foo}.bar", 12_182),
            ("larder:a:{foo}:v:{bar}", 12_182),
            ("{foo", 13_308),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
        for (key, tag) in [
            ("{user1000}.following", "user1000"),
            ("foo{}{bar}", "foo{}{bar}"),
            ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"),
            ("}foo{bar", "}foo{bar"),
            ("", ""),
        ] {
            assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes(), "{key}");
        }
    }
}
