//! `Cache-Control` for this cache alone (RFC 9213).

use super::{Row, not_reused, play, reused, row};
use crate::support::Answer;

const CDN: &str = "rules:\n  - { match: 'GET /**', targeted: [CDN-Cache-Control] }\n";

fn cdn(words: &str) -> Answer {
    Answer::ok("one").field("CDN-Cache-Control", words)
}

#[tokio::test]
async fn a_targeted_field_counts_in_place_of_the_others() {
    let rows = vec![
        row("its max-age is the lifetime", "9213 §2.1")
            .answer(cdn("max-age=3600"))
            .get()
            .pass(3500)
            .get()
            .hit()
            .pass(110)
            .get()
            .forwarded(),
        not_reused("its max-age=0 is stale", "9213 §2.1", cdn("max-age=0")),
        row("it counts before a shorter Cache-Control", "9213 §2.2")
            .answer(cdn("max-age=3600").field("Cache-Control", "max-age=10"))
            .get()
            .pass(3500)
            .get()
            .hit(),
        row("it counts before a longer Cache-Control", "9213 §2.2")
            .answer(cdn("max-age=10").field("Cache-Control", "max-age=3600"))
            .get()
            .pass(20)
            .get()
            .forwarded(),
        reused(
            "it counts before no-store",
            "9213 §2.2",
            cdn("max-age=3600").field("Cache-Control", "no-store"),
        ),
        reused(
            "it counts before private",
            "9213 §2.2",
            cdn("max-age=3600").field("Cache-Control", "private"),
        ),
        reused(
            "it counts before no-cache",
            "9213 §2.2",
            cdn("max-age=3600").field("Cache-Control", "no-cache"),
        ),
        reused(
            "it counts before s-maxage=0",
            "9213 §2.2",
            cdn("max-age=3600").field("Cache-Control", "s-maxage=0"),
        ),
        not_reused(
            "its no-store counts before max-age and Expires",
            "9213 §2.2",
            cdn("no-store")
                .field("Cache-Control", "max-age=3600")
                .field("Expires", "{now+3600}"),
        ),
        not_reused(
            "its private counts before max-age and Expires",
            "9213 §2.2",
            cdn("private")
                .field("Cache-Control", "max-age=3600")
                .field("Expires", "{now+3600}"),
        ),
        not_reused(
            "its no-cache counts before max-age and Expires",
            "9213 §2.2",
            cdn("no-cache")
                .field("Cache-Control", "max-age=3600")
                .field("Expires", "{now+3600}"),
        ),
        reused(
            "it counts before a past Expires",
            "9213 §2.2",
            cdn("max-age=3600").field("Expires", "{now-60}"),
        ),
        reused(
            "it counts before an invalid Expires",
            "9213 §2.2",
            cdn("max-age=3600").field("Expires", "0"),
        ),
        not_reused(
            "its max-age=0 counts before a future Expires",
            "9213 §2.2",
            cdn("max-age=0").field("Expires", "{now+3600}"),
        ),
        not_reused(
            "Expires does not fill in where it names no lifetime",
            "9213 §2.2",
            cdn("public").field("Expires", "{now+3600}"),
        ),
        row("its must-revalidate counts", "9213 §2.1")
            .answer(cdn("max-age=60, must-revalidate").field("Cache-Control", "stale-if-error=3600"))
            .answer(Answer::status(503))
            .get()
            .pass(70)
            .get()
            .is(503),
        row("its s-maxage counts before its max-age", "9111 §5.2.2.10")
            .answer(cdn("max-age=3600, s-maxage=10"))
            .get()
            .pass(20)
            .get()
            .forwarded(),
        not_reused(
            "Age counts against it",
            "9213 §2.1",
            cdn("max-age=3600").field("Age", "7200"),
        ),
        row("Age is made where it counts", "9111 §5.1")
            .answer(cdn("max-age=3600").field("Cache-Control", "max-age=1"))
            .get()
            .pass(100)
            .get()
            .hit()
            .age(100),
        row("it is passed on and stored unchanged", "9213 §2.1")
            .answer(
                cdn("max-age=3600, x")
                    .field("Cache-Control", "max-age=1")
                    .field("Date", "{now}")
                    .field("Expires", "{now+1}"),
            )
            .get()
            .says("CDN-Cache-Control", &["max-age=3600, x"])
            .get()
            .hit()
            .says("CDN-Cache-Control", &["max-age=3600, x"])
            .says("Cache-Control", &["max-age=1"])
            .says("Date", &["{now}"])
            .says("Expires", &["{now+1}"]),
        row("a 304 freshens it", "9111 §4.3.4")
            .answer(cdn("max-age=60").field("ETag", "\"a\""))
            .answer(
                Answer::status(304)
                    .field("ETag", "\"a\"")
                    .field("CDN-Cache-Control", "max-age=3600"),
            )
            .get()
            .pass(70)
            .get()
            .pass(3000)
            .get()
            .hit(),
        not_reused(
            "a field that is not on the list means nothing",
            "9213 §2.2",
            Answer::ok("one")
                .field("Other-Cache-Control", "max-age=3600")
                .field("Cache-Control", "no-store"),
        ),
    ];
    play(CDN, rows).await;
}

