//! Entries as they stand in Redis, damaged in every way: none is taken for what it is not.

use bytes::Bytes;
use larder::clock::Mono;
use larder::invalidation::{Mark, Order};
use larder::policy::freshness::Times;
use larder::store::frame::{Body, Loaded, Sealer, Unpacked, Written, pack, unpack};
use larder::store::{Content, StoredResponse};

use crate::support::Rng;

#[path = "frames/damage.rs"]
mod damage;

use damage::{Read, SECRET, Sample, body, damage, samples, seal, sealer};

const DAMAGED: u64 = 20_000;

#[test]
fn a_damaged_frame_is_never_taken_for_another() {
    explore(DAMAGED);
}

#[test]
#[ignore = "soak: a minute"]
fn soak_a_damaged_frame_is_never_taken_for_another() {
    explore(50 * DAMAGED);
}

/// What came of them all.
#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    /// As the damage left them as they were.
    same: u64,
    /// Sealed anew and read: changed in a way that makes sense.
    sensible: u64,
    /// Sealed anew and refused.
    senseless: u64,
}

fn explore(cases: u64) {
    let mut rng = Rng::from_env("frames");
    let mut tally = Tally::default();
    let all = [false, true].map(|signed| samples(&sealer(signed)));
    for number in 0..cases {
        let seed = rng.next();
        let run = std::panic::catch_unwind(|| {
            let mut tally = Tally::default();
            one(&all, &mut Rng::seeded(seed), &mut tally);
            tally
        });
        let Ok(one) = run else {
            panic!("frame {number}, seed {seed}: see the panic above");
        };
        tally.refused += one.refused;
        tally.same += one.same;
        tally.sensible += one.sensible;
        tally.senseless += one.senseless;
    }
    println!("{tally:?}");
    assert!(tally.refused > cases / 4, "{tally:?}");
    assert!(
        tally.sensible > cases / 50 && tally.senseless > cases / 50,
        "{tally:?}"
    );
}

fn one(all: &[Vec<Sample>; 2], rng: &mut Rng, tally: &mut Tally) {
    let signed = rng.next().is_multiple_of(2);
    let (samples, sealer) = (&all[usize::from(signed)], sealer(signed));
    let sample = &samples[rng.below(samples.len() as u64) as usize];
    match rng.below(8) {
        0 => foreign(sample, all, signed, rng, tally),
        1 => forged(sample, signed, samples, rng, tally),
        2..=4 => {
            let mut frame = sample.frame.clone();
            damage(&mut frame, samples, rng);
            if frame == sample.frame {
                tally.same += 1;
            } else {
                refuse(sample, frame, &sealer, tally);
            }
        }
        _ => resealed(sample, signed, samples, rng, tally),
    }
}

/// Under another's name, or not a frame at all.
fn foreign(sample: &Sample, all: &[Vec<Sample>; 2], signed: bool, rng: &mut Rng, tally: &mut Tally) {
    let samples = &all[rng.below(2) as usize];
    let other = &samples[rng.below(samples.len() as u64) as usize];
    if rng.next().is_multiple_of(2) {
        let noise = (0..rng.below(300)).map(|_| rng.next() as u8).collect();
        return refuse(sample, noise, &sealer(signed), tally);
    }
    let same_place = other.key == sample.key && other.chunk == sample.chunk;
    let readable = std::ptr::eq(samples, &raw const all[usize::from(signed)]);
    if same_place && readable {
        tally.same += 1;
    } else {
        refuse(sample, other.frame.clone(), &sealer(signed), tally);
    }
}

/// Sealed by someone who has no key, or another.
fn forged(sample: &Sample, signed: bool, others: &[Sample], rng: &mut Rng, tally: &mut Tally) {
    let mut forged = body(&sample.frame, signed).to_vec();
    if rng.next().is_multiple_of(2) {
        damage(&mut forged, others, rng);
    }
    let secret: Option<&[u8]> = match (signed, rng.below(2)) {
        (true, 0) => None,
        (_, _) => Some(b"somebody's own"),
    };
    if let Some(flag) = forged.get_mut(57) {
        *flag = u8::from(secret.is_some());
    }
    refuse(sample, seal(forged, secret), &sealer(signed), tally);
}

fn refuse(sample: &Sample, frame: Vec<u8>, sealer: &Sealer, tally: &mut Tally) {
    let read = sample.read(&Bytes::from(frame), sealer);
    assert!(read.is_err(), "{read:?}");
    tally.refused += 1;
}

/// Changed and sealed as it should be: nothing but the parser stands in the way.
fn resealed(sample: &Sample, signed: bool, others: &[Sample], rng: &mut Rng, tally: &mut Tally) {
    let mut changed = body(&sample.frame, signed).to_vec();
    damage(&mut changed, others, rng);
    let frame = Bytes::from(seal(changed, signed.then_some(SECRET)));
    match sample.read(&frame, &sealer(signed)) {
        Err(_) => tally.senseless += 1,
        Ok(Read::Chunk(content)) => {
            assert!(content.len() < frame.len());
            tally.sensible += 1;
        }
        Ok(Read::Unpacked(Unpacked::Nominated { names, .. })) => {
            assert!(names.len() < frame.len());
            tally.sensible += 1;
        }
        Ok(Read::Unpacked(Unpacked::Response(loaded))) => {
            stays_the_same(*loaded, sample, &sealer(signed));
            tally.sensible += 1;
        }
    }
}

/// Whatever was read is a response like any other: written and read again it is the same.
fn stays_the_same(loaded: Loaded, sample: &Sample, sealer: &Sealer) {
    assert_eq!(loaded.key, sample.key);
    let Body::Inline(content) = loaded.body.clone() else {
        return;
    };
    let written = Written {
        age: loaded.age,
        wall: loaded.wall,
        retention: loaded.retention,
        content_id: 0,
    };
    let times = Times {
        requested: Mono::default(),
        received: Mono::default(),
        initial_age: loaded.age,
    };
    let mark = Mark {
        position: Some(loaded.position),
        stamp: Order::default(),
        fetched: Mono::default(),
    };
    let response = StoredResponse::new(loaded.into_parts(Content::from_chunks(vec![content]), times, mark));
    let packed = pack(&response, written, sealer).unwrap();
    let Ok(Unpacked::Response(again)) = unpack(&Bytes::from(packed.head), &sample.key, sealer) else {
        panic!("unreadable: {response:?}");
    };
    let shown = |loaded: &Loaded| format!("{:?} {:?} {:?}", loaded.age, loaded.wall, loaded.retention);
    assert_eq!(
        shown(&again),
        format!("{:?} {:?} {:?}", written.age, written.wall, written.retention)
    );
    let Body::Inline(content) = again.body.clone() else {
        panic!("no longer inline: {again:?}");
    };
    let parts = again.into_parts(Content::from_chunks(vec![content]), times, mark);
    assert_eq!(format!("{parts:?}"), format!("{:?}", response.to_parts()));
}
