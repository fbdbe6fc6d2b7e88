//! There and back for every coding and level, in pieces of any size.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::fields::coding::Coding;

fn code(coding: Coding, level: Level, pieces: &[&[u8]], flush: bool) -> Vec<u8> {
    let length = pieces.iter().map(|piece| piece.len() as u64).sum();
    // Of content that is on its way the length may not be known.
    let mut encoder = Encoder::new(coding, level, Some(length).filter(|_| !flush));
    let mut coded = Vec::new();
    for piece in pieces {
        coded.extend_from_slice(&encoder.push(piece).unwrap());
        if flush {
            coded.extend_from_slice(&encoder.flush().unwrap());
        }
    }
    coded.extend_from_slice(&encoder.finish().unwrap());
    coded
}

fn decode(coding: Coding, pieces: &[&[u8]], cap: u64) -> Result<Vec<u8>, Undecodable> {
    let mut decoder = Decoder::new(coding, cap);
    let mut whole = Vec::new();
    for piece in pieces {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            let piece = decoder.pull(&mut input)?;
            if piece.is_empty() {
                break;
            }
            whole.extend_from_slice(&piece);
        }
        assert!(input.is_empty());
    }
    decoder.finish()?;
    Ok(whole)
}

fn text(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| b"abcdefgh {}\":,"[(at * at / 7 + at) % 14])
        .collect()
}

#[test]
fn every_coding_and_level_comes_back() {
    for coding in Coding::ALL {
        for level in [Level::Fast, Level::Default, Level::Best] {
            for length in [0, 1, 499, 16 * 1024, 300_000] {
                let text = text(length);
                let coded = code(coding, level, &[&text], false);
                assert!(
                    decode(coding, &[&coded], 1 << 30).unwrap() == text,
                    "{coding:?} {level:?} {length}"
                );
            }
        }
    }
}

#[test]
fn what_was_flushed_can_be_decoded_before_the_end() {
    for coding in Coding::ALL {
        let mut encoder = Encoder::new(coding, Level::Fast, None);
        let mut decoder = Decoder::new(coding, 1000);
        for word in ["{\"a\": 1}\n", "{\"b\": 2}\n"] {
            let mut sent = encoder.push(word.as_bytes()).unwrap().to_vec();
            sent.extend_from_slice(&encoder.flush().unwrap());
            let mut sent = Bytes::from(sent);
            let mut got = Vec::new();
            while !sent.is_empty() {
                got.extend_from_slice(&decoder.pull(&mut sent).unwrap());
            }
            assert_eq!(got, word.as_bytes(), "{coding:?}");
        }
    }
}

#[test]
fn content_that_ends_early_goes_on_too_long_or_is_something_else_is_refused() {
    for coding in Coding::ALL {
        let text = text(100_000);
        let coded = code(coding, Level::Fast, &[&text], false);
        let (most, _) = coded.split_at(coded.len() - 1);
        assert_eq!(
            decode(coding, &[most], 1 << 30),
            Err(Undecodable::Corrupt),
            "{coding:?} cut"
        );
        assert_eq!(
            decode(coding, &[&coded], 99_999),
            Err(Undecodable::TooLong),
            "{coding:?}"
        );
        assert_eq!(
            decode(coding, &[&coded], 100_000).map(|text| text.len()),
            Ok(100_000),
            "{coding:?}"
        );
        assert_eq!(
            decode(coding, &[b"no coding at all, just text"], 1 << 30),
            Err(Undecodable::Corrupt),
            "{coding:?}"
        );
        let trailed = [&coded[..], b"more"].concat();
        assert_eq!(
            decode(coding, &[&trailed], 1 << 30),
            Err(Undecodable::Corrupt),
            "{coding:?} trailed"
        );
        assert_eq!(decode(coding, &[], 10), Ok(Vec::new()), "{coding:?} of nothing");
    }
}

#[test]
fn members_and_frames_may_follow_each_other() {
    for coding in [Coding::Gzip, Coding::Zstd] {
        let one = code(coding, Level::Fast, &[b"one "], false);
        let two = code(coding, Level::Fast, &[b"two"], false);
        assert_eq!(
            decode(coding, &[&[one, two].concat()], 100).unwrap(),
            b"one two",
            "{coding:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_in_any_pieces_come_back(
        coding in prop::sample::select(Coding::ALL.to_vec()),
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 0..8),
        flush in any::<bool>(),
        cut in 1_usize..3000,
    ) {
        let whole = pieces.concat();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let coded = code(coding, Level::Fast, &pieces, flush);
        let cut: Vec<&[u8]> = coded.chunks(cut).collect();
        prop_assert!(decode(coding, &cut, 1 << 30).unwrap() == whole);
    }

    #[test]
    fn any_bytes_are_decoded_without_a_panic(
        coding in prop::sample::select(Coding::ALL.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let _ = decode(coding, &[&bytes], 1 << 20);
    }
}