/// Beside `Cache-Control: no-store`, which a valid field overrides.
#[tokio::test]
async fn only_a_dictionary_counts() {
    let valid = [
        "max-age=3600",
        "max-age=3600, extension",
        "max-age=3600, extension=\"a, b\"",
        "max-age=3600;a=1",
        "  max-age=3600  ,\textension=?0",
        "max-age=0, max-age=3600",
        "max-age=3600, extension=(a b)",
        "max-age=2147483648",
        "max-age=99999999999",
    ];
    let invalid = [
        "",
        "max-age=\"3600\"",
        "max-age='3600'",
        "max-age=3600.0",
        "max-age=-1",
        "max-age",
        "max-age=",
        "max-age =3600",
        "max-age= 3600",
        "max-age=3600,",
        ",max-age=3600",
        "max-age=3600,,extension",
        "max-age=3600; extension=",
        "Max-Age=3600",
        "max-age=3600, EXTENSION",
        "max-age=3600 extension",
        "max-age=3600, no-store=1",
        "max-age=3600, extension=\"a",
        "max-age=(3600)",
        "max-age=3600, public=?0",
        "max-age=99999999999999999",
        "max-age=3600, &",
    ];
    let beside = |words: &str| cdn(words).field("Cache-Control", "no-store");
    let mut rows: Vec<Row> = valid
        .iter()
        .map(|words| reused(format!("valid: {words}"), "9213 §2.1", beside(words)))
        .collect();
    rows.extend(
        invalid
            .iter()
            .map(|words| not_reused(format!("invalid: {words}"), "9213 §2.1", beside(words))),
    );
    rows.extend(invalid.iter().map(|words| {
        let answer = cdn(words).field("Cache-Control", "max-age=3600");
        reused(
            format!("invalid, so Cache-Control counts: {words}"),
            "9213 §2.2",
            answer,
        )
    }));
    rows.push(reused(
        "several lines are one dictionary",
        "9651 §4.2",
        beside("extension").field("CDN-Cache-Control", "max-age=3600"),
    ));
    rows.push(not_reused(
        "one bad line of two spoils the field",
        "9651 §4.2",
        beside("max-age=3600").field("CDN-Cache-Control", "&"),
    ));
    play(CDN, rows).await;
}

#[tokio::test]
async fn larders_own_field_counts_unless_told_otherwise() {
    let larder = |words: &str| Answer::ok("one").field("Larder-Cache-Control", words);
    let rows = vec![
        reused(
            "Larder-Cache-Control counts without a rule",
            "9213 §2",
            larder("max-age=3600").field("Cache-Control", "no-store"),
        ),
        not_reused(
            "and forbids without a rule",
            "9213 §2.2",
            larder("no-store").field("Cache-Control", "max-age=3600"),
        ),
        not_reused(
            "CDN-Cache-Control speaks to others",
            "9213 §3.1",
            cdn("max-age=3600").field("Cache-Control", "no-store"),
        ),
    ];
    play("", rows).await;
    let both = "rules:\n  - { match: 'GET /**', targeted: [CDN-Cache-Control, Larder-Cache-Control] }\n";
    let rows = vec![
        not_reused(
            "the first of the list that is there counts",
            "9213 §2.2",
            larder("max-age=3600").field("CDN-Cache-Control", "no-store"),
        ),
        reused(
            "where the first is absent the second counts",
            "9213 §2.2",
            larder("max-age=3600").field("Cache-Control", "no-store"),
        ),
        reused(
            "where the first is invalid the second counts",
            "9213 §2.2",
            larder("max-age=3600").field("CDN-Cache-Control", "no-store,"),
        ),
        reused(
            "where the first is empty the second counts",
            "9213 §2.2",
            larder("max-age=3600").field("CDN-Cache-Control", ""),
        ),
    ];
    play(both, rows).await;
}
