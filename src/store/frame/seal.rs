//! What shows that a frame is as it was written: a checksum or, with a sign key, a signature.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::{Corrupt, MAGIC, SEAL_AT};

/// The values of the byte that says how a frame is sealed.
const CHECKSUM: u8 = 0;
const SIGNATURE: u8 = 1;

/// XXH3-64.
const CHECKSUM_LEN: usize = 8;
/// HMAC-SHA-256.
const SIGNATURE_LEN: usize = 32;
/// What SHA-256 takes at once, bytes.
const BLOCK: usize = 64;

/// Seals frames and checks seals, in the one way that the configuration names.
#[derive(Clone)]
pub struct Sealer(Option<Hmac<Sha256>>);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = if self.0.is_some() { "signature" } else { "checksum" };
        write!(f, "Sealer({how})")
    }
}

impl Sealer {
    /// With `sign_key` frames are signed, and only signed ones count; without, they carry a
    /// checksum, which shows accidents only.
    pub fn new(sign_key: Option<&[u8]>) -> Self {
        Self(sign_key.map(|key| Hmac::new(&block_of(key).into())))
    }

    /// The byte that says how frames are sealed here.
    pub(super) fn flag(&self) -> u8 {
        if self.0.is_some() { SIGNATURE } else { CHECKSUM }
    }

    /// How much longer the seal makes a frame.
    pub(super) fn len(&self) -> usize {
        if self.0.is_some() {
            SIGNATURE_LEN
        } else {
            CHECKSUM_LEN
        }
    }

    /// Adds the seal over all of `frame`.
    pub(super) fn seal(&self, frame: &mut Vec<u8>) {
        match &self.0 {
            None => frame.extend_from_slice(&xxh3_64(frame).to_be_bytes()),
            Some(keyed) => {
                let mut keyed = keyed.clone();
                keyed.update(frame);
                frame.extend_from_slice(&keyed.finalize().into_bytes());
            }
        }
    }

    /// The frame without its seal, if that is right.
    pub(super) fn open<'f>(&self, frame: &'f [u8]) -> Result<&'f [u8], Corrupt> {
        let flag = *frame.get(SEAL_AT).ok_or(Corrupt::Truncated)?;
        let [magic @ .., version] = MAGIC;
        let rest = frame.strip_prefix(&magic).ok_or(Corrupt::Magic)?;
        if rest.first() != Some(&version) {
            return Err(Corrupt::Version);
        }
        match (flag, &self.0) {
            (CHECKSUM, None) => open_checked(frame),
            (SIGNATURE, Some(keyed)) => open_signed(frame, keyed.clone()),
            (SIGNATURE, None) => Err(Corrupt::Signed),
            (_, Some(_)) => Err(Corrupt::Signature),
            (_, None) => Err(Corrupt::Checksum),
        }
    }
}

fn open_checked(frame: &[u8]) -> Result<&[u8], Corrupt> {
    let (body, seal) = frame
        .split_last_chunk::<CHECKSUM_LEN>()
        .ok_or(Corrupt::Truncated)?;
    // The seal must not reach into what has to be there.
    if body.len() <= SEAL_AT {
        return Err(Corrupt::Truncated);
    }
    if xxh3_64(body).to_be_bytes() == *seal {
        Ok(body)
    } else {
        Err(Corrupt::Checksum)
    }
}

fn open_signed(frame: &[u8], mut keyed: Hmac<Sha256>) -> Result<&[u8], Corrupt> {
    let (body, seal) = frame
        .split_last_chunk::<SIGNATURE_LEN>()
        .ok_or(Corrupt::Truncated)?;
    if body.len() <= SEAL_AT {
        return Err(Corrupt::Truncated);
    }
    keyed.update(body);
    // In constant time: how long it takes must not tell how much of a guess was right.
    match keyed.verify(&(*seal).into()) {
        Ok(()) => Ok(body),
        Err(_) => Err(Corrupt::Signature),
    }
}

/// The key as HMAC takes it: hashed where it is longer than a block, then filled up with zeros
/// (RFC 2104 §2).
fn block_of(key: &[u8]) -> [u8; BLOCK] {
    let hashed: [u8; 32] = Sha256::digest(key).into();
    let key = if key.len() > BLOCK { &hashed } else { key };
    let mut block = [0; BLOCK];
    block.iter_mut().zip(key).for_each(|(place, byte)| *place = *byte);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_any_length_signs_as_hmac_says() {
        for len in [0, 1, 32, 63, 64, 65, 200] {
            let key = vec![7; len];
            let mut reference = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            reference.update(b"frame");
            let mut sealed = b"frame".to_vec();
            Sealer::new(Some(&key)).seal(&mut sealed);
            assert_eq!(sealed[5..], reference.finalize().into_bytes()[..], "{len}");
        }
    }

    #[test]
    fn what_signs_does_not_show_its_key() {
        assert_eq!(
            format!("{:?}", Sealer::new(Some(b"hunter2"))),
            "Sealer(signature)"
        );
    }
}
