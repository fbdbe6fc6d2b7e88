//! Interim answers and trailer sections.

use super::row::expect;
use super::{Row, fresh, play, row, said};
use crate::support::Answer;

const LINK: &str = "</style.css>; rel=preload";

impl Row {
    /// The status codes of the interim answers before the last answer.
    fn interim(self, codes: &[u16]) -> Row {
        let codes = codes.to_vec();
        self.check(move |exchange| {
            let interim = exchange.response.interim.iter();
            let came: Vec<u16> = interim.map(|(code, _)| *code).collect();
            expect("interim answers", came, codes.clone())
        })
    }

    /// The names in the trailer section of the last answer.
    fn trailers(self, names: &'static [&'static str]) -> Row {
        self.check(move |exchange| {
            let lines = exchange.response.trailers.iter();
            let came: Vec<String> = lines.map(|(name, _)| name.to_ascii_lowercase()).collect();
            expect("trailers", came, names.to_vec())
        })
    }
}

#[tokio::test]
async fn interim_answers_pass_once_and_are_never_stored() {
    let mut rows: Vec<Row> = Vec::new();
    for code in [102, 103, 199] {
        rows.push(
            row(
                format!("{code} passes, and the answer after it is stored"),
                "9110 §15.2",
            )
            .answer(fresh().interim(code, &[("Link", LINK)]))
            .get()
            .interim(&[code])
            .is(200)
            .text("one")
            .lacks(&["Link"])
            .get()
            .hit()
            .interim(&[])
            .text("one")
            .lacks(&["Link"]),
        );
    }
    rows.extend([
        row("several pass in order", "9110 §15.2")
            .answer(
                fresh()
                    .interim(103, &[("Link", "</a>")])
                    .interim(102, &[])
                    .interim(103, &[]),
            )
            .get()
            .interim(&[103, 102, 103])
            .get()
            .hit()
            .interim(&[]),
        row("an interim answer cannot make the final one fresh", "9111 §3")
            .answer(Answer::ok("one").interim(103, &[("Cache-Control", "max-age=3600")]))
            .get()
            .get()
            .forwarded(),
        row("an interim answer cannot keep the final one out", "9111 §3")
            .answer(fresh().interim(103, &[("Cache-Control", "no-store")]))
            .get()
            .get()
            .hit(),
        row("they pass with answers that are not stored", "8297 §2")
            .answer(said("no-store").interim(103, &[("Link", LINK)]))
            .get()
            .interim(&[103])
            .get()
            .forwarded()
            .interim(&[103]),
        row("they pass with answers to writes", "9110 §15.2")
            .answer(Answer::status(204).interim(102, &[]))
            .send("POST", &[])
            .interim(&[102])
            .is(204),
        row("they pass with a validation", "8297 §2")
            .answer(said("max-age=60").field("ETag", "\"a\""))
            .answer(
                Answer::status(304)
                    .field("ETag", "\"a\"")
                    .interim(103, &[("Link", LINK)]),
            )
            .get()
            .pass(70)
            .get()
            .interim(&[103])
            .is(200)
            .text("one")
            .lacks(&["Link"]),
    ]);
    play("", rows).await;
}

#[tokio::test]
async fn trailers_are_made_anew_and_never_stored() {
    let summed = |words: &str| {
        Answer::status(200)
            .field("Cache-Control", words)
            .field("Trailer", "X-Sum")
            .chunk("one")
            .trailer("X-Sum", "1")
            .trailer("Set-Cookie", "sid=1")
    };
    let asks = [("TE", "trailers"), ("Connection", "TE")];
    let rows = vec![
        row("whoever asks gets those that were announced", "9110 §6.5.1")
            .answer(summed("no-store"))
            .get_with(&asks)
            .asked("TE", &["trailers"])
            .trailers(&["x-sum"])
            .text("one"),
        row("whoever does not ask gets none", "9110 §6.5.1")
            .answer(summed("no-store"))
            .get()
            .asked("TE", &[])
            .trailers(&[])
            .text("one"),
        row("trailers become no fields", "9110 §6.5.1")
            .answer(summed("no-store"))
            .get_with(&asks)
            .lacks(&["X-Sum", "Set-Cookie"]),
        row("a stored answer has none", "9111 §3.1")
            .answer(summed("max-age=3600"))
            .get()
            .get_with(&asks)
            .hit()
            .text("one")
            .trailers(&[])
            .lacks(&["Trailer", "X-Sum", "Set-Cookie"]),
    ];
    play("", rows).await;
}
